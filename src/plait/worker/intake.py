"""The door through which every task enters a worker: find its run and its parents' outcomes, judge it, send it on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.errors import DatabaseUnavailableError, InvalidValueError, NotFoundError
from plait.graph.attempt import Report, RunState, StoredVersion, UnreadableVersionError
from plait.graph.definition import STATUS_BY_CODE, Status, TaskKind
from plait.graph.judge import NO_SIGNALS, RUN, Cancel, Fail, Signals, Skip, WaitFor, judge, judge_losses
from plait.store.connection import CALL_TIMEOUT, UnansweredError
from plait.store.outage import Outage
from plait.store.reader import ValueReader
from plait.values.failures import describe_failure
from plait.worker.assignment import Assignment, CodeBook
from plait.worker.conditions import ConditionReader, Look
from plait.worker.holdings import Holdings
from plait.worker.identity import Identity
from plait.worker.reports import CANCELLED_BY_REQUEST

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.store import Store
    from plait.values.evaluator import Evaluator

logger = logging.getLogger("plait.worker")

FIRST_PAUSE, LONGEST_PAUSE = 15.0, 600.0
"""Seconds for which a task of an unreadable version is left to others."""
UNREADABLE = "its worker cannot read this version of the workflow: a newer Plait stored it"

CONDITIONS_PAGE = 100
"""Tasks whose conditions are looked at together."""

_COMPANY = "its worker has another task that was lost with a worker"


class Intake:
    """Turns claimed rows and continued tasks into assignments, and judges each.

    ``execute`` gets the assignments whose code is to run, ``conclude`` those that are decided without it, ``park``
    those that must wait, with the numbers of the conditions they wait for; ``let_go`` those whose task has come again.
    """

    def __init__(
        self,
        store: Store,
        identity: Identity,
        holdings: Holdings,
        codes: CodeBook,
        *,
        execute: Callable[[list[Assignment]], None],
        conclude: Callable[[Assignment, Report], None],
        park: Callable[[Assignment, Sequence[int]], None],
        let_go: Callable[[Assignment], None],
        loss_limit: int,
        evaluator: Evaluator,
    ) -> None:
        self._store = store
        self._identity = identity
        self._holdings = holdings
        self._codes = codes
        self._execute = execute
        self._conclude = conclude
        self._park = park
        self._let_go = let_go
        self._loss_limit = loss_limit
        self._noting = asyncio.Lock()
        self._reader = ConditionReader(store.events, evaluator)
        self._values = ValueReader(store.pool, Outage(logger, "read inputs and parents' outputs"))
        self._condition_reads = asyncio.Semaphore(1)  # of the pool's few connections, some are for others
        self._conditions_outage = Outage(logger, "read conditions of tasks")
        self._unreadable: dict[int, StoredVersion] = {}
        """Outlines of versions that a newer Plait stored."""
        self._suspects_outage = Outage(logger, "begin tasks that were lost with a worker")
        self._fetching: set[asyncio.Task[None]] = set()

    async def admit_rows(self, rows: Sequence[Record], *, expired: bool = False) -> None:
        """Take over tasks as a claim returned them. Their slots have been reserved; ``expired`` ones, which are only
        judged, have none.

        What is not there to judge or to run them is read beside: the claim waits for no value, whatever its size.
        """
        epoch = self._holdings.epoch
        for version_id in {row["version_id"] for row in rows}:
            if self._store.get_version(version_id) is None and version_id not in self._unreadable:
                await self._read_version(version_id)
        if epoch != self._holdings.epoch:
            return
        self._give_back([row for row in rows if row["version_id"] in self._unreadable], slot=not expired)
        rows = [row for row in rows if row["version_id"] not in self._unreadable]
        assignments = [self._admit_row(row, slot=not expired) for row in rows]
        conditional = [
            (assignment, row)
            for assignment, row in zip(assignments, rows, strict=True)
            if assignment.task in assignment.run.version.definition.conditional and not expired
        ]
        if conditional:
            waiting = {assignment for assignment, _ in conditional}
            self._spawn(self._judge_conditional(conditional), "plait-conditions")
            assignments = [assignment for assignment in assignments if assignment not in waiting]
        self._judge_or_read(assignments, expired=expired)

    def admit_continued(self, assignments: list[Assignment]) -> None:
        """Go on with tasks that a finish freed into this worker's hands; they are held already.

        Most have all their parents' outcomes in memory and start within this call.
        """
        self._judge_or_read(assignments, expired=False)

    async def close(self) -> None:
        """Wait for the reads that are under way, for a while."""
        if self._fetching:
            _, late = await asyncio.wait(self._fetching, timeout=CALL_TIMEOUT)
            for task in late:
                task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._fetching.add(task)
        task.add_done_callback(self._end_fetch)

    def _end_fetch(self, task: asyncio.Task[None]) -> None:
        self._fetching.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("inputs and parents' outputs could not be read", exc_info=task.exception())

    async def _read_version(self, version_id: int) -> None:
        try:
            await self._store.read_version(version_id)
        except UnreadableVersionError as error:
            self._unreadable[version_id] = error.outline
            logger.error("tasks are handed back: %s", error)

    def _give_back(self, rows: Sequence[Record], *, slot: bool) -> None:
        """Hand back tasks of versions that this Plait cannot read, for longer each time: a newer worker runs them."""
        for row in rows:
            version, attempt = self._unreadable[row["version_id"]], row["attempt"]
            run = RunState(
                row["run_id"], version, None, None, row["priority"], Status.COMPLETED, ended=row["status"] != 0
            )
            assignment = Assignment(run, row["task"], attempt, row["retry"], row["lost"], None, slot)
            self._holdings.add(assignment)
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * attempt)
            report = Report(Status.RELEASED, retry_us=round(pause * 1e6), reason=UNREADABLE)
            self._conclude(assignment, report)

    def _admit_row(self, row: Record, *, slot: bool) -> Assignment:
        run_id = row["run_id"]
        run = self._holdings.runs.get(run_id)
        first_attempt = row["first_attempt"] or 1
        if run is None or run.first_attempt != first_attempt:  # what is remembered from before a replay is history
            version = self._store.get_version(row["version_id"])
            assert version is not None
            run = self._holdings.runs[run_id] = RunState(
                run_id, version, row["input"], row["metadata"], row["priority"], Status.COMPLETED, ended=False
            )
            run.first_attempt = first_attempt
        elif run.input is None:
            run.input = row["input"]
        run.cancel_tasks = row["cancel_tasks"] or ()
        if row["worst"] > run.worst:
            run.worst = STATUS_BY_CODE[row["worst"]]
        run.ended = row["status"] != 0
        assignment = Assignment(
            run, row["task"], row["attempt"], row["retry"], row["lost"], self._codes.get(row["action_id"]), slot
        )
        earlier = self._holdings.assignments.get(assignment.key)
        if earlier is not None and not earlier.concluded:
            self._let_go(earlier)
        self._holdings.add(assignment)
        return assignment

    def _judge_or_read(self, assignments: list[Assignment], *, expired: bool) -> None:
        """Judge what can be judged now; the others once what they lack is read."""
        complete, lacking = _split(assignments, expired)
        if lacking:
            self._spawn(self._judge_later(lacking, expired), "plait-intake")
        self._judge_complete(complete, expired=expired)

    async def _judge_later(self, assignments: list[Assignment], expired: bool) -> None:
        left = assignments
        try:
            async for _ in self._read_values(assignments, expired):
                complete, left = _split(left, expired)
                self._judge_complete(complete, expired=expired)
        except Exception:
            logger.exception("inputs and parents' outputs could not be read")
        # What still lacks something, because it is gone or cannot be read, is failed by the judgement.
        self._judge_complete(left, expired=expired)

    async def _read_values(self, assignments: list[Assignment], expired: bool) -> AsyncIterator[None]:
        """Read what assignments lack; yields whenever something has come."""
        runs = {assignment.run.id: assignment.run for assignment in assignments}
        if not expired:
            async for inputs in self._values.read_inputs([run.id for run in runs.values() if run.input is None]):
                for run_id, value in inputs.items():
                    runs[run_id].input = value
                yield
        async for results in self._values.read_outcomes(_list_missing(assignments)):
            for (run_id, task), result in results.items():
                runs[run_id].results[task] = result
            yield

    async def _judge_conditional(self, claimed: Sequence[tuple[Assignment, Record]]) -> None:
        """Judge tasks with conditions: what is known about these is read first."""
        async for _ in self._read_values([assignment for assignment, _ in claimed], expired=False):
            pass
        looks = [Look(assignment, row) for assignment, row in claimed]
        for start in range(0, len(looks), CONDITIONS_PAGE):
            left = await self._look(looks[start : start + CONDITIONS_PAGE])
            if left:
                self._spawn(self._look_on(left), "plait-conditions")

    async def _look_on(self, looks: Sequence[Look]) -> None:
        """Look at the many events that came for some, while others have their turn in between."""
        while looks := [one for one in looks if self._holdings.find(one.assignment) and not one.assignment.concluded]:
            looks = await self._look(looks)

    async def _look(self, looks: Sequence[Look]) -> list[Look]:
        """Judge tasks with conditions. Returns those about which not everything is known yet."""
        async with self._condition_reads:
            left = await self._read_conditions(looks)
        self._judge_complete([look.assignment for look in looks if look not in left], expired=False)
        return left

    async def _read_conditions(self, looks: Sequence[Look]) -> list[Look]:
        """Find out about the conditions of tasks. One for which that fails, fails alone, with the reason."""
        while True:
            try:
                left = await self._reader.read(looks)
                self._conditions_outage.end()
                return left
            except DatabaseUnavailableError as error:
                await self._conditions_outage.pause(error)
                if isinstance(error, UnansweredError) and len(looks) > 1:
                    half = len(looks) // 2
                    return await self._read_conditions(looks[:half]) + await self._read_conditions(looks[half:])
            except Exception as error:
                if len(looks) > 1:
                    return [left for one in looks for left in await self._read_conditions([one])]
                assignment = looks[0].assignment
                logger.exception(
                    "could not read the conditions of task %s of run %s", assignment.name, assignment.run.id
                )
                message = f"its conditions could not be read: {type(error).__name__}: {error}"
                self._conclude(assignment, Report(Status.FAILED, error=describe_failure("JudgementError", message)))
                return []

    def _judge_complete(self, assignments: list[Assignment], *, expired: bool) -> None:
        held = self._holdings.assignments
        ready = [
            assignment
            for assignment in assignments
            # Its lease may have been lost, or somebody may have cancelled it, while values were read.
            if held.get(assignment.key) is assignment
            and not assignment.concluded
            and self._judge_safely(assignment, expired)
        ]
        for suspect in [assignment for assignment in ready if assignment.lost]:
            ready.remove(suspect)
            self._spawn(self._begin_suspect(suspect), "plait-suspect")
        if ready:
            self._execute(ready)

    async def _begin_suspect(self, assignment: Assignment) -> None:
        """Run a task that was lost with its worker before, unless that was too often. That it begins is noted first, so
        that another loss can count."""
        if not self._holdings.suspects.fits(assignment):  # it came in an answer that was lost
            self._conclude(assignment, Report(Status.RELEASED, retry_us=0, reason=_COMPANY))
            return
        losses = await self._note_begin(assignment)
        if assignment.concluded or self._holdings.find(assignment) is None:
            return
        if losses is None:
            self._let_go(assignment)
            return
        verdict = judge_losses(losses, self._loss_limit)
        if verdict is RUN:
            self._execute([assignment])
        else:
            self._conclude(assignment, _report_verdict(verdict))

    async def _note_begin(self, assignment: Assignment) -> dict[str, int] | None:
        """How often it was lost, by how its worker ended; None when it is not this worker's any more."""
        key = (assignment.run.id, assignment.task, assignment.attempt)
        while True:
            worker_id = self._identity.worker_id
            if worker_id is None or assignment.concluded or self._holdings.find(assignment) is None:
                return None
            try:
                async with self._noting:
                    losses = await self._store.begin_suspect(worker_id, key, self._holdings.suspects.begin(assignment))
            except DatabaseUnavailableError as error:
                await self._suspects_outage.pause(error)
            else:
                self._suspects_outage.end()
                return losses

    def _judge_safely(self, assignment: Assignment, expired: bool) -> bool:
        """One task that cannot be judged fails alone, with the reason; the others go on."""
        try:
            return self._judge_one(assignment, expired)
        except Exception as error:
            logger.exception("could not decide whether task %s of run %s runs", assignment.name, assignment.run.id)
            message = f"Plait could not decide whether this task runs: {type(error).__name__}: {error}"
            self._conclude(assignment, Report(Status.FAILED, error=describe_failure("JudgementError", message)))
            return False

    def _judge_one(self, assignment: Assignment, expired: bool) -> bool:
        run = assignment.run
        results = run.results
        parents = run.version.definition.tasks[assignment.task].parents
        conditional = assignment.task in run.version.definition.conditional
        if parents or expired or run.ended or conditional or run.cancel_tasks:
            verdict = judge(
                run.version.definition,
                assignment.task,
                {parent: results[parent].status for parent in parents},
                _read_signals(assignment, expired),
            )
            if verdict is RUN and assignment.conditions is not None and assignment.conditions.fault is not None:
                raise InvalidValueError(assignment.conditions.fault)
            if isinstance(verdict, WaitFor):
                self._park(assignment, verdict.numbers)
                return False
            if verdict is not RUN:
                self._conclude(assignment, _report_verdict(verdict))
                return False
        if assignment.code is None:
            # Only judged here, for want of code: somebody who has it shall run it.
            self._conclude(
                assignment, Report(Status.RELEASED, retry_us=0, reason="the worker has no code for this task")
            )
            return False
        if run.input is None:
            raise NotFoundError(f"the input of run {run.id} is gone: the run was deleted")
        return True


def _read_signals(assignment: Assignment, expired: bool) -> Signals:
    run = assignment.run
    state = assignment.conditions
    plain = not (expired or run.ended or run.cancel_tasks) and state is None
    if plain and run.worst is Status.COMPLETED:
        return NO_SIGNALS
    return Signals(
        run.worst,
        run_ended=run.ended,
        expired=expired,
        conditions=() if state is None else state.truth,
        conditions_settled=assignment.retry > 0 or (state is not None and state.fault is not None),
        cancel_requested=CANCELLED_BY_REQUEST if assignment.task in run.cancel_tasks else None,
    )


def _split(assignments: Sequence[Assignment], expired: bool) -> tuple[list[Assignment], list[Assignment]]:
    """Attempts of which all is there that is needed to judge them and, unless they have ``expired``, to run them; and
    the others."""
    complete: list[Assignment] = []
    lacking: list[Assignment] = []
    for assignment in assignments:
        is_complete = (expired or assignment.run.input is not None) and not _list_missing([assignment])
        (complete if is_complete else lacking).append(assignment)
    return complete, lacking


def _list_missing(assignments: list[Assignment]) -> list[tuple[UUID, int]]:
    """Run and number of the tasks whose outcomes attempts need and do not have."""
    missing: list[tuple[UUID, int]] = []
    for assignment in assignments:
        run = assignment.run
        spec = run.version.definition.tasks[assignment.task]
        parents = range(assignment.task) if spec.kind is TaskKind.ON_FAILURE else spec.parents
        missing.extend((run.id, parent) for parent in parents if parent not in run.results)
    return missing if len(missing) < 2 else list(dict.fromkeys(missing))


def _report_verdict(verdict: Skip | Cancel | Fail | Any) -> Report:
    match verdict:
        case Skip(reason):
            return Report(Status.SKIPPED, reason=reason)
        case Cancel(reason):
            return Report(Status.CANCELLED, reason=reason)
        case _:
            return Report(Status.FAILED, error=describe_failure("WorkerLost", verdict.reason))
