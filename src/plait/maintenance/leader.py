"""Lets exactly one process run the maintenance loops, and another take over when it falls silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import DatabaseUnavailableError
from plait.maintenance.periodic import PeriodicService

if TYPE_CHECKING:
    from plait.store.store import Store

LEASE = "maintenance"
LEASE_SECONDS = 3.0
RENEW_SECONDS = 1.0
"""Those who do not lead look as often: together with the lease, how long nothing is due where a leader is killed."""


class Leader(PeriodicService):
    """Holds the lease while it can and runs ``services`` while it holds it.

    Two leaders for a moment would do no harm: every loop takes its rows with SKIP LOCKED. The lease saves work. Whoever
    hears that a leader has gone, by a hint, tries to become the next at once.
    """

    name = "leader"
    hint = "leader"

    def __init__(self, store: Store, get_holder: Callable[[], UUID], services: Sequence[PeriodicService]) -> None:
        super().__init__()
        self._store = store
        self._get_holder = get_holder
        """The worker that holds the lease: whoever replaces a dead one takes over its lease at once."""
        self._services = services

    async def run_once(self) -> float:
        try:
            leads = await self._store.take_lease(LEASE, self._get_holder(), LEASE_SECONDS)
        except DatabaseUnavailableError:
            await self._stop_services()
            raise
        if leads:
            for service in self._services:
                service.start()
        else:
            await self._stop_services()
        return RENEW_SECONDS

    async def stop(self) -> None:
        """Stop the loops and give the lease to the next."""
        await super().stop()
        await self._stop_services()
        await self._store.drop_lease(LEASE, self._get_holder())

    async def _stop_services(self) -> None:
        for service in self._services:
            await service.stop()
