"""Writes outcomes, many in one commit, and goes on at once with the tasks they freed.

Idle: an outcome is written at once, one commit per hop. A write in flight: outcomes gather, up to a cap. Under load
batches grow by themselves. An outcome counts only when its commit was answered; while the database is away outcomes
wait in memory (there are never more than slots) for as long as the lease may still be ours.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import DatabaseUnavailableError
from plait.faultpoints import reach
from plait.graph.attempt import Report, TaskResult
from plait.graph.definition import Status
from plait.store.connection import REFUSALS, iter_backoff
from plait.values.failures import describe_failure
from plait.worker.assignment import Assignment, CodeBook
from plait.worker.holdings import Holdings
from plait.worker.identity import Identity
from plait.worker.outbox import Outbox, Outcome
from plait.worker.pace import Pace
from plait.worker.plan import FinishPlan, Room, plan_finish

if TYPE_CHECKING:
    from plait.store.changes import ChangeTeller
    from plait.store.hints import Hub
    from plait.store.store import FinishArrays, Finished, Store
    from plait.tracing.lifetimes import LifetimeReader
    from plait.worker.meter import Meter

logger = logging.getLogger("plait.worker")

FLUSH_CAP = 500
FLUSH_BYTES = 16 * 1024 * 1024
"""Outputs of one batch: what a statement can carry well within its time limit."""
OFFER_CAP = 16
"""Outcomes of one batch after the lease was lost: even with the largest outputs it is no larger."""


class Flusher:
    """The one writer of outcomes of a worker. Everything runs on the engine's loop."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        identity: Identity,
        holdings: Holdings,
        outbox: Outbox,
        codes: CodeBook,
        *,
        admit: Callable[[list[Assignment]], None],
        changes: ChangeTeller,
        lifetimes: LifetimeReader | None,
        meter: Meter | None,
    ) -> None:
        self._store = store
        self._hub = hub
        self._identity = identity
        self._holdings = holdings
        self._outbox = outbox
        self._codes = codes
        self._admit = admit
        self._changes = changes
        self._lifetimes = lifetimes
        self._meter = meter
        self.lock = asyncio.Lock()
        """Held while a batch is written and answered; who compares with the database takes it too."""
        self.least_priority = 1
        """Of a run that may be continued locally; raised while something more urgent waits."""
        self.pace = Pace()
        self._writing: list[Outcome] = []
        self.is_stuck = False
        """Whether the database does not take results; then the worker takes no tasks either."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written or is being written."""
        return not self._outbox.outcomes and not self.lock.locked()

    async def run(self) -> None:
        """Write batches until cancelled."""
        while True:
            await self._outbox.wait()
            while self._outbox.outcomes:
                async with self.lock:
                    self._writing = self._outbox.take(FLUSH_CAP, FLUSH_BYTES)
                    await self._write_isolating(self._writing)
                    self._writing = []

    def list_unstored(self) -> list[Outcome]:
        """Outcomes of what is held whose commit was not answered yet."""
        return [
            entry for entry in (*self._writing, *self._outbox.outcomes) if self._holdings.find(entry[0]) is not None
        ]

    async def offer(self, worker_id: UUID, outcomes: Sequence[Outcome]) -> None:
        """Store outcomes under an id whose lease is lost. The fence refuses those whose tasks were taken over; where
        the database was away for everybody, that is none. Nothing that they free is gone on with here."""
        for start in range(0, len(outcomes), OFFER_CAP):
            await self._offer(worker_id, sorted(outcomes[start : start + OFFER_CAP], key=lambda entry: entry[0].key))

    async def _offer(self, worker_id: UUID, batch: list[Outcome]) -> None:
        plan = plan_finish(batch, Room((), 0, 0, stopping=True))
        try:
            finished = await self._store.finish_tasks(worker_id, plan.arrays)
        except REFUSALS as error:
            if len(batch) == 1:
                logger.error("the database refused the outcome of task %s, it runs again: %s", batch[0][0].name, error)
            for entry in batch if len(batch) > 1 else ():
                await self._offer(worker_id, [entry])
            return
        self._note(batch, plan, finished)
        self._tell(batch, plan, finished)

    async def _write_isolating(self, batch: list[Outcome]) -> None:
        """Write a batch; if the database refuses what is in it, by halves, until the poison outcome stands alone and
        is stored as the failure it is."""
        try:
            await self._write(batch)
        except REFUSALS as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._write_isolating(batch[:middle])
                reach("half of a batch stored")
                await self._write_isolating(batch[middle:])
                return
            assignment, report = batch[0]
            logger.error("the database refused the outcome of task %s: %s", assignment.name, error)
            if report.error == _REFUSED:
                raise  # not even that it failed can be stored: nothing this worker does would be
            await self._write_isolating([(assignment, Report(Status.FAILED, error=_REFUSED))])

    async def _write(self, batch: list[Outcome]) -> None:
        current = [entry for entry in batch if self._holdings.find(entry[0]) is not None]
        for assignment, _ in batch if len(current) < len(batch) else ():
            if self._holdings.find(assignment) is None:
                self._holdings.drop(assignment)  # its run was cancelled and replayed, and is here again
        batch = current
        if not batch:
            return
        batch.sort(key=lambda entry: (entry[0].run.id, entry[0].task))
        handed_on = sum(assignment.slot for assignment, _ in batch)
        plan = plan_finish(batch, self._measure_room(handed_on))
        worker_id = self._identity.worker_id
        self._holdings.reserve(plan.reserved)
        sent = time.monotonic()
        try:
            finished = await self._send(plan.arrays)
        except BaseException:
            if self._identity.worker_id == worker_id:  # else everything was let go of, slots set aside included
                self._holdings.release(plan.reserved)
            raise
        if finished is not None:
            self._settle(batch, plan, finished, handed_on)
            if self._meter is not None:
                self._meter.note_flush(len(batch), time.monotonic() - sent)

    def _measure_room(self, handed_on: int) -> Room:
        return Room(
            self._codes,
            self._holdings.free,
            handed_on,
            alone=self._identity.is_alone,
            stopping=self._identity.is_stopping,
            least_priority=self.least_priority,
        )

    async def _send(self, arrays: FinishArrays) -> Finished | None:
        """The database's answer; None when the lease was lost while it did not answer."""
        worker_id = self._identity.worker_id
        if worker_id is None:
            return None
        for delay in iter_backoff():
            try:
                reach("before finish")
                finished = await self._store.finish_tasks(worker_id, arrays)
                self.is_stuck = False
                reach("finish committed")
                return finished if self._identity.worker_id == worker_id else None
            except DatabaseUnavailableError as error:
                # Committed or not: the fence makes sending again harmless, and what this commit put into our hands
                # is found again by asking what we hold.
                logger.warning("waiting for the database to store results (%d): %s", len(arrays.tasks), error)
                self._holdings.doubt()
                self.is_stuck = True
                await asyncio.sleep(delay)
                if self._identity.worker_id != worker_id:
                    return None
        raise AssertionError("iter_backoff never ends")

    def _settle(self, batch: list[Outcome], plan: FinishPlan, finished: Finished, handed_on: int) -> None:
        self._note(batch, plan, finished)
        continued = self._build_continued(batch, plan, finished)
        for assignment, _ in batch:
            self._holdings.remove(assignment)
        taken = sum(assignment.slot for assignment in continued)
        self._holdings.release(plan.reserved + handed_on - taken)
        reach("outcomes settled")
        if continued:
            self._admit(continued)
        self._tell(batch, plan, finished)

    def _note(self, batch: list[Outcome], plan: FinishPlan, finished: Finished) -> None:
        """Take note of what the database made of a batch."""
        self.pace.note(len(finished.accepted), plan.failures)
        if self._meter is not None:
            self._meter.note_outcomes(batch, finished.accepted)
        if len(finished.accepted) < len(batch):
            logger.info(
                "%d outcomes came too late and were not stored: those tasks were cancelled or taken over",
                len(batch) - len(finished.accepted),
            )
        for position, (assignment, report) in enumerate(batch, 1):
            if position in finished.accepted and report.status > 0:
                assignment.run.results[assignment.task] = TaskResult(
                    report.status, report.output, report.error, report.reason
                )

    def _tell(self, batch: list[Outcome], plan: FinishPlan, finished: Finished) -> None:
        """Tell whoever waits for what a batch has done."""
        self._publish(finished, plan)
        if self._lifetimes is not None and finished.ended:
            self._lifetimes.note_ended(finished.ended, (assignment.run for assignment, _ in batch))
        self._changes.tell(assignment.run.id for assignment, _ in batch)

    def _build_continued(self, batch: list[Outcome], plan: FinishPlan, finished: Finished) -> list[Assignment]:
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

    def _publish(self, finished: Finished, plan: FinishPlan) -> None:
        if finished.ended:
            self._hub.publish("done", [run_id.hex for run_id in finished.ended])
        if finished.cancels:
            self._hub.publish("orders", [])
        if finished.queued_actions:
            self._hub.publish("ready", [str(action) for action in finished.queued_actions])
        if finished.next_due is not None or (finished.queued_actions and plan.sets_timers):
            self._hub.publish("timer", [])


_REFUSED = describe_failure("OutcomeRefused", "the database refused to store this task's outcome; see the worker's log")
