"""Cancels the child runs of what was cancelled, a page in a commit, until none is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plait.maintenance.periodic import PeriodicService

if TYPE_CHECKING:
    from uuid import UUID

    from plait.store.control import ControlStore
    from plait.store.hints import Hub
    from plait.store.store import Store

PAGE = 500
"""Child runs that are cancelled in one commit."""
LONGEST_SLEEP = 5.0


class Canceller(PeriodicService):
    """Works off the orders that cancelled runs and tasks leave behind. Who cancels runs does so, too, for as long as it
    waits (``plait.engine.control``): here is the guarantee that all is carried out, whoever dies."""

    name = "canceller"
    hint = "orders"

    def __init__(self, store: Store, hub: Hub) -> None:
        super().__init__()
        self._store = store.control
        self._hub = hub

    async def run_once(self) -> float:
        _, looked_at = await cancel_page(self._store, self._hub)
        if looked_at:
            return 0.0
        seconds, _ = await self._store.read_cancellations([])
        return LONGEST_SLEEP if seconds is None else min(LONGEST_SLEEP, max(0.02, seconds))


async def cancel_page(store: ControlStore, hub: Hub) -> tuple[list[UUID], int]:
    """Cancel one page of child runs and tell everybody. Returns the runs that this ended, and how many were looked
    at."""
    ended, looked_at = await store.carry_out_cancellations(PAGE)
    if ended:
        names = [run_id.hex for run_id in ended]
        hub.publish("cancel", names)
        hub.publish("done", names)
    return ended, looked_at
