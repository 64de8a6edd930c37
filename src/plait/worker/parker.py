"""Takes tasks that must wait for their conditions out of the worker: running -> waiting, many in one commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from plait.errors import DatabaseUnavailableError
from plait.faultpoints import reach
from plait.graph.attempt import Report
from plait.graph.definition import Status
from plait.store.connection import CALL_TIMEOUT
from plait.store.outage import Outage
from plait.values.failures import describe_failure
from plait.worker.assignment import Assignment
from plait.worker.conditions import build_park_row
from plait.worker.holdings import Holdings
from plait.worker.identity import Identity

if TYPE_CHECKING:
    from plait.store.changes import ChangeTeller
    from plait.store.events import Parked
    from plait.store.hints import Hub
    from plait.store.store import Store

logger = logging.getLogger("plait.worker")

PARK_CAP = 500


class Parker:
    """Writes batches like the flusher: at once when idle, what gathers meanwhile with the next. A task keeps its slot
    until it is parked. ``conclude`` gets a task that cannot be parked, as failed."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        identity: Identity,
        holdings: Holdings,
        *,
        conclude: Callable[[Assignment, Report], None],
        changes: ChangeTeller,
    ) -> None:
        self._store = store
        self._identity = identity
        self._hub = hub
        self._holdings = holdings
        self._conclude = conclude
        self._queue: list[tuple[Assignment, Sequence[int]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._changes = changes
        self._outage = Outage(logger, "store that tasks wait for their conditions")

    def park(self, assignment: Assignment, numbers: Sequence[int]) -> None:
        """Park a task until one of its conditions ``numbers`` may hold. Nothing else concludes it from now on."""
        assignment.concluded = True
        self._queue.append((assignment, numbers))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain(), name="plait-parker")

    async def close(self) -> None:
        """Wait for the write in flight."""
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=CALL_TIMEOUT)

    def discard(self) -> None:
        """Forget what was not written: the lease is lost, somebody else judges it again."""
        self._queue.clear()

    async def _drain(self) -> None:
        while self._queue:
            batch, self._queue = self._queue[:PARK_CAP], self._queue[PARK_CAP:]
            batch.sort(key=lambda entry: entry[0].key)
            await self._write_isolating(batch)

    async def _write_isolating(self, batch: list[tuple[Assignment, Sequence[int]]]) -> None:
        batch = [entry for entry in batch if self._holdings.find(entry[0]) is not None]
        if not batch:
            return
        try:
            parked = await self._send(batch)
        except Exception as error:  # whatever it is, a task must not stay held for ever
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._write_isolating(batch[:middle])
                await self._write_isolating(batch[middle:])
                return
            assignment = batch[0][0]
            logger.error("could not store that task %s waits for its conditions: %r", assignment.name, error)
            assignment.concluded = False
            self._conclude(assignment, Report(Status.FAILED, error=describe_failure("WaitRefused", str(error))))
            return
        if parked is not None:
            self._settle(batch, parked)

    async def _send(self, batch: list[tuple[Assignment, Sequence[int]]]) -> Parked | None:
        """The database's answer; None when the lease was lost meanwhile."""
        worker_id = self._identity.worker_id
        rows = [build_park_row(assignment, numbers) for assignment, numbers in batch]
        while worker_id is not None and worker_id == self._identity.worker_id:
            try:
                reach("before park")
                parked = await self._store.events.park(worker_id, rows)
                reach("park committed")
            except DatabaseUnavailableError as error:
                # Committed or not: the fence makes sending again harmless.
                await self._outage.pause(error, f"{len(batch)} tasks")
            else:
                self._outage.end(f"{len(batch)} tasks wait")
                return parked if worker_id == self._identity.worker_id else None
        return None

    def _settle(self, batch: list[tuple[Assignment, Sequence[int]]], parked: Parked) -> None:
        self._changes.tell(assignment.run.id for assignment, _ in batch)
        for assignment, _ in batch:
            if self._holdings.find(assignment) is not None:
                self._holdings.drop(assignment)
        if parked.next_due is not None:
            self._hub.publish("timer", [])
        if parked.actions:
            self._hub.publish("ready", [str(action) for action in parked.actions])
