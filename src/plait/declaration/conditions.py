"""What a task can wait for, and what skips or cancels it: the conditions of ``wait_for``, ``skip_if``, ``cancel_if``.

A list of conditions holds when all of its members hold; an ``or_(...)`` among them holds when any of its own does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, assert_never

from plait.declaration.code import TaskCode
from plait.declaration.parent import Parent
from plait.errors import DefinitionError
from plait.graph.conditions import check_event_template
from plait.graph.definition import Condition, ConditionGroups, ConditionKind
from plait.types import Duration, parse_duration
from plait.types.filters import check_event_text
from plait.values.expressions import check_expression
from plait.wording import shorten

MAX_CONDITIONS: Final = 1_000
"""Conditions in one option of a task."""


@dataclass(frozen=True, slots=True)
class SleepCondition:
    """Holds when ``duration`` has passed since the task's parents were done; since the trigger where it has none.

    ``readable_data_key`` names its entry in ``ctx.trigger_data``.
    """

    duration: Duration
    readable_data_key: str | None = None


@dataclass(frozen=True, slots=True)
class UserEventCondition:
    """Holds when an event with the key ``event_key`` has been pushed since the run was triggered; one
    that an event starts was triggered when that event was pushed.

    ``expression`` is CEL over the event's payload as ``input``, e.g. ``"input.approved == true"``: only events for
    which it is true count. With ``scope`` only events pushed with that scope count. Key and scope may hold
    ``{input.field}`` and ``{metadata.field}``, which stand for what the run was triggered with, e.g.
    ``"order:{input.order_id}:paid"``; ``{{`` and ``}}`` stand for braces.

    ``ctx.trigger_data`` holds the payload under ``readable_data_key``, or under ``event_key`` as it is written here.
    """

    event_key: str
    expression: str | None = None
    readable_data_key: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class ParentCondition:
    """Holds when ``parent``, one of the task's own parents, completed (was not skipped).

    ``expression`` is CEL over the parent's output as ``output``, e.g. ``"output.rows > 0"``, and must be true too.
    ``readable_data_key`` names its entry in ``ctx.trigger_data``, the parent's name unless given.
    """

    parent: Parent[Any]
    expression: str | None = None
    readable_data_key: str | None = None


@dataclass(frozen=True, slots=True)
class OrGroup:
    """Holds when any of its conditions holds. Made by ``or_(...)``."""

    conditions: tuple[AnyCondition, ...]


AnyCondition = SleepCondition | UserEventCondition | ParentCondition | OrGroup
"""A member of ``wait_for``, ``skip_if`` or ``cancel_if``."""

Conditions = AnyCondition | Sequence[AnyCondition]
"""What ``wait_for``, ``skip_if`` and ``cancel_if`` take: a list, or one condition alone."""

_WAYS = "SleepCondition(...), UserEventCondition(...), ParentCondition(...) or or_(...)"


def or_(*conditions: AnyCondition) -> OrGroup:
    """A condition that holds when any of ``conditions`` holds. One ``or_`` inside another changes nothing."""
    return OrGroup(conditions)


def read_conditions(given: Conditions | None, parents: Sequence[Parent[Any]], where: str) -> ConditionGroups:
    """The checked conditions of one option. A ``Condition.parent`` in it is a place in ``parents``.

    Raises ``DefinitionError`` with a message that begins with ``where``, e.g. ``"workflow 'W', task 't': wait_for"``.
    """
    if given is None:
        return ()
    members = [given] if isinstance(given, AnyCondition) else given
    if isinstance(members, str) or not isinstance(members, Sequence):
        raise DefinitionError(f"{where} is {shorten(given)}: give a list of {_WAYS}")
    groups = tuple(tuple(_read_condition(one, parents, where) for one in _flatten(member, where)) for member in members)
    _refuse_shared_names(groups, where)
    if (count := sum(map(len, groups))) > MAX_CONDITIONS:
        raise DefinitionError(f"{where} has {count:,} conditions, more than the {MAX_CONDITIONS:,} that are possible")
    return groups


def _refuse_shared_names(groups: ConditionGroups, where: str) -> None:
    """Two events under one name would leave the payload of one of them in ``ctx.trigger_data``."""
    seen: dict[str | None, Condition] = {}
    for condition in (condition for group in groups for condition in group if condition.kind is ConditionKind.EVENT):
        if seen.setdefault(condition.data_key, condition) != condition:
            raise DefinitionError(
                f"{where}: two conditions put their events into ctx.trigger_data under {condition.data_key!r}: give "
                f"one of them another readable_data_key"
            )


def _flatten(member: object, where: str) -> Iterator[SleepCondition | UserEventCondition | ParentCondition]:
    """The conditions of one group."""
    if isinstance(member, OrGroup):
        if not member.conditions:
            raise DefinitionError(f"{where} holds or_() without conditions, which could never hold: give it some")
        for one in member.conditions:
            yield from _flatten(one, where)
    elif isinstance(member, (SleepCondition, UserEventCondition, ParentCondition)):
        yield member
    else:
        raise DefinitionError(f"{where} holds {shorten(member)}: {_explain_member(member)}")


def _explain_member(member: object) -> str:
    if isinstance(member, str):
        return "for an event write UserEventCondition(key), for a time SleepCondition(duration)"
    if isinstance(member, timedelta):
        return "write SleepCondition(duration)"
    if isinstance(member, Sequence):
        return "lists are not nested, write or_(...) for alternatives"
    if _is_task(member):
        return "for a task's output write ParentCondition(task), to follow it parents=[task]"
    return f"give {_WAYS}"


def _read_condition(
    given: SleepCondition | UserEventCondition | ParentCondition, parents: Sequence[Parent[Any]], where: str
) -> Condition:
    key = given.readable_data_key
    if key is not None:
        check_event_text(key, f"{where}: readable_data_key")
    match given:
        case SleepCondition(duration):
            seconds = parse_duration(duration, where=f"{where}: SleepCondition duration")
            return Condition(kind=ConditionKind.SLEEP, seconds=seconds, data_key=key or f"sleep:{seconds:g}s")
        case UserEventCondition(event_key, expression, _, scope):
            _check_template(event_key, f"{where}: event_key")
            if "*" in event_key:
                raise DefinitionError(
                    f"{where}: event_key {shorten(event_key)} holds a *: a task waits for one key, patterns are for "
                    f"on_events"
                )
            if scope is not None:
                _check_template(scope, f"{where}: scope")
            if expression is not None:
                check_expression(expression, variables=("input",), where=where)
            return Condition(
                kind=ConditionKind.EVENT,
                event_key=event_key,
                scope=scope,
                expression=expression,
                data_key=key or event_key,
            )
        case ParentCondition(parent, expression):
            place = _find_parent(parent, parents, where)
            if expression is not None:
                check_expression(expression, variables=("output",), where=where)
            return Condition(
                kind=ConditionKind.PARENT, parent=place, expression=expression, data_key=key or parents[place].name
            )
        case _:
            assert_never(given)


def _check_template(template: object, what: str) -> None:
    check_event_text(template, what)
    assert isinstance(template, str)
    check_event_template(template, what)


def _find_parent(parent: object, parents: Sequence[Parent[Any]], where: str) -> int:
    for place, own in enumerate(parents):
        if own is parent:
            return place
    problem = f"{where}: ParentCondition({shorten(parent)})"
    if not _is_task(parent):
        raise DefinitionError(f"{problem}: give the task itself, what @workflow.task() returned")
    if not parents:
        raise DefinitionError(f"{problem}, but this task has no parents: name it in workflow.task(parents=[...])")
    names = ", ".join(repr(own.name) for own in parents)
    raise DefinitionError(f"{problem} is about no parent of this task: add it to parents=, which holds {names}")


def _is_task(value: object) -> bool:
    return isinstance(getattr(value, "_code", None), TaskCode)
