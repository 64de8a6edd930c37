"""Starts what time starts: the runs of crons, and scheduled runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from plait.errors import DatabaseUnavailableError
from plait.faultpoints import reach
from plait.graph.cron import MAX_FIRES, check_cron, choose_fires
from plait.ids import new_run_id
from plait.maintenance.periodic import PeriodicService
from plait.store.schedules import CronStep

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.store import Store

logger = logging.getLogger("plait.maintenance")

T = TypeVar("T")

CRONS, SCHEDULED = 200, 1000
"""Most of each that one round looks at."""
LONGEST_SLEEP = 5.0
BLOCKED_PAUSE = 0.05
"""Before looking again at what somebody else has locked."""
SICK_SECONDS = 30.0
"""How long one that cannot be started is left alone before it is tried again."""


class Schedules(PeriodicService):
    """Fires crons by their policy and starts scheduled runs, each exactly once, however many processes do this.

    It sleeps until the next one is due, not by a tick; a hint tells of one that is made or changed meanwhile. One that
    cannot be started is reported and holds up no other.
    """

    name = "schedules"
    hint = "timer"

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._sick: dict[UUID, float] = {}

    async def run_once(self) -> float:
        self._recover()
        store = self._store.schedules
        cron, scheduled = await store.read_next(list(self._sick))
        done = 0
        if cron is not None and cron <= 0:
            rows = await store.list_due_crons(CRONS, list(self._sick))
            steps = [step for row in rows if (step := self._choose(row)) is not None]
            for batch in _split_steps(steps):
                done += await self._try(batch, lambda step: step.id, self._fire)
        if scheduled is not None and scheduled <= 0:
            due = [row["id"] for row in await store.list_due_scheduled(SCHEDULED, list(self._sick))]
            if due:
                done += await self._try(due, lambda scheduled_id: scheduled_id, self._start)
        if done:
            return 0.0
        waits = [seconds for seconds in (cron, scheduled) if seconds is not None]
        return min([LONGEST_SLEEP, *(BLOCKED_PAUSE if seconds <= 0 else seconds + 0.0005 for seconds in waits)])

    def _choose(self, row: Record) -> CronStep | None:
        """What is to be done about a due cron; None when it cannot be told."""
        try:
            timetable = check_cron(row["expression"], row["timezone"], f"workflow {row['workflow']!r}")
            bound = timedelta(microseconds=row["bound_us"])
            firing = choose_fires(timetable, row["catch_up"], bound, row["next_at"], row["now"])
        except Exception as error:  # an expression of a newer Plait, a time zone this machine does not know
            self._set_aside(row["id"], error, f"cron {row['name']!r} of workflow {row['workflow']!r}")
            return None
        runs = tuple((new_run_id(), fire, timetable.to_local(fire).isoformat()) for fire in firing.fires)
        return CronStep(row["id"], row["next_at"], firing.next_at, runs)

    async def _fire(self, steps: Sequence[CronStep]) -> int:
        moved, _ = await self._store.schedules.fire_crons(steps)
        reach("crons fired")
        return moved

    async def _start(self, ids: Sequence[UUID]) -> int:
        return await self._store.schedules.start_scheduled(ids, [new_run_id() for _ in ids])

    async def _try(
        self, items: Sequence[T], identify: Callable[[T], UUID], start: Callable[[Sequence[T]], Awaitable[int]]
    ) -> int:
        """Start all at once; if that fails, one by one, so that only those suffer that cannot be started."""
        try:
            return await start(items)
        except DatabaseUnavailableError:
            raise
        except Exception as error:
            if len(items) == 1:
                self._set_aside(identify(items[0]), error, f"cron or scheduled run {identify(items[0])}")
                return 0
        return sum([await self._try([item], identify, start) for item in items])

    def _set_aside(self, sick: UUID, error: Exception, what: str) -> None:
        logger.error("%s cannot be started: %s; again in %g s", what, error, SICK_SECONDS)
        self._sick[sick] = time.monotonic() + SICK_SECONDS

    def _recover(self) -> None:
        now = time.monotonic()
        self._sick = {sick: until for sick, until in self._sick.items() if until > now}


def _split_steps(steps: Iterable[CronStep]) -> Iterator[list[CronStep]]:
    """Batches of no more than about ``MAX_FIRES`` runs each."""
    batch: list[CronStep] = []
    runs = 0
    for step in steps:
        batch.append(step)
        runs += len(step.runs)
        if runs >= MAX_FIRES:
            yield batch
            batch, runs = [], 0
    if batch:
        yield batch
