"""What one worker holds: its slots, its assignments and the runs they belong to. Touched on the engine's loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from plait.graph.definition import Status

if TYPE_CHECKING:
    from plait.declaration.task import Task
    from plait.store.store import StoredVersion
    from plait.tracing.spans import RunPlace
    from plait.worker.conditions import ConditionState
    from plait.worker.executor import Execution


class TaskResult(NamedTuple):
    """The stored outcome of a task, as parents pass it down. ``output`` and ``error`` are JSON bytes."""

    status: Status
    output: bytes | None = None
    error: bytes | None = None
    reason: str | None = None


@dataclass(slots=True, eq=False)
class RunState:
    """A run while this worker holds one of its tasks: what all of its tasks share."""

    id: UUID
    version: StoredVersion
    input: bytes
    metadata: str | None
    priority: int
    worst: Status
    ended: bool
    first_attempt: int = 1
    """The number of the first attempt of a task that becomes free: another one after a replay."""
    cancel_tasks: Collection[int] = ()
    """Tasks that somebody asked to cancel."""
    results: dict[int, TaskResult] = field(default_factory=dict)
    trace: RunPlace | None = None
    """Where it belongs among the traces, once tracing asked."""
    users: int = 0
    """Assignments of this run held here; the state is forgotten with the last."""


@dataclass(slots=True, eq=False)
class Assignment:
    """One attempt that this worker holds, from the claim until its outcome is committed."""

    run: RunState
    task: int
    attempt: int
    retry: int
    lost: int
    code: Task[Any, Any] | None
    slot: bool = True
    """Whether it occupies a slot; ``release_slot`` gives it back early, a task that is only judged has none."""
    gone: bool = False
    """Whether it is held no more."""
    concluded: bool = False
    """Whether its outcome is decided; what its code does afterwards is ignored."""
    execution: Execution | None = None
    conditions: ConditionState | None = None
    """Of a task with conditions: what is known about them."""
    key: tuple[UUID, int] = field(init=False)

    def __post_init__(self) -> None:
        self.key = (self.run.id, self.task)

    @property
    def name(self) -> str:
        return self.run.version.definition.tasks[self.task].name


class Holdings:
    """The slots of a worker and what occupies them. ``changed`` is set whenever slots may have become free."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.occupied = 0
        self.assignments: dict[tuple[UUID, int], Assignment] = {}
        self.runs: dict[UUID, RunState] = {}
        self.changed = asyncio.Event()
        self.epoch = 0
        """Counts how often everything was let go of; who waited across it works on nothing any more."""

    @property
    def free(self) -> int:
        return self.slots - self.occupied

    def reserve(self, count: int) -> None:
        """Set slots aside for tasks about to come."""
        self.occupied += count

    def release(self, count: int) -> None:
        """Give slots back."""
        if count:
            self.occupied -= count
            self.changed.set()

    def add(self, assignment: Assignment) -> None:
        """Hold an assignment; its slot, if any, was reserved before."""
        self.assignments[assignment.key] = assignment
        assignment.run.users += 1

    def remove(self, assignment: Assignment) -> None:
        """Forget an assignment and its run with the last one. The caller settles the slot."""
        # The same task may be here again: its retry can be claimed before the answer to its first outcome is read.
        if self.assignments.get(assignment.key) is assignment:
            del self.assignments[assignment.key]
        assignment.gone = True
        assignment.execution = None  # breaks the cycle, so that nothing waits for the garbage collector
        run = assignment.run
        run.users -= 1
        if run.users <= 0 and self.runs.get(run.id) is run:
            del self.runs[run.id]

    def release_slot(self, assignment: Assignment) -> None:
        """Free the slot of an assignment that goes on without one. Repeating it does nothing."""
        if assignment.slot and not assignment.concluded:
            assignment.slot = False
            self.release(1)

    def drop(self, assignment: Assignment) -> None:
        """Forget an assignment whose outcome is not this worker's to tell, and free its slot. Repeating it does
        nothing."""
        assignment.concluded = True
        if not assignment.gone:
            self.remove(assignment)
            self.release(int(assignment.slot))

    def abandon(self) -> list[Assignment]:
        """Let go of everything at once, because the lease is lost. Returns what was held."""
        held = list(self.assignments.values())
        for assignment in held:
            assignment.gone = True
        self.assignments.clear()
        self.runs.clear()
        self.occupied = 0
        self.epoch += 1
        self.changed.set()
        return held
