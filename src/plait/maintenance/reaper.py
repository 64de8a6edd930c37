"""Gives the tasks of dead workers to living ones."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from plait.faultpoints import reach
from plait.maintenance.periodic import PeriodicService

if TYPE_CHECKING:
    from plait.store.hints import Hub
    from plait.store.store import Store

logger = logging.getLogger("plait.maintenance")

BATCH = 1000
SWEEP_SECONDS = 15.0


class Reaper(PeriodicService):
    """Declares silent workers dead and puts back what dead workers hold; sweeps up what ended runs left behind.

    How long a worker was silent is counted in rounds of this loop, and kept in the database for who leads next; never
    by the server's clock, which may be set. While the database is away for everybody, nobody's silence counts; nor does
    more than one round while this process stands still.
    """

    name = "reaper"
    hint = "orphans"

    def __init__(self, store: Store, hub: Hub, *, every: float) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._every = every
        self._sweep_at = 0.0
        self._watched: int | None = None
        """What the database said of all time watched, at ``_answered``."""
        self._answered = 0.0

    async def run_once(self) -> float:
        step = min(self._every, time.monotonic() - self._answered)
        reaped = await self._store.reap_workers(BATCH, step=step, watched=self._watched, longest_step=self._every)
        self._watched, self._answered = reaped.watched, time.monotonic()
        if reaped.tasks:
            reach("tasks reaped")
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_SECONDS
            await self._store.sweep_ended(BATCH)
        if reaped.workers:
            logger.warning("%d workers died; %d of their tasks go to other workers", reaped.workers, reaped.tasks)
            self._hub.publish("worker", [])
        elif reaped.tasks:
            logger.warning("%d tasks of workers that are gone go to other workers", reaped.tasks)
        if reaped.actions:
            self._hub.publish("ready", [str(action) for action in reaped.actions])
        return 0.0 if reaped.tasks == BATCH else self._every
