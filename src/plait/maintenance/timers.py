"""Wakes what is due: retries whose backoff has passed, queued tasks whose schedule timeout has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from plait.faultpoints import reach
from plait.maintenance.periodic import PeriodicService

if TYPE_CHECKING:
    from plait.store.hints import Hub
    from plait.store.store import Store

BATCH = 1000
LONGEST_SLEEP = 5.0


class Timers(PeriodicService):
    """Moves due tasks to ready and hands expired ones to ``cancel_expired``, which returns how many it took.

    It sleeps until the next timer is due, not by a tick; a hint tells of a timer that is set meanwhile.
    """

    name = "timers"
    hint = "timer"

    def __init__(self, store: Store, hub: Hub, cancel_expired: Callable[[int], Awaitable[int]]) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._cancel_expired = cancel_expired

    async def run_once(self) -> float:
        moved, actions = await self._store.wake_tasks(BATCH)
        if moved:
            reach("tasks woken")
        if actions:
            self._hub.publish("ready", [str(action) for action in actions])
        expired = await self._cancel_expired(BATCH)
        if moved == BATCH or expired == BATCH:
            return 0.0
        seconds = await self._store.read_next_due()
        return LONGEST_SLEEP if seconds is None else min(LONGEST_SLEEP, max(0.001, seconds))
