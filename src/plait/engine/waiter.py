"""Waiting for runs to end: one listener per process, one batched read per burst of endings, else polling."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from plait.errors import DatabaseUnavailableError, InvalidValueError, NotFoundError, ResultTimeoutError, TaskRunError
from plait.graph.definition import STATUS_BY_CODE, Status, TaskKind
from plait.ids import bound_run_id
from plait.values.failures import read_task_error

if TYPE_CHECKING:
    from plait.store.hints import Hub
    from plait.store.store import Store

POLL_SECONDS = 2.0
LOOK_SECONDS = 30.0
"""How often it is asked whether a run that does not end is there at all."""
STORED_SECONDS = 60.0
"""By then a run is stored, counted from its id: until then a transaction that starts it may not have committed."""
_PAGE = 500


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
        self._due: set[UUID] = set()
        self._started: set[UUID] = set()
        self._looked: dict[UUID, int] = {}
        self._seen: set[UUID] = set()
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._hub = hub
        self._subscribed = False
        self._page = _PAGE

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
        loop = asyncio.get_running_loop()
        unique = set(run_ids)
        for run_id in unique:
            self._interest[run_id] = self._interest.get(run_id, 0) + 1
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
                self._looked.pop(run_id, None)
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
            self._changed.clear()
            if not self._due:
                with suppress(asyncio.TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._changed.wait()
            if not self._due:
                self._due.update(self._waiting)
            page = [self._due.pop() for _ in range(min(self._page, len(self._due)))]
            try:
                await self._settle([run_id for run_id in page if run_id in self._waiting])
                self._page = min(_PAGE, self._page * 2)
            except DatabaseUnavailableError:
                # Away, or what these runs put out is more than an answer can carry in time: then fewer will do.
                self._page = max(1, self._page // 2)
                self._due.update(page)
                await asyncio.sleep(0.5)
            except Exception as error:  # nothing waiting would help with: those who wait shall know
                for run_id in page:
                    if run_id in self._waiting and not self._waiting[run_id].done():
                        self._waiting[run_id].set_exception(error)

    async def _settle(self, run_ids: list[UUID]) -> None:
        rows = await self._store.read_ended(run_ids)
        for run_id, group in groupby(rows, key=lambda row: row["id"]):
            future = self._waiting.get(run_id)
            if future is None or future.done():
                continue
            try:
                future.set_result(await self._build_outcome(run_id, list(group)))
            except InvalidValueError as error:  # what is stored of this run cannot be read; others are not to suffer
                future.set_exception(error)
        if still_open := [run_id for run_id in run_ids if self._is_open(run_id)]:
            bound = _bound_young()
            await self._look_for([run_id for run_id in still_open if self._is_to_be_looked_for(run_id, bound)])

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
            elif run_id in self._seen or run_id <= bound:
                self._waiting[run_id].set_exception(
                    NotFoundError(
                        f"run {run_id} does not exist (any more): it was deleted because it is older than the "
                        f"retention, or the transaction that started it has not committed. Set the retention "
                        f"longer than anyone waits for a result"
                    )
                )

    async def _build_outcome(self, run_id: UUID, rows: list[Any]) -> RunOutcome:
        version = await self._store.read_version(rows[0]["version_id"])
        tasks: dict[int, TaskOutcome] = {}
        for row in rows:
            index = row["task"]
            if index is None:
                continue
            spec = version.definition.tasks[index]
            error = read_task_error(row["error"], spec.name, f"{run_id}:{index}")
            tasks[index] = TaskOutcome(
                spec.name, spec.kind, STATUS_BY_CODE[row["task_status"]], row["output"], error, row["reason"]
            )
        return RunOutcome(run_id, version.definition.name, STATUS_BY_CODE[rows[0]["status"]], tuple(tasks.values()))
