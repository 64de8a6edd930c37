"""Lets everything run that can, and skips the time in which nothing would."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.errors import PlaitError, ResultTimeoutError
from plait.store.statements import load_sql as store_sql
from plait.testing.server import load_sql

if TYPE_CHECKING:
    from asyncpg import Connection

    from plait.store.connection import Link
    from plait.testing.clock import MovedTime
    from plait.testing.serving import BlockedTask

PAUSE_SECONDS = 0.003
BEGIN_SECONDS = 1.0
"""Real time that a jump waits at most for what is ready to begin."""
STUCK_SECONDS = 0.25
"""Real time after which ready tasks are left alone whose workers have no slot but for tasks that wait for runs."""


class StalledError(PlaitError, AssertionError):
    """What a test waits for does not happen by itself: nothing runs, and no time brings it about."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``timeout``: real seconds. ``until``: no jump goes beyond it. ``farthest``: a jump beyond it is an error."""

    timeout: float
    until: datetime | None
    farthest: datetime
    crons: bool


class TimeSkipper:
    """Works on the portal's loop, and knows the workers of this process by three functions: ``list_blocked`` tells of
    tasks that wait for runs, ``list_begun`` the keys of tasks whose code has begun, ``count_free`` the free slots."""

    def __init__(
        self,
        link: Link,
        clock: MovedTime,
        list_blocked: Callable[[], Awaitable[Sequence[BlockedTask]]],
        list_begun: Callable[[], set[str]],
        count_free: Callable[[], int],
    ) -> None:
        self._link = link
        self._clock = clock
        self._list_blocked = list_blocked
        self._list_begun = list_begun
        self._count_free = count_free

    async def run(self, limits: Limits, has_ended: Callable[[], Awaitable[bool]]) -> bool:
        """Go on until ``has_ended`` or nothing is left within the limits; returns whether it ended.

        Raises ``ResultTimeoutError`` when the real time is over, ``StalledError`` when the virtual time is.
        """
        deadline = time.monotonic() + limits.timeout
        stuck_since = time.monotonic()
        while True:
            activity = await self._look()
            if activity.is_busy:
                stuck_since = time.monotonic()
            if await has_ended():
                return True
            if not activity.is_busy and (not activity.picture.ready or time.monotonic() - stuck_since > STUCK_SECONDS):
                if not await self._skip_to_next(activity, limits):
                    return await has_ended()
                stuck_since = time.monotonic()
            if time.monotonic() > deadline:
                raise ResultTimeoutError(
                    f"not done after {limits.timeout:g} s of real time: {await self.describe()}. Time is skipped only "
                    "while no task runs. If a task hangs, clock.advance(...) takes it to its execution_timeout"
                )
            await asyncio.sleep(PAUSE_SECONDS)

    async def let_begin(self) -> None:
        """Let what is ready or due begin, so that a jump counts for it: its execution timeout runs from there."""
        started = time.monotonic()
        while (passed := time.monotonic() - started) < BEGIN_SECONDS:
            begun = self._list_begun()
            picture = await self._read_picture([])
            # A claim that is on its way has reserved every slot: only after a while it is sure that there is none.
            may_begin = picture.ready and (passed < STUCK_SECONDS or self._count_free() > 0)
            if not (picture.events or picture.running - begun or may_begin) and min(picture.due, picture.cron) > 0:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def describe(self) -> str:
        """What is open, for messages."""
        rows = await self._link.fetch(load_sql("list_open_tasks"))
        if not rows:
            return "no task is queued, runs or waits"
        return "; ".join(f"{row['workflow']}.{row['task']} is in {row['room']!r}" for row in rows)

    async def _look(self) -> _Activity:
        # Who is blocked is asked first: a task whose awaited run is open after that has been blocked all the time.
        blocked = await self._list_blocked()
        picture = await self._read_picture([run_id for task in blocked for wait in task.waits for run_id in wait])
        stuck = {task.key: task for task in blocked if all(wait & picture.open for wait in task.waits)}
        ready = picture.ready and (not picture.running or self._count_free() > 0)
        return _Activity(
            picture,
            is_busy=bool(picture.events or picture.running - stuck.keys() or ready),
            deadline=min((stuck[key].deadline for key in picture.running if key in stuck), default=math.inf),
        )

    async def _read_picture(self, awaited: Sequence[UUID]) -> _Picture:
        """What goes on and what is due, all at one moment: between two looks a task could move from what is not looked
        at any more to what has been looked at."""

        async def read(connection: Connection) -> _Picture:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                row: Any = await connection.fetchrow(load_sql("read_activity"), awaited)
                timer: Any = await connection.fetchrow(store_sql("read_next_due"))
                later: Any = await connection.fetchrow(store_sql("read_next_schedule"), [])
            return _Picture(
                frozenset(row["running"]),
                row["ready"],
                row["events"],
                frozenset(row["open"]),
                row["now"],
                due=min(_or_never(timer["seconds"]), _or_never(later["scheduled"])),
                cron=_or_never(later["cron"]),
            )

        return await self._link._call(read)

    async def _skip_to_next(self, activity: _Activity, limits: Limits) -> bool:
        """Jump to what comes next. False when nothing does within the limits; the time is then that of ``until``."""
        picture, now = activity.picture, activity.picture.now
        due = min(activity.deadline, picture.due, picture.cron if limits.crons else math.inf)
        if limits.until is not None:
            left = (limits.until - now) / timedelta(seconds=1)
            if due > max(0.0, left):
                if left > 0:
                    await self._clock.skip(left)
                return False
        if due == math.inf:
            return False
        if due > (limits.farthest - now) / timedelta(seconds=1):
            raise StalledError(f"max_virtual is too short to reach the next due time: {await self.describe()}")
        if due > 0:
            await self._clock.skip(due)
        return True


def _or_never(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


@dataclass(frozen=True, slots=True)
class _Picture:
    """The database at one moment. ``due``, ``cron``: seconds until the next timer or scheduled run, the next cron."""

    running: frozenset[str]
    ready: int
    events: int
    open: frozenset[UUID]
    now: datetime
    due: float
    cron: float


@dataclass(frozen=True, slots=True)
class _Activity:
    picture: _Picture
    is_busy: bool
    deadline: float
    """Seconds until the first execution timeout of a task that waits for runs."""
