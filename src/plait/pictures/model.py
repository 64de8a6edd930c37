"""What a picture of a graph shows: tasks, or folds of tasks that play the same part, and the arrows between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from plait.graph.conditions import describe_groups
from plait.graph.definition import TaskDefinition, TaskKind, WorkflowDefinition

FOLD_FROM = 12
"""So many tasks that cannot be told apart by the shape of the graph are drawn as one, unless told otherwise."""

MOST_SHOWN = 1_000
"""Boxes of a picture that is shown unasked: a notebook would stand still over more."""

MOST_TOLD = 100
"""Boxes whose arrows are told in words."""

STATUS_ORDER = ("FAILED", "RUNNING", "QUEUED", "PENDING", "CANCELLED", "SKIPPED", "COMPLETED")
"""What of a fold's statuses is told first: what needs attention."""

CONDITION_WORDS = {"wait_for": "waits for", "skip_if": "skips if", "cancel_if": "cancels if"}

HOOK_WORDS = {TaskKind.ON_FAILURE: "on failure", TaskKind.ON_SUCCESS: "on success"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnTask:
    """One task. ``conditions`` are pairs like ``("wait_for", "5 min after its parents")``; ``status`` is a word of
    ``TaskStatus``, None where no run is shown; ``note`` is what else is to be told of it, its duration say."""

    name: str
    parents: tuple[str, ...] = ()
    kind: TaskKind = TaskKind.TASK
    conditions: tuple[tuple[str, str], ...] = ()
    status: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A node of the picture: one task, or all tasks of a fold."""

    tasks: tuple[DrawnTask, ...]

    @property
    def is_fold(self) -> bool:
        return len(self.tasks) > 1

    @property
    def kind(self) -> TaskKind:
        return self.tasks[0].kind

    @property
    def name(self) -> str:
        """The name of the task; of a fold, what the names of its tasks have in common."""
        return name_fold([task.name for task in self.tasks]) if self.is_fold else self.tasks[0].name

    @property
    def conditions(self) -> tuple[tuple[str, str], ...]:
        return self.tasks[0].conditions

    @property
    def counts(self) -> dict[str, int]:
        """How many tasks have which status, in the order of ``STATUS_ORDER``; empty where no run is shown."""
        found = Counter(task.status for task in self.tasks if task.status is not None)
        return {word: found[word] for word in STATUS_ORDER if found[word]}

    @property
    def status(self) -> str | None:
        return next(iter(self.counts), None)


@dataclass(frozen=True, slots=True)
class Arrow:
    """From a box to a box that follows it, by their places. ``is_hook``: it follows the end of the run."""

    parent: int
    child: int
    is_hook: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """What is drawn. Boxes stand in topological order."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def read_definition(definition: WorkflowDefinition) -> list[DrawnTask]:
    """The tasks of a definition, conditions as text."""
    return [
        DrawnTask(
            name=task.name,
            parents=tuple(definition.tasks[parent].name for parent in task.parents),
            kind=task.kind,
            conditions=_describe_conditions(definition, index, task),
        )
        for index, task in enumerate(definition.tasks)
    ]


def build_graph(tasks: Sequence[DrawnTask], *, fold: int = FOLD_FROM) -> Graph:
    """The boxes and arrows of ``tasks``, which stand in topological order.

    From ``fold`` tasks on that are alike (``group_alike``) they become one box; 0 folds nothing. Hooks follow all
    tasks that end the graph, whatever parents they were given.
    """
    tasks = _attach_hooks(tasks)
    groups: list[list[int]] = []
    for group in group_alike(tasks):
        groups.extend([group] if fold and len(group) >= max(2, fold) else ([index] for index in group))
    groups.sort()
    place = {index: number for number, group in enumerate(groups) for index in group}
    index_by_name = {task.name: index for index, task in enumerate(tasks)}
    arrows = {
        Arrow(place[index_by_name[parent]], place[index], task.kind is not TaskKind.TASK): None
        for index, task in enumerate(tasks)
        for parent in task.parents
    }
    boxes = tuple(Box(tuple(tasks[index] for index in group)) for group in groups)
    return Graph(boxes, tuple(sorted(arrows, key=lambda arrow: (arrow.parent, arrow.child))))


def describe_graph(graph: Graph) -> str:
    """The arrows in words, for those who cannot see them."""
    followers: dict[int, list[str]] = {}
    for arrow in graph.arrows:
        followers.setdefault(arrow.parent, []).append(graph.boxes[arrow.child].name)
    told = [f"{graph.boxes[parent].name} leads to {', '.join(names)}." for parent, names in followers.items()]
    more = f" And {len(told) - MOST_TOLD:,} more." if len(told) > MOST_TOLD else ""
    return " ".join(told[:MOST_TOLD]) + more


def group_alike(tasks: Sequence[DrawnTask]) -> list[list[int]]:
    """Tasks by the part they play: of one kind and with equal conditions, with parents and children that again play
    the same parts. So all of a group stand at the same depth."""
    index_by_name = {task.name: index for index, task in enumerate(tasks)}
    parents = [[index_by_name[name] for name in task.parents] for task in tasks]
    children: list[list[int]] = [[] for _ in tasks]
    for index, above in enumerate(parents):
        for parent in above:
            children[parent].append(index)
    # What stands above and what stands below in one pass each: most graphs are told apart by that alone.
    from_above = _number_in_turn([(task.kind, task.conditions) for task in tasks], parents, range(len(tasks)))
    from_below = _number_in_turn(from_above, children, range(len(tasks) - 1, -1, -1))
    parts = _number(zip(from_above, from_below, strict=True))
    while True:
        finer = _number(
            (
                part,
                tuple(sorted(parts[one] for one in parents[index])),
                tuple(sorted(parts[one] for one in children[index])),
            )
            for index, part in enumerate(parts)
        )
        if len(set(finer)) == len(set(parts)):
            break
        parts = finer
    groups: dict[int, list[int]] = {}
    for index, part in enumerate(parts):
        groups.setdefault(part, []).append(index)
    return list(groups.values())


def name_fold(names: Sequence[str]) -> str:
    """What the names have in common at their beginning, without a number at its end."""
    first, last = min(names), max(names)
    length = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    prefix = re.sub(r"[\d\s_.:-]+$", "", first[:length])
    return f"{prefix}…" if len(prefix) >= 2 else f"{names[0]} …"


def _number(keys: Iterable[object]) -> list[int]:
    """Equal keys get equal numbers, in order of their first appearance."""
    known: dict[object, int] = {}
    return [known.setdefault(key, len(known)) for key in keys]


def _number_in_turn(own: Sequence[object], neighbours: Sequence[Sequence[int]], order: Iterable[int]) -> list[int]:
    """Number each task by ``own`` and the numbers of its neighbours, which come before it in ``order``."""
    known: dict[object, int] = {}
    numbers = [0] * len(own)
    for index in order:
        key = (own[index], tuple(sorted(numbers[one] for one in neighbours[index])))
        numbers[index] = known.setdefault(key, len(known))
    return numbers


def _attach_hooks(tasks: Sequence[DrawnTask]) -> list[DrawnTask]:
    plain = [task for task in tasks if task.kind is TaskKind.TASK]
    followed = {parent for task in plain for parent in task.parents}
    sinks = tuple(task.name for task in plain if task.name not in followed)
    hooks = [_follow(task, sinks) for task in tasks if task.kind is not TaskKind.TASK]
    return [*plain, *hooks]


def _follow(task: DrawnTask, parents: tuple[str, ...]) -> DrawnTask:
    return DrawnTask(
        name=task.name, parents=parents, kind=task.kind, conditions=task.conditions, status=task.status, note=task.note
    )


def _describe_conditions(
    definition: WorkflowDefinition, index: int, task: TaskDefinition
) -> tuple[tuple[str, str], ...]:
    groups: Mapping[str, object] = {name: getattr(task, name) for name in CONDITION_WORDS}
    return tuple((name, describe_groups(definition, index, groups[name])) for name in groups if groups[name])  # type: ignore[arg-type]
