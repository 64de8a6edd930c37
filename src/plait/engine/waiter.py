"""Waiting for runs to end: one listener per process, one batched read per burst of endings, else polling."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from plait.errors import DatabaseUnavailableError, NotFoundError, ResultTimeoutError, TaskRunError
from plait.graph.attempt import TaskResult
from plait.graph.definition import STATUS_BY_CODE, Status, TaskKind
from plait.ids import bound_run_id
from plait.store.outage import Outage
from plait.store.portion import Portion
from plait.store.reader import ValueReader, build_result, is_page_full, is_withheld
from plait.values.failures import read_task_error

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.hints import Hub
    from plait.store.store import Store

POLL_SECONDS = 2.0
LOOK_SECONDS = 30.0
"""How often it is asked whether a run that does not end is there at all."""
STORED_SECONDS = 60.0
"""By then a run is stored, counted from its id, or from when it is waited for: until then a transaction that starts it
may not have committed."""
_PAGE, _PAGE_BYTES = 500, 4 << 20
"""Runs whose ends are read together, and bytes of what their tasks put out; the rest is read run by run."""

logger = logging.getLogger("plait.results")


class TaskOutcome(NamedTuple):
    """How one task of an ended run ended. ``output`` is JSON bytes of a completed task."""

    name: str
    kind: TaskKind
    status: Status
    output: bytes | None
    error: TaskRunError | None
    reason: str | None


class RunOutcome(NamedTuple):
    """How a run ended, task by task, in task order."""

    run_id: UUID
    workflow_name: str
    status: Status
    tasks: tuple[TaskOutcome, ...]


def _bound_young() -> UUID:
    """Runs with a greater id may not be stored yet."""
    return bound_run_id(datetime.fromtimestamp(time.time() - STORED_SECONDS, UTC))


class RunWaiter:
    """Lets any number of callers wait for runs. Lives on the engine's loop."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        self._waiting: dict[UUID, asyncio.Future[RunOutcome]] = {}
        self._interest: dict[UUID, int] = {}
        self._began: dict[UUID, float] = {}
        """Since when somebody waits for it: an id is of the clock of who made it, which may be ahead."""
        self._due: set[UUID] = set()
        self._started: set[UUID] = set()
        self._looked: dict[UUID, int] = {}
        self._seen: set[UUID] = set()
        self._reading: dict[UUID, asyncio.Task[None]] = {}
        """Runs whose tasks put out more than one answer carries."""
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._hub = hub
        self._subscribed = False
        self._portion = Portion(_PAGE_BYTES)
        self._outage = Outage(logger, "read results of runs")
        self._values = ValueReader(store.pool, self._outage)

    async def wait(
        self, run_ids: Sequence[UUID], timeout: float | None = None, *, start: Awaitable[object] | None = None
    ) -> list[RunOutcome]:
        """The outcomes of runs, in order, once all have ended. Raises ``ResultTimeoutError`` after ``timeout``
        seconds; the runs themselves go on. Raises ``NotFoundError`` for one that is gone, once the others have ended.

        ``start`` starts these runs. It is awaited with the waiting prepared: where hints are heard already, none can
        be missed, and the database is spared a first look that would find nothing.
        """
        if not self._subscribed:
            self._subscribed = True
            self._hub.subscribe("done", self._receive)
        self._hub.start()
        self._hub.ask_for("done")
        loop = asyncio.get_running_loop()
        unique = set(run_ids)
        for run_id in unique:
            self._interest[run_id] = self._interest.get(run_id, 0) + 1
            self._began.setdefault(run_id, time.monotonic())
            # Not one that is done: the run may have been replayed since.
            if run_id not in self._waiting or self._waiting[run_id].done():
                self._waiting[run_id] = loop.create_future()
        futures = {run_id: self._waiting[run_id] for run_id in unique}
        try:
            heard = start is not None and self._hub.is_listening("done")
            if start is not None:
                await start
            self._started |= unique
            if not heard:
                self._due |= unique
                self._changed.set()
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._read(), name="plait-results")
            _, late = await asyncio.wait(futures.values(), timeout=timeout)
            if late:
                raise ResultTimeoutError(
                    f"{len(late)} of {len(unique)} runs did not end within {timeout:g} s. They go on; ask again "
                    "later. A run started in your own transaction begins when you commit"
                )
            for future in futures.values():
                future.exception()  # only the first is raised: the others are not to be logged as lost
            return [futures[run_id].result() for run_id in run_ids]
        finally:
            self._forget(unique)

    def _forget(self, run_ids: Iterable[UUID]) -> None:
        for run_id in run_ids:
            self._interest[run_id] -= 1
            if not self._interest[run_id]:
                del self._interest[run_id]
                self._waiting.pop(run_id, None)
                if run_id in self._reading:
                    self._reading[run_id].cancel()
                self._looked.pop(run_id, None)
                self._began.pop(run_id, None)
                self._started.discard(run_id)
                self._seen.discard(run_id)

    def _receive(self, subjects: list[str]) -> None:
        if not self._waiting:
            return
        ended = [UUID(subject) for subject in subjects if subject] if subjects else self._waiting.keys()
        self._due.update(run_id for run_id in ended if run_id in self._waiting)
        if self._due:
            self._changed.set()

    async def _read(self) -> None:
        while self._waiting:
            self._hub.ask_for("done")
            self._changed.clear()
            if not self._due:
                with suppress(asyncio.TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._changed.wait()
            if not self._due:
                self._due.update(self._waiting)
            page = [self._due.pop() for _ in range(min(self._portion.share(_PAGE), len(self._due)))]
            try:
                await self._settle([run_id for run_id in page if run_id in self._waiting])
                self._outage.end()
            except DatabaseUnavailableError as error:
                if not self._waiting:  # the one who waited has gone, and the connection with it, perhaps
                    return
                self._due.update(page)
                await self._outage.pause(error, f"{len(self._waiting)} are waited for")
            except Exception as error:  # nothing waiting would help with: those who wait shall know
                for run_id in page:
                    if run_id in self._waiting and not self._waiting[run_id].done():
                        self._waiting[run_id].set_exception(error)

    async def _settle(self, run_ids: list[UUID]) -> None:
        with self._portion.carry() as load:
            rows = await self._store.read_ended(run_ids, self._portion.bytes)
            load.is_full = is_page_full(self._portion, len(run_ids), _PAGE, rows)
        for run_id, group in groupby(rows, key=lambda row: row["id"]):
            future, found = self._waiting.get(run_id), list(group)
            if future is None or future.done() or run_id in self._reading:
                continue
            if any(map(is_withheld, found)):  # others are not to wait for it
                reading = self._settle_large(run_id, found, future)
                self._reading[run_id] = asyncio.create_task(reading, name="plait-results")
            else:
                await self._settle_one(run_id, found, future)
        if still_open := [run_id for run_id in run_ids if self._is_open(run_id)]:
            bound = _bound_young()
            await self._look_for([run_id for run_id in still_open if self._is_to_be_looked_for(run_id, bound)])

    async def _settle_large(self, run_id: UUID, rows: list[Record], future: asyncio.Future[RunOutcome]) -> None:
        try:
            await self._settle_one(run_id, rows, future)
        except DatabaseUnavailableError:
            self._due.add(run_id)
        finally:
            del self._reading[run_id]

    async def _settle_one(self, run_id: UUID, rows: list[Record], future: asyncio.Future[RunOutcome]) -> None:
        try:
            outcome = await self._build_outcome(run_id, rows)
        except DatabaseUnavailableError:
            raise
        except Exception as error:  # what is stored of this run cannot be read; others are not to suffer
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(outcome)

    def _is_open(self, run_id: UUID) -> bool:
        future = self._waiting.get(run_id)
        return future is not None and not future.done() and run_id in self._started

    def _is_to_be_looked_for(self, run_id: UUID, bound: UUID) -> bool:
        """True once in each stretch of ``LOOK_SECONDS``, the same for all runs so that few statements do; not in the
        first one for a new run, which mostly is there and ends soon."""
        stretch = int(time.monotonic() / LOOK_SECONDS)
        is_first = run_id not in self._looked
        is_due = self._looked.get(run_id) != stretch
        self._looked[run_id] = stretch
        return is_due and not (is_first and run_id > bound)

    async def _look_for(self, run_ids: list[UUID]) -> None:
        """Tell those who wait for runs that are gone; nobody else would."""
        if not run_ids:
            return
        kept = await self._store.retention.list_kept(run_ids)
        bound = _bound_young()
        for run_id in run_ids:
            if not self._is_open(run_id):
                continue
            if run_id in kept:
                self._seen.add(run_id)
            elif run_id in self._seen or run_id <= bound or time.monotonic() - self._began[run_id] > STORED_SECONDS:
                self._waiting[run_id].set_exception(
                    NotFoundError(
                        f"run {run_id} does not exist (any more): it was deleted because it is older than the "
                        f"retention, or the transaction that started it has not committed. Set the retention "
                        f"longer than anyone waits for a result"
                    )
                )

    async def _build_outcome(self, run_id: UUID, rows: list[Record]) -> RunOutcome:
        version = await self._store.read_version(rows[0]["version_id"])
        tasks: dict[int, TaskOutcome] = {}
        for index, result in (await self._read_results(run_id, rows)).items():
            spec = version.definition.tasks[index]
            error = read_task_error(result.error, spec.name, f"{run_id}:{index}")
            tasks[index] = TaskOutcome(spec.name, spec.kind, result.status, result.output, error, result.reason)
        return RunOutcome(run_id, version.definition.name, STATUS_BY_CODE[rows[0]["status"]], tuple(tasks.values()))

    async def _read_results(self, run_id: UUID, rows: list[Record]) -> dict[int, TaskResult]:
        """The outcomes of a run's tasks, in task order; those that were too much for one answer are read here."""
        results = {
            row["task"]: build_result(row["task_status"], row["value"], row["reason"])
            for row in rows
            if row["task"] is not None
        }
        async for page in self._values.read_outcomes([(run_id, row["task"]) for row in rows if is_withheld(row)]):
            results.update({task: result for (_, task), result in page.items()})
        return results
