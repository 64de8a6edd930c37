"""The definition of a workflow: what is known about its graph before any run.

Pure data. A definition is immutable, comes from declared code (or from its stored bytes) and is shared by every
process; everything the engine decides about a task follows from it and from the parents' outcomes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """One task of a graph. Durations are seconds; ``parents`` are indices into ``WorkflowDefinition.tasks``."""

    name: str
    parents: tuple[int, ...] = ()
    kind: TaskKind = TaskKind.TASK
    retries: int = 0
    backoff_factor: float | None = None
    backoff_max_seconds: float | None = None
    backoff_jitter: bool = False
    execution_timeout: float = 60.0
    schedule_timeout: float | None = None


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
    def index_by_name(self) -> dict[str, int]:
        return {task.name: index for index, task in enumerate(self.tasks)}

    def to_json(self) -> str:
        """Canonical JSON: equal definitions give equal text, so its digest names the version."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of the canonical JSON; the identity of a workflow version."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str | bytes) -> WorkflowDefinition:
        """The inverse of ``to_json``. Fields this version of Plait does not know are ignored, so that an older
        worker can read what a newer client stored."""
        data = json.loads(text)
        tasks = tuple(_read_task(task) for task in data.pop("tasks"))
        known = {key: data[key] for key in ("name", "description", "default_priority", "input_schema") if key in data}
        return cls(tasks=tasks, **known)


def _read_task(data: dict[str, Any]) -> TaskDefinition:
    known = {key: data[key] for key in TaskDefinition.__slots__ if key in data}
    known["parents"] = tuple(known.get("parents", ()))
    known["kind"] = TaskKind(known.get("kind", "task"))
    return TaskDefinition(**known)
