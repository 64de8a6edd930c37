"""Writes outcomes, many in one commit, and goes on at once with the tasks they freed.

Idle: an outcome is written at once, one commit per hop. A write in flight: outcomes gather, up to a cap. Under load
batches grow by themselves. An outcome counts only when its commit was answered; while the database is away outcomes
wait in memory (there are never more than slots) for as long as the lease may still be ours.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.errors import DatabaseUnavailableError
from plait.graph.attempt import Report, TaskResult
from plait.graph.definition import RUN_END, Edge, Status, TaskKind
from plait.store.connection import REFUSALS, iter_backoff
from plait.values.failures import describe_failure
from plait.worker.assignment import Assignment, CodeBook
from plait.worker.holdings import Holdings
from plait.worker.pace import Pace

if TYPE_CHECKING:
    from plait.store.changes import ChangeTeller
    from plait.store.hints import Hub
    from plait.store.store import Finished, Store
    from plait.tracing.lifetimes import LifetimeReader
    from plait.worker.intake import Intake
    from plait.worker.meter import Meter

logger = logging.getLogger("plait.worker")

FLUSH_CAP = 500
FLUSH_BYTES = 16 * 1024 * 1024
"""Outputs of one batch: what a statement can carry well within its time limit."""
_NO_SCHEDULE = -1

Outcome = tuple[Assignment, Report]


class Flusher:
    """The one writer of outcomes of a worker. Everything runs on the engine's loop."""

    def __init__(self, store: Store, hub: Hub, holdings: Holdings, codes: CodeBook) -> None:
        self._store = store
        self._hub = hub
        self._holdings = holdings
        self._codes = codes
        self._queue: list[Outcome] = []
        self._wake = asyncio.Event()
        self.lock = asyncio.Lock()
        """Held while a batch is written and answered; who compares with the database takes it too."""
        self.intake: Intake | None = None
        self.worker_id: UUID | None = None
        self.alone = True
        """Whether no other worker could run what this one frees; told by the heartbeat."""
        self.continue_from = 1
        """The lowest priority of a run that may be continued locally; raised while something more urgent waits."""
        self.draining = False
        self.on_lost_reply: Callable[[], None] = lambda: None
        self.on_cancelled: Callable[[Assignment], object] = lambda _: None
        """Told of an attempt that had begun, once its cancellation is committed: it starts no child run any more."""
        self.changes: ChangeTeller | None = None
        self.lifetimes: LifetimeReader | None = None
        self.pace = Pace()
        self.meter: Meter | None = None

    def add(self, assignment: Assignment, report: Report) -> None:
        """Take an outcome; the first one of an attempt counts, later ones are dropped."""
        if assignment.concluded:
            return
        assignment.concluded = True
        self._queue.append((assignment, report))
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written or is being written."""
        return not self._queue and not self.lock.locked()

    async def run(self) -> None:
        """Write batches until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                async with self.lock:
                    await self._write_isolating(self._take_batch())

    def _take_batch(self) -> list[Outcome]:
        size = 0
        for count, (_, report) in enumerate(self._queue):
            size += len(report.output or b"")
            if count == FLUSH_CAP or (count and size > FLUSH_BYTES):
                break
        else:
            count = len(self._queue)
        batch, self._queue = self._queue[:count], self._queue[count:]
        return batch

    def discard(self) -> None:
        """Forget what was not written: the lease is lost, somebody else does it again."""
        self._queue.clear()

    async def _write_isolating(self, batch: list[Outcome]) -> None:
        """Write a batch; if the database refuses what is in it, by halves, until the poison outcome stands alone and
        is stored as the failure it is."""
        try:
            await self._write(batch)
        except REFUSALS as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._write_isolating(batch[:middle])
                await self._write_isolating(batch[middle:])
                return
            assignment, report = batch[0]
            logger.error("outcome of task %s refused by the database: %s", assignment.name, error)
            if report.error == _REFUSED:
                raise  # not even that it failed can be stored: nothing this worker does would be
            await self._write_isolating([(assignment, Report(Status.FAILED, error=_REFUSED))])

    async def _write(self, batch: list[Outcome]) -> None:
        current = [entry for entry in batch if self._holdings.assignments.get(entry[0].key) is entry[0]]
        for assignment, _ in batch if len(current) < len(batch) else ():
            if self._holdings.assignments.get(assignment.key) is not assignment:
                self._holdings.drop(assignment)  # its run was cancelled and replayed, and is here again
        batch = current
        if not batch:
            return
        batch.sort(key=lambda entry: (entry[0].run.id, entry[0].task))
        plan = _Plan(self, batch)
        worker_id = self.worker_id
        self._holdings.reserve(plan.reserved)
        sent = time.monotonic()
        try:
            finished = await self._send(plan)
        except BaseException:
            if self.worker_id == worker_id:  # else everything was let go of, slots set aside included
                self._holdings.release(plan.reserved)
            raise
        self._settle(batch, plan, finished)
        if self.meter is not None and finished is not None:
            self.meter.note_flush(len(batch), time.monotonic() - sent)

    async def _send(self, plan: _Plan) -> Finished | None:
        """The database's answer; None when the lease was lost while it did not answer."""
        worker_id = self.worker_id
        if worker_id is None:
            return None
        for delay in iter_backoff():
            try:
                finished = await self._store.finish_tasks(worker_id, plan.arrays)
                return finished if self.worker_id == worker_id else None
            except DatabaseUnavailableError as error:
                # Committed or not: the fence makes sending again harmless, and what this commit put into our hands
                # is found again by asking what we hold.
                logger.warning("results wait for the database (%d): %s", len(plan.batch), error)
                self.on_lost_reply()
                await asyncio.sleep(delay)
                if self.worker_id != worker_id:
                    return None
        raise AssertionError("iter_backoff never ends")

    def _settle(self, batch: list[Outcome], plan: _Plan, finished: Finished | None) -> None:
        if finished is None:
            return
        self.pace.note(len(finished.accepted), plan.failures)
        if self.meter is not None:
            self.meter.note_outcomes(batch, finished.accepted)
        if len(finished.accepted) < len(batch):
            logger.info("%d stale outcomes were refused", len(batch) - len(finished.accepted))
        for position, (assignment, report) in enumerate(batch, 1):
            if position in finished.accepted and report.status > 0:
                assignment.run.results[assignment.task] = TaskResult(
                    report.status, report.output, report.error, report.reason
                )
                if report.status is Status.CANCELLED and assignment.execution is not None:
                    self.on_cancelled(assignment)
        continued = self._build_continued(batch, plan, finished)
        for assignment, _ in batch:
            self._holdings.remove(assignment)
        taken = sum(assignment.slot for assignment in continued)
        self._holdings.release(plan.reserved + plan.handed_on - taken)
        if continued and self.intake is not None:
            self.intake.admit_continued(continued)
        self._publish(finished, plan)
        if self.lifetimes is not None and finished.ended:
            self.lifetimes.note_ended(finished.ended, (assignment.run for assignment, _ in batch))
        if self.changes is not None:
            self.changes.tell(assignment.run.id for assignment, _ in batch)

    def _build_continued(self, batch: list[Outcome], plan: _Plan, finished: Finished) -> list[Assignment]:
        if not finished.continued:
            return []
        runs = {assignment.run.id: assignment.run for assignment, _ in batch}
        built = []
        for run_id, task in finished.continued:
            run = runs[run_id]
            self._holdings.runs[run_id] = run
            code = self._codes.get(run.version.actions[task])
            assignment = Assignment(run, task, run.first_attempt, 0, 0, code, slot=(run_id, task) in plan.slots)
            self._holdings.add(assignment)
            built.append(assignment)
        return built

    def _publish(self, finished: Finished, plan: _Plan) -> None:
        if finished.ended:
            self._hub.publish("done", [run_id.hex for run_id in finished.ended])
        if finished.queued_actions:
            self._hub.publish("ready", [str(action) for action in finished.queued_actions])
        if finished.next_due is not None or (finished.queued_actions and plan.sets_timers):
            self._hub.publish("timer", [])


_REFUSED = describe_failure("OutcomeRefused", "the database refused to store this task's outcome; see the worker's log")


class _Plan:
    """A batch as the arrays of ``finish_tasks.sql``, and which freed tasks this worker wants for itself.

    A finishing task hands its slot on to what it frees. Alone, the worker takes all it has room for; among others at
    most one task per finished one, so that they get their share. Children of a task that failed or was cancelled are
    only judged: they need neither slot nor code.
    """

    def __init__(self, flusher: Flusher, batch: list[Outcome]) -> None:
        self.batch = batch
        self.slots: set[tuple[UUID, int]] = set()
        self._flusher = flusher
        self.handed_on = sum(assignment.slot for assignment, _ in batch)
        room = self.handed_on + max(0, flusher._holdings.free)
        self._room = 0 if flusher.draining else room if flusher.alone else min(room, len(batch))
        self._edges: list[int] = []
        self._actions: list[int] = []
        self._locals: list[bool] = []
        self._schedules: list[int] = []
        spans = [self._add_edges(assignment, report.status) for assignment, report in batch]
        self.reserved = max(0, len(self.slots) - self.handed_on)
        """Slots beyond those handed on, set aside until the answer says which tasks were freed."""
        self.failures = 0
        self.arrays = self._build_arrays(spans)

    @property
    def sets_timers(self) -> bool:
        """Whether something it queues may have a schedule timeout."""
        return bool(self.arrays[-1])

    def _build_arrays(self, spans: list[int]) -> tuple[list[Any], ...]:
        """The arrays in the statement's order. Those that would say nothing but the usual stay empty."""
        batch = self.batch
        attempts = [assignment.attempt for assignment, _ in batch]
        plain = all(report.status == Status.COMPLETED for _, report in batch)
        nothing: list[Any] = []
        if not plain:
            self.failures = sum(report.status in (Status.FAILED, Status.RETRIED) for _, report in batch)
        return (
            [assignment.run.id for assignment, _ in batch],
            [assignment.task for assignment, _ in batch],
            [report.elapsed_us for _, report in batch],
            spans,
            [report.output for _, report in batch],
            nothing if max(attempts) == 1 else attempts,
            nothing if plain else [int(report.status) for _, report in batch],
            nothing if plain else [report.error for _, report in batch],
            nothing if plain else [report.reason for _, report in batch],
            nothing if plain else [report.retry_us for _, report in batch],
            self._edges,
            self._actions,
            self._locals,
            self._schedules if max(self._schedules) >= 0 else nothing,
        )

    def _add_edges(self, assignment: Assignment, status: Status) -> int:
        """Append the edges that an outcome counts for; returns their span, first and last position from 1."""
        version = assignment.run.version
        tasks = version.definition.tasks
        first = len(self._edges) + 1
        edges = version.definition.edges[assignment.task] if status > 0 else (Edge(assignment.task, 0, 0),)
        for edge in edges:
            child = edge.child
            self._edges.append(edge.packed)
            if child == RUN_END:
                self._actions.append(0)
                self._locals.append(False)
                self._schedules.append(_NO_SCHEDULE)
                continue
            timeout = tasks[child].schedule_timeout
            self._actions.append(version.actions[child])
            self._locals.append(status > 0 and self._want(assignment, child, status))
            self._schedules.append(_NO_SCHEDULE if timeout is None else round(timeout * 1e6))
        return first << 32 | len(self._edges)

    def _want(self, assignment: Assignment, child: int, status: Status) -> bool:
        run = assignment.run
        if run.version.definition.tasks[child].kind is not TaskKind.TASK:
            return False  # a hook is judged by the run's outcome, which only a claim reads
        if status in (Status.FAILED, Status.CANCELLED):
            return not self._flusher.draining
        if child in run.version.definition.conditional:
            return False  # the times of its claim belong to its conditions
        key = (run.id, child)
        if key in self.slots:
            return True
        if len(self.slots) >= self._room or run.priority < self._flusher.continue_from:
            return False
        if run.version.actions[child] not in self._flusher._codes:
            return False
        self.slots.add(key)
        return True
