"""A run and the attempts of its tasks as plain data: what a worker holds, and what contexts, conditions and traces
look at. What else a worker knows of an attempt is in ``plait.worker.assignment``."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from plait.errors import OperationError
from plait.graph.definition import Status, TaskDefinition, WorkflowDefinition


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A workflow version as the database knows it. ``actions`` holds one action id per task."""

    id: int
    definition: WorkflowDefinition
    actions: tuple[int, ...]

    @classmethod
    def outline(cls, version_id: int, workflow: str, actions: Sequence[int], schedules: Sequence[int]) -> StoredVersion:
        """A version without what is in its definition: tasks by number, with their ``schedules`` in microseconds."""
        tasks = tuple(
            TaskDefinition(name=f"number {number}", schedule_timeout=None if us < 0 else us / 1e6)
            for number, us in enumerate(schedules)
        )
        return cls(version_id, WorkflowDefinition(workflow, tasks), tuple(actions))


class UnreadableVersionError(OperationError):
    """This Plait cannot read a stored workflow version: a newer one stored it. ``outline`` is what can be known of it,
    enough to give its tasks back."""

    def __init__(self, message: str, outline: StoredVersion) -> None:
        super().__init__(message)
        self.outline = outline


class TaskResult(NamedTuple):
    """The stored outcome of a task, as parents pass it down. ``output`` and ``error`` are JSON bytes."""

    status: Status
    output: bytes | None = None
    error: bytes | None = None
    reason: str | None = None


class Report(NamedTuple):
    """The outcome of an attempt, ready to be stored. ``retry_us`` is the delay of a retried or handed back one."""

    status: Status
    output: bytes | None = None
    error: bytes | None = None
    reason: str | None = None
    elapsed_us: int = 0
    retry_us: int | None = None


@dataclass(slots=True)
class ConditionState:
    """What is known about one task's conditions. ``truth`` by condition number, as the judge takes it.

    ``now`` is the database's time of the claim; ``since`` is when the parents were done. Events count that were pushed
    behind the position ``events_from``; those that were delivered up to ``position`` were looked at.
    """

    now: datetime
    since: datetime
    truth: list[bool | None]
    events_from: int
    position: int = 0
    met: dict[int, str] = field(default_factory=dict)
    keys: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    payloads: dict[int, bytes] = field(default_factory=dict)
    fault: str | None = None
    """Why the conditions cannot be known: an expression over a parent's output fails, an event key cannot be made."""


@dataclass(slots=True, eq=False)
class RunState:
    """A run while this process holds one of its tasks: what all of its tasks share."""

    id: UUID
    version: StoredVersion
    input: bytes | None
    """None until it is read: a claim brings only so many bytes."""
    metadata: str | None
    priority: int
    worst: Status
    ended: bool
    first_attempt: int = 1
    """The number of the first attempt of a task that becomes free: another one after a replay."""
    cancel_tasks: Collection[int] = ()
    """Tasks that somebody asked to cancel."""
    results: dict[int, TaskResult] = field(default_factory=dict)
    trace: Any = None
    """Where it belongs among the traces, once tracing asked; tracing's own."""
    users: int = 0
    """Attempts of this run that are held; the state is forgotten with the last."""


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt at a task, from the claim until its outcome is committed."""

    run: RunState
    task: int
    attempt: int
    retry: int
    lost: int
    concluded: bool = field(default=False, kw_only=True)
    """Whether its outcome is decided; what its code does afterwards is ignored."""
    stopping: bool = field(default=False, kw_only=True)
    """Whether its code was told to stop."""
    deadline: float = field(default=math.inf, kw_only=True)
    """When its code must have ended, by ``plait.worker.clock``; known once the code has begun."""
    conditions: ConditionState | None = field(default=None, kw_only=True)
    """Of a task with conditions: what is known about them."""
    key: tuple[UUID, int] = field(init=False)

    def __post_init__(self) -> None:
        self.key = (self.run.id, self.task)

    @property
    def name(self) -> str:
        """The name of the task."""
        return self.run.version.definition.tasks[self.task].name
