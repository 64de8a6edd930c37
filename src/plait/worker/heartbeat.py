"""Keeps the worker's lease, and lets go of everything before it could have ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import time as read_clock
from typing import TYPE_CHECKING

from plait.errors import DatabaseUnavailableError
from plait.store.outage import Outage
from plait.worker.identity import Identity

if TYPE_CHECKING:
    from uuid import UUID

    from plait.store.store import Store

logger = logging.getLogger("plait.worker")


FLEET_SECONDS = 20.0
"""How often a worker counts the others, though no hint says that any has come or gone."""
COUNTING_SECONDS = 0.02
"""For each of them, before it counts again: where a thousand begin, hints come all the time."""


class Heartbeat:
    """Renews the lease; calls ``lose`` when it was lost, by the database's word or by the clock, with the reason for
    people and the ending for the database (see ``plait.worker.ending``). Now and then it looks who else lives, and
    tells ``note_fleet`` how many workers that makes."""

    def __init__(
        self,
        store: Store,
        identity: Identity,
        *,
        read_pace: Callable[[], list[int]],
        list_switched_off: Callable[[], list[str]],
        lose: Callable[[str, str], Awaitable[None]],
        note_fleet: Callable[[int], None],
    ) -> None:
        self._store = store
        self._identity = identity
        self._timings = identity.timings
        self._read_pace = read_pace
        self._list_switched_off = list_switched_off
        self._lose = lose
        self._last_ok = time.monotonic()
        self._outage = Outage(logger, "renew the lease")
        self._stood = 0.0
        """Seconds by which this loop came late since then: the process stood still."""
        self._hurried = asyncio.Event()
        self._note_fleet = note_fleet
        self._count_at = self._count_not_before = 0.0
        """When to count the other workers."""

    def begin(self) -> None:
        """The lease of a freshly registered worker begins now."""
        self._last_ok = time.monotonic()
        self._stood = 0.0
        self._count_at = self._count_not_before = 0.0

    def note_others(self, _subjects: list[str]) -> None:
        """Workers have come or gone: a subscriber of hints."""
        self._count_at = 0.0

    def hurry(self) -> None:
        """Beat at once: somebody heard that the worker was declared dead."""
        self._hurried.set()

    @property
    def age(self) -> float:
        """Seconds since the last heartbeat that was answered was sent."""
        return time.monotonic() - self._last_ok

    @property
    def is_late(self) -> bool:
        """Whether at least two heartbeats in a row were not answered."""
        return self.age > 2 * self._timings.heartbeat + 1.0

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            sent = time.monotonic()
            try:
                await self._beat(sent)
                self._outage.end()
            except TimeoutError:
                self._outage.note(TimeoutError(f"the database did not answer within {time.monotonic() - sent:.1f} s"))
            except DatabaseUnavailableError as error:
                self._outage.note(error)
            if time.monotonic() - self._last_ok > self._timings.lease - self._timings.margin:
                await self._end("the database did not answer before the lease was about to end")
            pause = self._timings.heartbeat if self._last_ok == sent else min(1.0, self._timings.heartbeat)
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        due = time.monotonic() + seconds
        self._hurried.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurried.wait()
        self._stood += max(0.0, time.monotonic() - due)

    async def _end(self, why: str) -> None:
        """The lease is lost, by standing still or by what ``why`` says."""
        if self._stood > (self._timings.lease - self._timings.margin) / 2:
            why = (
                f"this process stood still for {self._stood:.0f} s: a task held the interpreter (a call into native "
                "code, a huge regular expression), or the process was stopped, or the machine"
            )
            await self._lose(why, "stalled")
        else:
            await self._lose(why, "unreachable")

    async def _beat(self, sent: float) -> None:
        worker_id = self._identity.worker_id
        assert worker_id is not None
        left = self._timings.lease - self._timings.margin - (sent - self._last_ok)
        limit = max(0.05, left / 2)  # a connection that has died silently must leave time for another
        try:
            async with asyncio.timeout(limit):
                lives = await self._store.beat_worker(
                    worker_id, read_clock(), self._read_pace(), self._list_switched_off()
                )
        finally:
            late = max(0.0, time.monotonic() - sent - limit)
            self._stood += late
        if worker_id != self._identity.worker_id:
            return
        if not lives:
            await self._end("it was declared dead because the database had not heard from it")
            return
        self._last_ok = sent
        self._stood = late
        await self._count_others(worker_id, limit)

    async def _count_others(self, worker_id: UUID, limit: float) -> None:
        now = time.monotonic()
        if now < max(self._count_at, self._count_not_before):
            return
        self._count_at = now + FLEET_SECONDS
        try:
            async with asyncio.timeout(limit):
                fleet = await self._store.read_fleet(worker_id)
        except (DatabaseUnavailableError, TimeoutError):
            self._count_at = 0.0  # the next heartbeat tries again
            return
        identity = self._identity
        if worker_id == identity.worker_id:
            identity.others, identity.peers, identity.is_alone = fleet
            self._count_not_before = now + COUNTING_SECONDS * fleet.others
            self._note_fleet(fleet.others + 1)
