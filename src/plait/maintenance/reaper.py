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

    For a moment after it has come to work it is patient: the database may just be back after it was away for everybody,
    and who comes back first shall not take from the others what they hold.
    """

    name = "reaper"
    hint = "orphans"

    def __init__(self, store: Store, hub: Hub, *, every: float) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._every = every
        self._sweep_at = 0.0
        self._patient_until = 0.0

    def start(self) -> None:
        if not self.is_running:
            self._patient_until = time.monotonic() + self._every
        super().start()

    async def run_once(self) -> float:
        patience = self._every if time.monotonic() < self._patient_until else 0.0
        dead, moved, actions = await self._store.reap_workers(BATCH, patience)
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
