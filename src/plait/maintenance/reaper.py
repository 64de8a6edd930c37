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
    """Declares silent workers dead and puts back what dead workers hold; sweeps up what ended runs left behind."""

    name = "reaper"
    hint = "orphans"

    def __init__(self, store: Store, hub: Hub, *, every: float) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._every = every
        self._sweep_at = 0.0

    async def run_once(self) -> float:
        dead, moved, actions = await self._store.reap_workers(BATCH)
        if moved:
            reach("tasks reaped")
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_SECONDS
            await self._store.sweep_ended(BATCH)
        if dead:
            logger.warning("%d workers died; %d of their tasks go to other workers", dead, moved)
        elif moved:
            logger.warning("%d tasks of workers that are gone go to other workers", moved)
        if actions:
            self._hub.publish("ready", [str(action) for action in actions])
        return 0.0 if moved == BATCH else self._every
