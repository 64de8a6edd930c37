"""Keeps the way to the first of the queue short while somebody holds an old snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plait.maintenance.periodic import PeriodicService

if TYPE_CHECKING:
    from plait.store.store import Store

ERA_TASKS = 20_000
"""Tasks that leave the queue, and stay in the way, before another era begins: a claim walks over them in 2 ms or so."""
MOST_ERAS = 8
"""Each claim looks into all of them. One stays for as long as a task of it is ready."""
CALM_SECONDS, TURN_SECONDS = 5.0, 0.5


class Eras(PeriodicService):
    """Begins eras of the queue and drops those that are over: see ``sql/turn_eras.sql``. Without a held snapshot there
    is one for ever."""

    name = "turning of eras"

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._base: int | None = None
        """Tasks that had left the queue when the last era began."""

    async def run_once(self) -> float:
        turned = await self._store.turn_eras(self._base, ERA_TASKS, MOST_ERAS)
        if self._base is None or turned.begun or turned.deleted < self._base:  # the last: its statistics were reset
            self._base = turned.deleted
        return TURN_SECONDS if turned.steps else CALM_SECONDS
