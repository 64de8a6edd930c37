"""Takes ready tasks into free slots: at once when a hint says so, by polling when none comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import DatabaseUnavailableError
from plait.store.connection import iter_backoff
from plait.worker.holdings import Holdings

if TYPE_CHECKING:
    from plait.store.hub import Hub
    from plait.store.store import Store
    from plait.worker.flusher import Flusher
    from plait.worker.intake import Intake

logger = logging.getLogger("plait.worker")

CLAIM_CAP = 500
POLL_SECONDS = 1.0
PEEK_SECONDS = 0.05


class Claimer:
    """The one claimer of a worker. It asks for as many tasks as there are free slots, never for more."""

    def __init__(
        self, store: Store, hub: Hub, holdings: Holdings, intake: Intake, flusher: Flusher, actions: list[int]
    ) -> None:
        self._store = store
        self._holdings = holdings
        self._intake = intake
        self._flusher = flusher
        self._actions = actions
        self._subjects = {str(action) for action in actions}
        self._hinted = asyncio.Event()
        self._adopt = False
        self._backoff: Iterator[float] = iter_backoff()
        self.worker_id: UUID | None = None
        self.stopping = False
        self._hub = hub
        hub.subscribe("ready", self._receive)

    def expect_lost_reply(self) -> None:
        """A reply was lost: before the next claim, ask the database what this worker holds."""
        self._adopt = True
        self._holdings.changed.set()

    def stop(self) -> None:
        """Claim nothing more, starting now."""
        self.stopping = True
        self._hub.unsubscribe("ready", self._receive)

    async def run(self) -> None:
        """Claim until cancelled."""
        while not self.stopping:
            if self.worker_id is None:  # between a lost lease and the next registration
                await asyncio.sleep(PEEK_SECONDS)
                continue
            try:
                if self._adopt:
                    await self._adopt_held()
                await self._claim_or_wait()
                self._backoff = iter_backoff()
            except DatabaseUnavailableError as error:
                self._adopt = True
                logger.warning("cannot claim: %s", error)
                await asyncio.sleep(next(self._backoff))

    async def _claim_or_wait(self) -> None:
        self._holdings.changed.clear()
        free = min(self._holdings.free, CLAIM_CAP)
        if free <= 0:
            await self._wait_for_slots()
            return
        self._hinted.clear()
        if await self.claim_once(free) < free:
            await self._wait_for_hint()

    async def claim_once(self, limit: int) -> int:
        """Claim up to ``limit`` tasks and send them on. Returns how many came."""
        worker_id = self.worker_id
        assert worker_id is not None
        self._holdings.reserve(limit)
        rows = []
        try:
            rows = await self._store.claim_tasks(worker_id, self._actions, limit)
            if worker_id != self.worker_id:
                return 0  # the lease was lost meanwhile; the reaper puts them back
            await self._intake.admit_rows(rows)
        except BaseException:
            if worker_id == self.worker_id:
                self._holdings.release(limit)
            raise
        self._holdings.release(limit - len(rows))
        return len(rows)

    async def _wait_for_slots(self) -> None:
        """All slots are taken. While they stay so, look now and then for something more urgent than what this
        worker continues by itself: continued tasks must not keep urgent ones waiting."""
        with suppress(asyncio.TimeoutError):
            async with asyncio.timeout(PEEK_SECONDS):
                await self._holdings.changed.wait()
            return
        self._flusher.continue_from = await self._store.peek_priority(self._actions)

    async def _wait_for_hint(self) -> None:
        self._flusher.continue_from = 1
        with suppress(asyncio.TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._hinted.wait()

    def _receive(self, subjects: list[str]) -> None:
        if not subjects or not self._subjects.isdisjoint(subjects):
            self._hinted.set()

    async def _adopt_held(self) -> None:
        """Take up what the database says this worker holds and this worker does not know of: a claim or a finish was
        committed and its reply was lost."""
        async with self._flusher.lock:
            worker_id = self.worker_id
            if worker_id is None:
                return
            rows = await self._store.read_held(worker_id)
            if worker_id != self.worker_id:
                return
            known = self._holdings.assignments
            unknown = [row for row in rows if (row["run_id"], row["task"]) not in known]
            self._adopt = False
            if unknown:
                logger.info("took up %d tasks whose claim was answered by silence", len(unknown))
                self._holdings.reserve(len(unknown))
                await self._intake.admit_rows(unknown)
