"""Conditions as logic and as text: what a list of them comes to, what it says, and the event keys it names.

Pure. The truth of one condition has three values: ``True``, it holds; ``False``, it can never hold any more;
``None``, not yet. Whether an event came, a time passed or an expression is true is for the caller to find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from plait.errors import DefinitionError, InvalidValueError
from plait.graph.definition import Condition, ConditionGroups, ConditionKind, WorkflowDefinition
from plait.wording import shorten

Truth = bool | None

MAX_EVENT_KEY_LENGTH = 500
"""Characters of an event key or scope: at four bytes each it still fits into an index entry of PostgreSQL."""

_SHOWN_EXPRESSION = 120
_HUGE = 1e300
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


# --- what a list of conditions comes to ------------------------------------------------------------------------------


def evaluate_groups(groups: ConditionGroups, truth: Sequence[Truth], first: int) -> Truth:
    """All of the groups, any condition of each; ``truth[first]`` belongs to the first condition of the first group.

    No groups at all hold.
    """
    values = [_any(truth[number] for number in numbers) for numbers, _ in _number(groups, first)]
    if False in values:
        return False
    return None if None in values else True


def list_open(groups: ConditionGroups, truth: Sequence[Truth], first: int) -> tuple[int, ...]:
    """The numbers of the conditions that are open and can still change what ``evaluate_groups`` answers."""
    if evaluate_groups(groups, truth, first) is not None:
        return ()
    return tuple(
        number
        for numbers, _ in _number(groups, first)
        if _any(truth[number] for number in numbers) is None
        for number in numbers
        if truth[number] is None
    )


def list_holding(groups: ConditionGroups, truth: Sequence[Truth], first: int) -> tuple[Condition, ...]:
    """For each group that holds, the first condition that makes it hold."""
    return tuple(
        next(condition for number, condition in zip(numbers, group, strict=True) if truth[number])
        for numbers, group in _number(groups, first)
        if any(truth[number] for number in numbers)
    )


def list_hopeless(groups: ConditionGroups, truth: Sequence[Truth], first: int) -> ConditionGroups:
    """The groups of which no condition can ever hold."""
    return tuple(
        group for numbers, group in _number(groups, first) if _any(truth[number] for number in numbers) is False
    )


def _any(values: Iterable[Truth]) -> Truth:
    known = list(values)
    if True in known:
        return True
    return None if None in known else False


def _number(groups: ConditionGroups, first: int) -> Iterator[tuple[range, tuple[Condition, ...]]]:
    """Each group with the numbers of its conditions."""
    for group in groups:
        yield range(first, first + len(group)), group
        first += len(group)


# --- what it says ----------------------------------------------------------------------------------------------------


def describe_condition(definition: WorkflowDefinition, task: int, condition: Condition) -> str:
    """One condition of ``task`` for people, e.g. ``event 'user:approved' where input.ok``."""
    if condition.kind is ConditionKind.SLEEP:
        since = "its parents" if definition.tasks[task].parents else "the run started"
        return f"{describe_seconds(condition.seconds or 0.0)} after {since}"
    if condition.kind is ConditionKind.EVENT:
        scope = "" if condition.scope is None else f" in scope {condition.scope!r}"
        where = "" if condition.expression is None else f" where {_show_expression(condition.expression)}"
        return f"event {condition.event_key!r}{scope}{where}"
    assert condition.parent is not None
    parent = f"parent {definition.tasks[condition.parent].name!r}"
    return (
        f"{parent} completed" if condition.expression is None else f"{parent}: {_show_expression(condition.expression)}"
    )


def describe_groups(definition: WorkflowDefinition, task: int, groups: ConditionGroups) -> str:
    """A whole list of conditions for people: ``A and (B or C)``."""
    texts = [" or ".join(describe_condition(definition, task, one) for one in group) for group in groups]
    if len(groups) == 1:
        return texts[0]
    return " and ".join(f"({text})" if len(group) > 1 else text for text, group in zip(texts, groups, strict=True))


def describe_seconds(seconds: float) -> str:
    """``90.5 s``, ``5 min``, ``1 d 12 h``."""
    if seconds < 120 or seconds % 60:
        return f"{seconds:,.3f}".rstrip("0").rstrip(".") + " s"
    parts: list[str] = []
    rest = int(seconds)
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts)


def _show_expression(expression: str) -> str:
    text = " ".join(expression.split())
    return text if len(text) <= _SHOWN_EXPRESSION else f"{text[: _SHOWN_EXPRESSION - 1]}…"


# --- event keys ------------------------------------------------------------------------------------------------------

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_PLACEHOLDER = re.compile(r"input(\.[^.{}\s]+)*|metadata(\.[^.{}\s]+)+")


def check_event_template(template: str, where: str) -> None:
    """Raise ``DefinitionError`` unless every brace in ``template`` belongs to a placeholder or is written twice."""
    for piece in _PIECE.finditer(template):
        if piece[1] is None:
            if piece[0] in "{}":
                raise DefinitionError(
                    f"{where} {shorten(template)} has a lone {piece[0]!r} at position {piece.start()}: write "
                    f"{piece[0] * 2!r} for the character, or {{input.field}} for a field of the run's input"
                )
        elif not _PLACEHOLDER.fullmatch(piece[1]):
            raise DefinitionError(
                f"{where} {shorten(template)} holds {shorten(piece[0])}: a placeholder is {{input.field}} or "
                f"{{metadata.field}}, with dots into what is nested; write '{{{{' and '}}}}' for braces"
            )


def render_event_key(template: str, *, input: Any, metadata: Any) -> str:
    """``template`` with each ``{input.path}`` and ``{metadata.path}`` replaced by what stands there.

    ``input`` and ``metadata`` are the run's, as parsed from JSON. A path goes by dots into objects, and by index into
    arrays. Raises ``InvalidValueError`` naming the placeholder when nothing stands there, or no text, number or
    boolean; and when the result is empty or longer than ``MAX_EVENT_KEY_LENGTH``.
    """
    sources = {"input": input, "metadata": metadata}

    def fill_in(piece: re.Match[str]) -> str:
        return piece[0][0] if piece[1] is None else _look_up(template, piece[1], sources)

    key = _PIECE.sub(fill_in, template)
    if not 0 < len(key) <= MAX_EVENT_KEY_LENGTH:
        problem = "empty" if not key else f"{len(key):,} characters long, more than {MAX_EVENT_KEY_LENGTH}"
        raise InvalidValueError(f"event key {shorten(template)} becomes {shorten(key)}, which is {problem}")
    return key


def _look_up(template: str, path: str, sources: Mapping[str, Any]) -> str:
    place = f"event key {shorten(template)}: {shorten('{' + path + '}')}"
    value: Any = sources
    for name in path.split("."):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(value):
            value = value[int(name[:9])]
        else:
            raise InvalidValueError(f"{place} is not there: there is no {shorten(name)}")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and abs(value) < _HUGE:  # Python refuses to write out a number of any length
        return repr(value)
    raise InvalidValueError(
        f"{place} is {shorten(value)}: only a text, a number or a boolean can stand in an event key"
    )


def matches_pattern(pattern: str, key: str) -> bool:
    """Whether an event key fits: ``*`` in ``pattern`` stands for any characters, or none; all else for itself.

    Takes time in proportion to the lengths, whatever the pattern.
    """
    head, *rest = pattern.split("*")
    if not rest:
        return key == pattern
    *middle, tail = rest
    end = len(key) - len(tail)
    if len(head) > end or not (key.startswith(head) and key.endswith(tail)):
        return False
    place = len(head)
    for part in middle:
        place = key.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True
