"""Lets everything run that can, and skips the time in which nothing would."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from plait.errors import PlaitError, ResultTimeoutError
from plait.testing.server import load_sql

if TYPE_CHECKING:
    from plait.store.connection import Link
    from plait.store.store import Store
    from plait.testing.clock import VirtualClock
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
        store: Store,
        link: Link,
        clock: VirtualClock,
        list_blocked: Callable[[], Awaitable[Sequence[BlockedTask]]],
        list_begun: Callable[[], set[str]],
        count_free: Callable[[], int],
    ) -> None:
        self._store = store
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
            if not activity.is_busy and (not activity.ready or time.monotonic() - stuck_since > STUCK_SECONDS):
                if not await self._skip_to_next(activity, limits):
                    return await has_ended()
                stuck_since = time.monotonic()
            if time.monotonic() > deadline:
                raise ResultTimeoutError(
                    f"not done after {limits.timeout:g} s of real time: {await self.describe()}. Time is skipped only "
                    "while no task runs; clock.advance(...) lets a task that hangs reach its execution_timeout"
                )
            await asyncio.sleep(PAUSE_SECONDS)

    async def let_begin(self) -> None:
        """Let what is ready or due begin, so that a jump counts for it: its execution timeout runs from there."""
        deadline = time.monotonic() + BEGIN_SECONDS
        while time.monotonic() < deadline:
            begun = self._list_begun()
            row: Any = await self._link.fetchrow(load_sql("read_activity"), [])
            waits = row["events"] or set(row["running"]) - begun or (row["ready"] and self._count_free() > 0)
            if not waits and await self._read_next_due(crons=True) > 0:
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
        awaited = [run_id for task in blocked for wait in task.waits for run_id in wait]
        row: Any = await self._link.fetchrow(load_sql("read_activity"), awaited)
        still_open = set(row["open"])
        stuck = {task.key: task for task in blocked if all(wait & still_open for wait in task.waits)}
        running = set(row["running"])
        return _Activity(
            is_busy=bool(
                row["events"] or running - stuck.keys() or (row["ready"] and (not running or self._count_free() > 0))
            ),
            ready=row["ready"],
            deadline=min((stuck[key].deadline for key in running if key in stuck), default=math.inf),
        )

    async def _skip_to_next(self, activity: _Activity, limits: Limits) -> bool:
        """Jump to what comes next. False when nothing does within the limits; the time is then that of ``until``."""
        due = min(activity.deadline, await self._read_next_due(crons=limits.crons))
        now = await self._clock.read_now()
        if limits.until is not None:
            left = (limits.until - now) / timedelta(seconds=1)
            if due > max(0.0, left):
                if left > 0:
                    await self._clock.skip(left)
                return False
        if due == math.inf:
            return False
        if due > (limits.farthest - now) / timedelta(seconds=1):
            raise StalledError(f"more time than max_virtual would have to pass: {await self.describe()}")
        if due > 0:
            await self._clock.skip(due)
        return True

    async def _read_next_due(self, *, crons: bool) -> float:
        timer = await self._store.read_next_due()
        cron, scheduled = await self._store.schedules.read_next()
        return min(
            (seconds for seconds in (timer, scheduled, cron if crons else None) if seconds is not None),
            default=math.inf,
        )


@dataclass(frozen=True, slots=True)
class _Activity:
    is_busy: bool
    ready: int
    deadline: float
