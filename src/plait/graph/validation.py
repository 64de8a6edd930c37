"""Building a ``WorkflowDefinition``: drafts with parents by name in, a checked and sorted graph out.

Pure and deterministic. Every rule about a graph as a whole stands here; what concerns one option of one
task is checked where the task is declared.
"""

from __future__ import annotations

import heapq
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from plait.errors import DefinitionError
from plait.graph.definition import (
    ConditionGroups,
    CronDefinition,
    FilterDefinition,
    TaskDefinition,
    TaskKind,
    WorkflowDefinition,
)
from plait.wording import shorten, suggest

MAX_TASKS = 32_000
"""Tasks of one workflow, hooks included: an index must fit into a ``smallint``."""

MAX_NAME_LENGTH = 200

# Control, format (zero-width and bidirectional marks), surrogate, line and paragraph separator characters:
# they make two names look alike, break a terminal or cannot be stored.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class DraftTask:
    """A task as it was declared. ``task.parents`` is ignored; ``parents`` holds names.

    The ``parent`` of a condition is a place in ``parents`` here, and the index of a task in the built definition.
    """

    task: TaskDefinition
    parents: tuple[str, ...] = ()


def build_definition(
    name: str,
    tasks: Sequence[DraftTask],
    *,
    description: str | None = None,
    default_priority: int = 1,
    input_schema: dict[str, Any] | None = None,
    on_events: Sequence[str] = (),
    filters: Sequence[FilterDefinition] = (),
    crons: Sequence[CronDefinition] = (),
) -> WorkflowDefinition:
    """Check the graph and put it into topological order, hooks last.

    Among tasks that could stand next, the one declared first does. The success hook gets all sinks as
    parents; the failure hook follows the success hook, or the sinks where there is none. Raises
    ``DefinitionError``.
    """
    check_name(name, "workflow name")
    where = f"workflow {name!r}"
    plain = [draft for draft in tasks if draft.task.kind is TaskKind.TASK]
    _check_names(where, tasks)
    if not plain:
        raise DefinitionError(f"{where} has no tasks: declare at least one with @workflow.task()")
    if len(tasks) > MAX_TASKS:
        raise DefinitionError(
            f"{where} has {len(tasks)} tasks, more than the {MAX_TASKS} that are possible: start child runs for work "
            "whose amount depends on data"
        )
    parents = _index_parents(where, plain, tasks)
    order = _sort_topologically(where, plain, parents)
    position = {index: place for place, index in enumerate(order)}
    ordered = [_place_task(plain[index].task, [position[parent] for parent in parents[index]]) for index in order]
    ordered.extend(_place_hooks(where, tasks, ordered))
    return WorkflowDefinition(
        name=name,
        tasks=tuple(ordered),
        description=description,
        default_priority=default_priority,
        input_schema=input_schema,
        on_events=tuple(on_events),
        filters=tuple(filters),
        crons=tuple(crons),
    )


def check_name(name: object, what: str) -> None:
    """Raise ``DefinitionError`` unless ``name`` can be stored, shown and told apart."""
    if not isinstance(name, str):
        raise DefinitionError(f"{what} is {shorten(name)}: a name must be a str, not {type(name).__name__}")
    if not name.strip():
        raise DefinitionError(f"{what} is empty: give it a name")
    if len(name) > MAX_NAME_LENGTH:
        raise DefinitionError(
            f"{what} {shorten(name)} has {len(name)} characters: shorten it to at most {MAX_NAME_LENGTH}"
        )
    if name != name.strip():
        raise DefinitionError(f"{what} {name!r} begins or ends with white space: remove it")
    for place, character in enumerate(name):
        if unicodedata.category(character) in _REFUSED_CATEGORIES:
            raise DefinitionError(
                f"{what} {name!a} holds the invisible or control character U+{ord(character):04X} at position {place}: "
                "remove it"
            )


def _check_names(where: str, tasks: Sequence[DraftTask]) -> None:
    seen: set[str] = set()
    for draft in tasks:
        name = draft.task.name
        check_name(name, f"{where}: task name")
        if name in seen:
            raise DefinitionError(f"{where} has two tasks named {name!r}: pass another name= to one of them")
        seen.add(name)


def _index_parents(where: str, plain: Sequence[DraftTask], tasks: Sequence[DraftTask]) -> list[tuple[int, ...]]:
    """For each plain task its parents as indices into ``plain``."""
    index_by_name = {draft.task.name: index for index, draft in enumerate(plain)}
    hooks = {draft.task.name for draft in tasks if draft.task.kind is not TaskKind.TASK}
    found: list[tuple[int, ...]] = []
    for draft in plain:
        indices: dict[int, None] = {}
        for parent in draft.parents:
            index = index_by_name.get(parent)
            if index is None:
                problem = (
                    "is a hook, which no task can follow"
                    if parent in hooks
                    else f"is not a task of this workflow{suggest(parent, index_by_name)}"
                )
                raise DefinitionError(f"{where}, task {draft.task.name!r}: parent {parent!r} {problem}")
            if index in indices:
                raise DefinitionError(
                    f"{where}, task {draft.task.name!r}: parent {parent!r} is listed twice, remove one"
                )
            indices[index] = None
        found.append(tuple(indices))
    return found


def _sort_topologically(where: str, plain: Sequence[DraftTask], parents: Sequence[tuple[int, ...]]) -> list[int]:
    """Kahn's algorithm with a heap of declaration indices."""
    children: list[list[int]] = [[] for _ in plain]
    missing = [len(of_task) for of_task in parents]
    for index, of_task in enumerate(parents):
        for parent in of_task:
            children[parent].append(index)
    free = [index for index, count in enumerate(missing) if not count]  # ascending, so already a heap
    order: list[int] = []
    while free:
        index = heapq.heappop(free)
        order.append(index)
        for child in children[index]:
            missing[child] -= 1
            if not missing[child]:
                heapq.heappush(free, child)
    if len(order) < len(plain):
        cycle = _find_cycle(parents, {index for index, count in enumerate(missing) if count})
        path = " → ".join(repr(plain[index].task.name) for index in cycle)
        raise DefinitionError(f"{where} has a cycle: {path}. Remove one of these parents")
    return order


def _find_cycle(parents: Sequence[tuple[int, ...]], stuck: set[int]) -> list[int]:
    """One cycle in the direction of the arrows, first task repeated at the end.

    Every task that Kahn's algorithm leaves over has a parent that is left over too: walking up must come
    round.
    """
    place: dict[int, int] = {}
    path: list[int] = []
    index = min(stuck)
    while index not in place:
        place[index] = len(path)
        path.append(index)
        index = next(parent for parent in parents[index] if parent in stuck)
    cycle = [*path[place[index] :], index]
    cycle.reverse()
    return cycle


def _place_task(task: TaskDefinition, parents: Sequence[int]) -> TaskDefinition:
    """The task with its parents, and with conditions that name parents by the same indices."""

    def place(groups: ConditionGroups) -> ConditionGroups:
        return tuple(
            tuple(one if one.parent is None else replace(one, parent=parents[one.parent]) for one in group)
            for group in groups
        )

    return replace(
        task,
        parents=tuple(sorted(parents)),
        wait_for=place(task.wait_for),
        skip_if=place(task.skip_if),
        cancel_if=place(task.cancel_if),
    )


def _place_hooks(where: str, tasks: Sequence[DraftTask], ordered: Sequence[TaskDefinition]) -> list[TaskDefinition]:
    hooks: dict[TaskKind, DraftTask] = {}
    for draft in tasks:
        kind = draft.task.kind
        if kind is TaskKind.TASK:
            continue
        if kind in hooks:
            raise DefinitionError(
                f"{where} has two {kind.value} tasks, {hooks[kind].task.name!r} and {draft.task.name!r}: keep one"
            )
        if draft.parents:
            raise DefinitionError(
                f"{where}, task {draft.task.name!r}: an {kind.value} task has no parents of its own, it follows the "
                "whole run"
            )
        if draft.task.conditions:
            raise DefinitionError(
                f"{where}, task {draft.task.name!r}: an {kind.value} task cannot have conditions, it follows the "
                f"whole run: remove wait_for, skip_if and cancel_if"
            )
        hooks[kind] = draft
    has_child = {parent for task in ordered for parent in task.parents}
    parents = tuple(index for index in range(len(ordered)) if index not in has_child)
    placed: list[TaskDefinition] = []
    for kind in (TaskKind.ON_SUCCESS, TaskKind.ON_FAILURE):
        if kind in hooks:
            placed.append(replace(hooks[kind].task, parents=parents))
            parents = (len(ordered),)
    return placed
