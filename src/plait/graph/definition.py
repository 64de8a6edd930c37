"""The definition of a workflow: what is known about its graph before any run.

Pure data. A definition is immutable, comes from declared code (or from its stored bytes) and is shared by every
process; everything the engine decides about a task follows from it and from the parents' outcomes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any

FORMAT = 1
"""What this Plait can read of stored definitions. A definition that uses something newer is to be stored under a
greater number: its tasks are then other actions, which an older worker does not claim."""

RUN_END = -1
"""Pseudo task index: the end of the run, whose parents are the sinks of the graph."""


class Status(IntEnum):
    """Outcome of one attempt, as stored. The order matters: a run's outcome is the greatest among its tasks'.

    ``RETRIED``, ``LOST`` and ``RELEASED`` are attempts that did not end the task: it failed and will be retried, its
    worker died, or its worker handed it back while stopping.
    """

    RETRIED = -3
    LOST = -2
    RELEASED = -1
    SKIPPED = 1
    COMPLETED = 2
    CANCELLED = 3
    FAILED = 4


STATUS_BY_CODE = {int(status): status for status in Status}
"""The same as ``Status(code)``, which is ten times as slow."""


class TaskKind(StrEnum):
    """What releases a task: its parents (``TASK``), or the outcome of the run (the two hooks)."""

    TASK = "task"
    ON_SUCCESS = "on_success"
    ON_FAILURE = "on_failure"


class ConditionKind(StrEnum):
    """What a condition looks at: the time, an event, or the output of a parent."""

    SLEEP = "sleep"
    EVENT = "event"
    PARENT = "parent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that a task can wait for, or that skips or cancels it.

    ``data_key`` names its entry in the task's trigger data. The other fields belong to one kind each:

    - ``SLEEP`` holds ``seconds`` after the last parent is terminal;
    - ``EVENT`` holds when an event with the key ``event_key`` was pushed since the run was triggered, with ``scope``
      (if there is one) and with a payload for which ``expression`` (CEL over ``input``) is true. Key and scope may
      hold the placeholders that ``conditions.render_event_key`` fills in;
    - ``PARENT`` holds when the task at index ``parent`` completed, and ``expression`` (CEL over ``output``) is true.
    """

    kind: ConditionKind
    data_key: str | None = None
    seconds: float | None = None
    event_key: str | None = None
    scope: str | None = None
    expression: str | None = None
    parent: int | None = None


ConditionGroups = tuple[tuple[Condition, ...], ...]
"""Conjunctive normal form: all of the groups, and any one condition of each group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterDefinition:
    """Decides which events start a run: those pushed with ``scope`` for which ``expression`` (CEL) is true.

    ``payload`` is the canonical JSON text of an object that the expression sees as ``payload``.
    """

    expression: str
    scope: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CronDefinition:
    """A timetable that starts runs. ``input`` and ``metadata`` are JSON text; ``catch_up`` says what becomes of missed
    times."""

    name: str
    expression: str
    timezone: str = "UTC"
    catch_up: str = "latest"
    catch_up_bound_seconds: float = 86_400.0
    input: str = "{}"
    metadata: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """One task of a graph. Durations are seconds; ``parents`` are indices into ``WorkflowDefinition.tasks``.

    ``wait_for`` must hold before the task runs; ``skip_if`` and ``cancel_if`` keep it from running. An empty one
    says nothing.
    """

    name: str
    parents: tuple[int, ...] = ()
    kind: TaskKind = TaskKind.TASK
    retries: int = 0
    backoff_factor: float | None = None
    backoff_max_seconds: float | None = None
    backoff_jitter: bool = False
    execution_timeout: float = 60.0
    schedule_timeout: float | None = None
    wait_for: ConditionGroups = ()
    skip_if: ConditionGroups = ()
    cancel_if: ConditionGroups = ()

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions in one row. The place of a condition in it is its *number*."""
        return tuple(
            condition
            for groups in (self.wait_for, self.skip_if, self.cancel_if)
            for group in groups
            for condition in group
        )


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow of the graph, seen from the parent: ``child`` needs ``need`` parents, counted at ``slot``.

    ``slot`` is the 1-based position in the run's ``pending`` counters, 0 where one parent suffices and nothing is
    counted. ``child`` is a task index or ``RUN_END``.
    """

    child: int
    need: int
    slot: int

    @property
    def packed(self) -> int:
        """The edge as one 64-bit integer, the way the finish statement takes it."""
        return (self.child + 1) << 48 | self.need << 24 | self.slot


@dataclass(frozen=True)
class WorkflowDefinition:
    """The immutable graph of one workflow version, hooks included.

    ``tasks`` stand in topological order, hooks last. Build it with ``build_definition``, which validates.
    """

    name: str
    tasks: tuple[TaskDefinition, ...]
    description: str | None = None
    default_priority: int = 1
    input_schema: dict[str, Any] | None = field(default=None, hash=False)
    on_events: tuple[str, ...] = ()
    filters: tuple[FilterDefinition, ...] = ()
    crons: tuple[CronDefinition, ...] = ()

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """For each task the indices of the tasks that have it as a parent."""
        found: list[list[int]] = [[] for _ in self.tasks]
        for index, task in enumerate(self.tasks):
            for parent in task.parents:
                found[parent].append(index)
        return tuple(tuple(children) for children in found)

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """Tasks without parents: they are ready when the run starts."""
        return tuple(index for index, task in enumerate(self.tasks) if not task.parents)

    @cached_property
    def sinks(self) -> tuple[int, ...]:
        """Tasks without children: the run ends when all of them are terminal."""
        return tuple(index for index, children in enumerate(self.children) if not children)

    @cached_property
    def pending(self) -> tuple[int, ...]:
        """The counters a run starts with: one per join, then one for the end where several sinks lead to it."""
        counters = [len(task.parents) for task in self.tasks if len(task.parents) > 1]
        if len(self.sinks) > 1:
            counters.append(len(self.sinks))
        return tuple(counters)

    @cached_property
    def edges(self) -> tuple[tuple[Edge, ...], ...]:
        """For each task the edges that its outcome counts for, the end of the run included."""
        slots: dict[int, int] = {}
        for index, task in enumerate(self.tasks):
            if len(task.parents) > 1:
                slots[index] = len(slots) + 1
        end = Edge(RUN_END, len(self.sinks), len(self.pending) if len(self.sinks) > 1 else 0)
        return tuple(
            tuple(Edge(child, len(self.tasks[child].parents), slots.get(child, 0)) for child in children)
            if children
            else (end,)
            for children in self.children
        )

    @cached_property
    def conditional(self) -> frozenset[int]:
        """The tasks that have conditions."""
        return frozenset(index for index, task in enumerate(self.tasks) if task.conditions)

    @cached_property
    def index_by_name(self) -> dict[str, int]:
        return {task.name: index for index, task in enumerate(self.tasks)}

    def to_json(self) -> str:
        """The definition as JSON, with the fields of the input in the order in which they were declared: a form that
        is made from the stored schema asks for them in this order.

        Fields that were added to the format later are left out where they are empty, so that they do not change
        the digest of a definition that makes no use of them.
        """
        return json.dumps(self, default=_describe, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of the JSON with sorted keys; the identity of a workflow version."""
        text = json.dumps(self, default=_describe, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str | bytes) -> WorkflowDefinition:
        """The inverse of ``to_json``. Fields this version of Plait does not know are ignored, so that an older
        worker can read what a newer client stored; a condition of a kind it does not know raises ``ValueError``."""
        data = json.loads(text)
        known = _choose_known(data, ("name", "description", "default_priority", "input_schema"))
        return cls(
            tasks=tuple(_read_task(task) for task in data["tasks"]),
            on_events=tuple(data.get("on_events", ())),
            filters=tuple(
                FilterDefinition(**_choose_known(one, FilterDefinition.__slots__)) for one in data.get("filters", ())
            ),
            crons=tuple(
                CronDefinition(**_choose_known(one, CronDefinition.__slots__)) for one in data.get("crons", ())
            ),
            **known,
        )


_CONDITION_LISTS = ("wait_for", "skip_if", "cancel_if")


_OPTIONAL = {
    WorkflowDefinition: frozenset(("on_events", "filters", "crons")),
    TaskDefinition: frozenset(_CONDITION_LISTS),
    Condition: frozenset(one.name for one in fields(Condition)),
    FilterDefinition: frozenset[str](),
    CronDefinition: frozenset[str](),
}
"""Fields that are left out where they are ``None`` or have no elements."""

_NAMES = {kind: tuple(one.name for one in fields(kind)) for kind in _OPTIONAL}


def _describe(part: Any) -> dict[str, Any]:
    """The fields of a part. (``dataclasses.asdict`` copies all that is below it: seconds for 10,000 tasks.)"""
    optional = _OPTIONAL[type(part)]
    named = ((name, getattr(part, name)) for name in _NAMES[type(part)])
    return {name: value for name, value in named if name not in optional or value not in (None, ())}


def _choose_known(data: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: data[name] for name in names if name in data}


def _read_task(data: dict[str, Any]) -> TaskDefinition:
    known = _choose_known(data, TaskDefinition.__slots__)
    known["parents"] = tuple(known.get("parents", ()))
    known["kind"] = TaskKind(known.get("kind", "task"))
    for name in _CONDITION_LISTS:
        known[name] = tuple(tuple(map(_read_condition, group)) for group in known.get(name, ()))
    return TaskDefinition(**known)


def _read_condition(data: dict[str, Any]) -> Condition:
    known = _choose_known(data, Condition.__slots__)
    return Condition(**{**known, "kind": ConditionKind(known["kind"])})
