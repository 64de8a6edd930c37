"""Writes outcomes, many in one commit, and goes on at once with the tasks they freed.

Idle: an outcome is written at once, one commit per hop. A write in flight: outcomes gather, up to a cap. Under load
batches grow by themselves. An outcome counts only when its commit was answered; while the database is away outcomes
wait in memory (there are never more than slots) for as long as the lease may still be ours. A batch that is not
answered in time is sent again in smaller ones; an outcome that is too large even for those goes beside them, over a
link of its own, so that it keeps nobody waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import DatabaseUnavailableError
from plait.faultpoints import reach
from plait.graph.attempt import Report, TaskResult
from plait.graph.definition import Status
from plait.store.connection import REFUSALS, UnansweredError
from plait.store.outage import Outage
from plait.store.portion import LEAST_BYTES, Portion
from plait.values.failures import describe_failure
from plait.worker.assignment import Assignment, CodeBook
from plait.worker.holdings import Holdings
from plait.worker.identity import Identity
from plait.worker.outbox import Outbox, Outcome, cut, measure
from plait.worker.pace import Pace
from plait.worker.plan import FinishPlan, Room, plan_finish
from plait.worker.reports import tell_failure

if TYPE_CHECKING:
    from plait.store.changes import ChangeTeller
    from plait.store.hints import Hub
    from plait.store.store import FinishArrays, Finished, Store
    from plait.tracing.lifetimes import LifetimeReader
    from plait.worker.meter import Meter

logger = logging.getLogger("plait.worker")

FLUSH_CAP, FLUSH_BYTES = 500, 4 << 20
"""Outcomes of one batch, and their bytes."""
LARGE_TRIES = 5
"""How often an outcome goes over a link of its own before its task fails."""
OFFER_CAP = 16
"""Outcomes of one batch after the lease was lost."""


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
        take_or_tell: Callable[[Sequence[int]], None],
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
        self._take_or_tell = take_or_tell
        self._changes = changes
        self._lifetimes = lifetimes
        self._meter = meter
        self.lock = asyncio.Lock()
        """Held while a batch is written and answered."""
        self.begun = self.answered = 0
        """Counts of batches. What a batch has put into the worker's hands is known once it is answered."""
        self._portion = Portion(FLUSH_BYTES)
        self._outage = Outage(logger, "store results")
        self._resent: set[Assignment] = set()
        """What a commit may have stored whose answer was lost."""
        self._large: list[Outcome] = []
        self._large_writer: asyncio.Task[None] | None = None
        self.least_priority = 1
        """Of a run that may be continued locally; raised while something more urgent waits."""
        self.pace = Pace()
        self._writing: list[Outcome] = []
        self.is_stuck = False
        """Whether the database does not take results; then the worker takes no tasks either."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written or is being written."""
        return not self._outbox.outcomes and not self._large and not self.lock.locked()

    async def run(self) -> None:
        """Write batches until cancelled."""
        try:
            while True:
                await self._outbox.wait()
                while self._outbox.outcomes:
                    batch = self._take()
                    if measure(batch[0]) > self._portion.bytes:
                        self._write_beside(batch[0])
                    else:
                        await self._write_counted(batch)
        finally:
            if self._large_writer is not None:
                self._large_writer.cancel()

    def _take(self) -> list[Outcome]:
        """The next batch. Of several priorities it is a small one, of the most urgent outcomes."""
        if self._holdings.is_mixed:
            self._outbox.put_urgent_first()
        return self._outbox.take(self._holdings.limit(self._portion.share(FLUSH_CAP)), self._portion.bytes)

    def count_unstored(self) -> int:
        """How many outcomes wait in memory for their commit."""
        return len(self._writing) + len(self._large) + len(self._outbox.outcomes)

    def list_unstored(self) -> list[Outcome]:
        """Outcomes of what is held whose commit was not answered yet."""
        waiting = (*self._writing, *self._large, *self._outbox.outcomes)
        return [entry for entry in waiting if self._holdings.find(entry[0]) is not None]

    async def offer(self, worker_id: UUID, outcomes: Sequence[Outcome]) -> None:
        """Store outcomes under an id whose lease is lost. The fence refuses those whose tasks were taken over; where
        the database was away for everybody, that is none. Nothing that they free is gone on with here. What is too
        large to be answered is left: its task runs again."""
        left = list(outcomes)
        while left:
            batch, others = cut(left, OFFER_CAP, self._portion.bytes)
            try:
                await self._offer(worker_id, sorted(batch, key=lambda entry: entry[0].key))
            except UnansweredError:
                if len(batch) > 1:
                    continue
                if measure(batch[0]) <= LEAST_BYTES:
                    raise
            left = others

    async def _offer(self, worker_id: UUID, batch: list[Outcome]) -> None:
        plan = plan_finish(batch, Room((), 0, 0, stopping=True))
        try:
            finished = await self._finish(batch, worker_id, plan.arrays)
        except REFUSALS as error:
            if len(batch) == 1:
                logger.error("the database refused the outcome of task %s, it runs again: %s", batch[0][0].name, error)
            for entry in batch if len(batch) > 1 else ():
                await self._offer(worker_id, [entry])
            return
        self._note(batch, plan, finished)
        self._tell(batch, plan, finished)

    async def _write_counted(self, batch: list[Outcome]) -> None:
        async with self.lock:
            self._writing = batch
            self.begun += 1
            try:
                await self._write_isolating(batch)
            except UnansweredError:
                if len(batch) > 1:
                    self._outbox.put_back(batch)  # what was written of it is held no more, and is passed over
                else:
                    self._write_beside(batch[0])
            finally:
                self._writing = []
                self.answered += 1

    def _write_beside(self, outcome: Outcome) -> None:
        self._large.append(outcome)
        if self._large_writer is None or self._large_writer.done():
            self._large_writer = asyncio.create_task(self._write_large(), name="plait-large-results")

    async def _write_large(self) -> None:
        while self._large:
            await self._store_or_fail(self._large[0])
            del self._large[0]

    async def _store_or_fail(self, outcome: Outcome) -> None:
        """Store an outcome that is too large for a batch. If it does not get through, its task fails."""
        assignment, _ = outcome
        tries = 0
        while tries < LARGE_TRIES:
            try:
                await self._write_isolating([outcome], beside=True)
                return
            except UnansweredError:
                # Unless somebody holds the run locked, it is the size that keeps it from being stored.
                with suppress(DatabaseUnavailableError):
                    tries += await self._store.control.is_run_free(assignment.run.id)
        size = f"{measure(outcome) / 1e6:.1f} MB"
        logger.error(
            "the outcome of task %s of run %s (%s) is too large for the link to the database: the task fails",
            assignment.name,
            assignment.run.id,
            size,
        )
        message = (
            f"what it returned or raised ({size}) did not get through to the database in {LARGE_TRIES} tries. Return "
            f"less, for example where the value is stored, or give the worker a faster link"
        )
        self._outbox.put_back([(assignment, Report(Status.FAILED, error=describe_failure("OutcomeTooLarge", message)))])

    async def _write_isolating(self, batch: list[Outcome], *, beside: bool = False) -> None:
        """Write a batch; if the database refuses what is in it, by halves, until the poison outcome stands alone and
        is stored as the failure it is. Raises ``UnansweredError`` when less may have a chance to be answered."""
        try:
            await self._write(batch, beside=beside)
        except REFUSALS as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._write_isolating(batch[:middle], beside=beside)
                reach("half of a batch stored")
                await self._write_isolating(batch[middle:], beside=beside)
                return
            assignment, report = batch[0]
            logger.error("the database refused the outcome of task %s: %s", assignment.name, error)
            if report.error == _REFUSED:
                raise  # not even that it failed can be stored: nothing this worker does would be
            await self._write_isolating([(assignment, Report(Status.FAILED, error=_REFUSED))], beside=beside)

    async def _write(self, batch: list[Outcome], *, beside: bool) -> None:
        current = [entry for entry in batch if self._holdings.find(entry[0]) is not None]
        for assignment, _ in batch if len(current) < len(batch) else ():
            if self._holdings.find(assignment) is None:
                self._holdings.drop(assignment)  # its run was cancelled and replayed, and is here again
        batch = current
        if not batch:
            return
        batch.sort(key=lambda entry: (entry[0].run.id, entry[0].task))
        handed_on = sum(assignment.slot for assignment, _ in batch)
        plan = plan_finish(batch, self._measure_room(handed_on, beside=beside))
        worker_id = self._identity.worker_id
        self._holdings.reserve(plan.reserved)
        sent = time.monotonic()
        try:
            finished = await self._send(batch, plan.arrays, beside=beside)
        except BaseException:
            if self._identity.worker_id == worker_id:  # else everything was let go of, slots set aside included
                self._holdings.release(plan.reserved)
            raise
        if finished is not None:
            self._settle(batch, plan, finished, handed_on)
            if self._meter is not None:
                self._meter.note_flush(len(batch), time.monotonic() - sent)
            if len(finished.accepted) < len(batch):
                await self._tell_refused(batch, finished)
        self._resent.difference_update(assignment for assignment, _ in batch)

    def _measure_room(self, handed_on: int, *, beside: bool) -> Room:
        return Room(
            self._codes,
            self._holdings.free,
            handed_on,
            alone=self._identity.is_alone,
            # What is written beside frees nothing for this worker: what a batch does is compared one after the other.
            stopping=self._identity.is_stopping or beside,
            least_priority=self.least_priority,
        )

    async def _send(self, batch: list[Outcome], arrays: FinishArrays, *, beside: bool) -> Finished | None:
        """The database's answer; None when the lease was lost while it did not answer."""
        worker_id = self._identity.worker_id
        if worker_id is None:
            return None
        while True:
            try:
                reach("before finish")
                finished = await self._finish(batch, worker_id, arrays, large=beside)
                reach("finish committed")
            except DatabaseUnavailableError as error:
                # Committed or not: the fence makes sending again harmless, and what this commit put into our hands
                # is found again by asking what we hold.
                self._holdings.doubt()
                self._resent.update(assignment for assignment, _ in batch)
                self.is_stuck = self.is_stuck or not beside
                await self._outage.pause(error, f"{len(batch) + len(self._outbox.outcomes)} wait in memory")
                if self._identity.worker_id != worker_id:
                    self.is_stuck = False  # what could not be stored is not this worker's any more
                    return None
                is_small = len(batch) == 1 and measure(batch[0]) <= LEAST_BYTES
                if isinstance(error, UnansweredError) and (beside or not is_small):
                    raise
            else:
                self._outage.end(f"{len(batch)} results stored")
                self.is_stuck = self.is_stuck and beside
                return finished if self._identity.worker_id == worker_id else None

    async def _finish(
        self, batch: list[Outcome], worker_id: UUID, arrays: FinishArrays, *, large: bool = False
    ) -> Finished:
        with self._portion.carry() as load:
            load.is_full = self._portion.is_filled(sum(map(measure, batch)), len(batch), FLUSH_CAP)
            return await self._store.finish_tasks(worker_id, arrays, large=large)

    async def _tell_refused(self, batch: list[Outcome], finished: Finished) -> None:
        """Some outcomes passed the fence no more. After a lost answer that may be because they are stored already."""
        late = [outcome for position, outcome in enumerate(batch, 1) if position not in finished.accepted]
        stored = 0
        if not self._resent.isdisjoint(assignment for assignment, _ in late):
            try:
                stored = await self._store.count_stored(late)
            except DatabaseUnavailableError as error:
                logger.debug("cannot see whether %d results were stored before: %s", len(late), error)
                return
        if stored:
            logger.info("%d results had been stored by an earlier try whose answer was lost", stored)
        if len(late) > stored:
            logger.info(
                "%d outcomes came too late and were not stored: those tasks were cancelled or taken over",
                len(late) - stored,
            )

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
        for position, (assignment, report) in enumerate(batch, 1):
            if position not in finished.accepted:
                continue
            if report.status in (Status.FAILED, Status.RETRIED) and assignment.execution is not None:
                tell_failure(assignment, report)
            if report.status > 0:
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
            self._take_or_tell(finished.queued_actions)
        if finished.next_due is not None or (finished.queued_actions and plan.sets_timers):
            self._hub.publish("timer", [])


_REFUSED = describe_failure("OutcomeRefused", "the database refused to store this task's outcome; see the worker's log")
