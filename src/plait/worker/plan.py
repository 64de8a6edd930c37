"""What a batch of outcomes is as the arrays of ``finish_tasks.sql``, and which of the tasks it frees this worker wants.

Pure: what the worker is and has comes in as ``Room``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from plait.graph.attempt import Attempt, Report
from plait.graph.definition import RUN_END, Edge, Status, TaskKind
from plait.store.store import FinishArrays

_NO_SCHEDULE = -1


@dataclass(frozen=True, slots=True)
class Room:
    """What the worker may take into its hands of what a batch frees.

    ``free`` and ``handed_on`` are slots: those that are free, and those of the tasks that finish, which are handed on.
    ``alone``: no other worker could run what is freed. ``stopping``: it takes nothing more. ``least_priority``: runs
    below it are not gone on with, because something more urgent waits.
    """

    codes: Collection[int]
    free: int
    handed_on: int
    alone: bool = False
    stopping: bool = False
    least_priority: int = 1

    def count_slots(self, finished: int) -> int:
        """How many freed tasks the worker wants: alone all that it has room for, among others at most one for each
        finished one, so that they get their share."""
        if self.stopping:
            return 0
        room = self.handed_on + max(0, self.free)
        return room if self.alone else min(room, finished)


@dataclass(frozen=True, slots=True)
class FinishPlan:
    """The arrays of a batch; the freed tasks, by run id and task, that are to get a ``slots``; how many ``reserved``
    slots they need beyond those handed on; and how many attempts of the batch failed."""

    arrays: FinishArrays
    slots: frozenset[tuple[UUID, int]]
    reserved: int
    failures: int

    @property
    def sets_timers(self) -> bool:
        """Whether something it queues may have a schedule timeout."""
        return bool(self.arrays.schedules)


def plan_finish(batch: Sequence[tuple[Attempt, Report]], room: Room) -> FinishPlan:
    """Plan a batch that is sorted by run id and task. It is not empty."""
    edges = _Edges(room, room.count_slots(len(batch)))
    spans = [edges.add(attempt, report.status) for attempt, report in batch]
    plain = all(report.status == Status.COMPLETED for _, report in batch)
    attempts = [attempt.attempt for attempt, _ in batch]
    nothing: list[Any] = []
    # Arrays that would say nothing but the usual stay empty: every element costs.
    arrays = FinishArrays(
        run_ids=[attempt.run.id for attempt, _ in batch],
        tasks=[attempt.task for attempt, _ in batch],
        elapsed_us=[report.elapsed_us for _, report in batch],
        spans=spans,
        outputs=[report.output for _, report in batch],
        attempts=nothing if max(attempts) == 1 else attempts,
        statuses=nothing if plain else [int(report.status) for _, report in batch],
        errors=nothing if plain else [report.error for _, report in batch],
        reasons=nothing if plain else [report.reason for _, report in batch],
        retry_us=nothing if plain else [report.retry_us for _, report in batch],
        edges=edges.packed,
        actions=edges.actions,
        locals=edges.locals,
        schedules=edges.schedules if max(edges.schedules) >= 0 else nothing,
    )
    failures = 0 if plain else sum(report.status in (Status.FAILED, Status.RETRIED) for _, report in batch)
    return FinishPlan(arrays, frozenset(edges.slots), max(0, len(edges.slots) - room.handed_on), failures)


class _Edges:
    """The edges that a batch's outcomes count for, and which of the tasks behind them the worker wants."""

    def __init__(self, room: Room, most: int) -> None:
        self.packed: list[int] = []
        self.actions: list[int] = []
        self.locals: list[bool] = []
        self.schedules: list[int] = []
        self.slots: set[tuple[UUID, int]] = set()
        self._room = room
        self._most = most

    def add(self, attempt: Attempt, status: Status) -> int:
        """Append the edges that an outcome counts for; returns their span, first and last position from 1."""
        version = attempt.run.version
        tasks = version.definition.tasks
        first = len(self.packed) + 1
        # What is retried or handed back has one edge, to itself.
        edges = version.definition.edges[attempt.task] if status > 0 else (Edge(attempt.task, 0, 0),)
        for edge in edges:
            self.packed.append(edge.packed)
            if edge.child == RUN_END:
                self.actions.append(0)
                self.locals.append(False)
                self.schedules.append(_NO_SCHEDULE)
                continue
            timeout = tasks[edge.child].schedule_timeout
            self.actions.append(version.actions[edge.child])
            self.locals.append(status > 0 and self._wants(attempt, edge.child, status))
            self.schedules.append(_NO_SCHEDULE if timeout is None else round(timeout * 1e6))
        return first << 32 | len(self.packed)

    def _wants(self, attempt: Attempt, child: int, status: Status) -> bool:
        run, room = attempt.run, self._room
        if run.version.definition.tasks[child].kind is not TaskKind.TASK:
            return False  # a hook is judged by the run's outcome, which only a claim reads
        if status in (Status.FAILED, Status.CANCELLED):
            return not room.stopping  # it is only judged, which takes neither slot nor code
        if child in run.version.definition.conditional:
            return False  # the times of its claim belong to its conditions
        key = (run.id, child)
        if key in self.slots:
            return True
        if len(self.slots) >= self._most or run.priority < room.least_priority:
            return False
        if run.version.actions[child] not in room.codes:
            return False
        self.slots.add(key)
        return True
