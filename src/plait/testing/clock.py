"""Time that a test can skip: the database's clock and the one that attempts are timed by, moved together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from plait.errors import InvalidInputError
from plait.testing.server import load_sql
from plait.types import Duration, parse_duration
from plait.worker import clock as worker_clock

if TYPE_CHECKING:
    from plait.engine.portal import Portal
    from plait.store.connection import Link


class MovedTime:
    """The two clocks that are moved together. Everything runs on the portal's loop, but for ``restore``."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._ahead = 0.0

    async def read_now(self) -> datetime:
        """The time of the database."""
        row = await self._link.fetchrow(load_sql("read_clock"))
        assert row is not None
        moment: datetime = row["now"]
        return moment

    async def skip(self, seconds: float) -> None:
        """Jump ahead. The database goes first: an attempt that times out by the jump shall be recorded at its end."""
        await self._link.execute(load_sql("skip_time"), round(seconds * 1e6))
        worker_clock.shift(seconds)
        self._ahead += seconds

    def restore(self) -> None:
        """Give this process its own time back."""
        worker_clock.shift(-self._ahead)
        self._ahead = 0.0


class VirtualClock:
    """The time of the test's database. It runs like any clock, and jumps ahead when told to.

    Everything that Plait measures follows it: retries and backoff, sleeps, ``schedule_timeout``, crons, scheduled runs,
    recorded times, and ``execution_timeout`` of tasks that run in this process. What does not: ``datetime.now()`` and
    ``asyncio.sleep`` in the code of a task, and timeouts given to ``result()``. The leases of workers move along, so
    that no jump makes one look dead.
    """

    def __init__(self, portal: Portal, time: MovedTime, let_begin: Callable[[], Awaitable[None]]) -> None:
        self._portal = portal
        self._time = time
        self._let_begin = let_begin

    def now(self) -> datetime:
        """The time of the database, with a time zone (UTC)."""
        return self._portal.call(self._time.read_now())

    def advance(self, by: Duration) -> None:
        """Jump ahead by ``by`` and wake what is due, without waiting for what that sets going.

        What was ready before has begun when the jump comes. It is one jump: what falls due on the way happens at its
        end, as after a machine has slept. ``run_until_idle(until=...)`` stops at every point in time at which something
        is due. Raises ``DefinitionError`` unless the duration is positive.
        """
        self._portal.call(self._jump(parse_duration(by, where="clock.advance(by)")))

    def advance_to(self, moment: datetime) -> None:
        """Jump to a moment. Raises ``InvalidInputError`` when it has passed or has no time zone."""
        self._portal.call(self._skip_to(moment))

    async def _jump(self, seconds: float) -> None:
        await self._let_begin()
        await self._time.skip(seconds)

    async def _skip_to(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise InvalidInputError(f"clock: {moment!r} has no time zone: give datetime(..., tzinfo=...)")
        now = await self._time.read_now()
        seconds = (moment - now) / timedelta(seconds=1)
        if seconds < 0:
            raise InvalidInputError(f"clock: {moment} is in the past (it is {now}); the clock only moves forward")
        await self._jump(seconds)
