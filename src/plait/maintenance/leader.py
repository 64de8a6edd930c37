"""Lets exactly one process run the maintenance loops, and another take over when it falls silent."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import DatabaseUnavailableError
from plait.maintenance.periodic import PeriodicService

if TYPE_CHECKING:
    from plait.store.hints import Hub
    from plait.store.store import Store

LEASE = "maintenance"
LEASE_SECONDS = 3.0
RENEW_SECONDS = 1.0
"""Those who do not lead look as often: together with the lease, how long nothing is due where a leader is killed."""
MANY, LONGEST_SECONDS = 20, 10.0
"""Where there are more of them they look less often, so that all together look about ``MANY`` times a second."""


class Leader(PeriodicService):
    """Holds the lease while it can and runs ``services`` while it holds it.

    Two leaders for a moment would do no harm: every loop takes its rows with SKIP LOCKED. The lease saves work. Whoever
    hears that a leader has gone, by a hint, tries to become the next at once.
    """

    name = "leader"
    hint = "leader"

    def __init__(
        self,
        store: Store,
        hub: Hub,
        get_holder: Callable[[], UUID],
        count_others: Callable[[], int],
        services: Sequence[PeriodicService],
    ) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._get_holder = get_holder
        """The worker that holds the lease: whoever replaces a dead one takes over its lease at once."""
        self._count_others = count_others
        """Other workers that live: each of them looks whether it may lead, too."""
        self._services = services
        self._leads = False

    async def run_once(self) -> float:
        try:
            leads = await self._store.take_lease(LEASE, self._get_holder(), LEASE_SECONDS)
        except DatabaseUnavailableError:
            await self._stop_services()
            raise
        if leads:
            self._start_services()
            return RENEW_SECONDS
        await self._stop_services()
        return self._choose_pause()

    def _start_services(self) -> None:
        """Hints for them reach this process only while it leads: all others are to sleep."""
        for service in self._services:
            if service.hint is not None and not self._leads:
                self._hub.subscribe(service.hint, service.poke)
            service.start()
        self._leads = True

    def _choose_pause(self) -> float:
        crowd = self._count_others() / MANY
        return RENEW_SECONDS if crowd <= 1 else min(LONGEST_SECONDS, crowd * RENEW_SECONDS) * random.uniform(0.5, 1.0)

    async def stop(self) -> None:
        """Stop the loops and give the lease to the next."""
        await super().stop()
        await self._stop_services()
        await self._store.drop_lease(LEASE, self._get_holder())

    async def _stop_services(self) -> None:
        leads, self._leads = self._leads, False
        for service in self._services:
            if service.hint is not None and leads:
                self._hub.unsubscribe(service.hint, service.poke)
            await service.stop()
