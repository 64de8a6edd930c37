"""The health port of a worker: what it answers from, and its place in the life of a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from plait.worker.address import Address
from plait.worker.endpoint import Endpoint
from plait.worker.exposition import collect_metrics, render_metrics

if TYPE_CHECKING:
    from plait.worker.flusher import Flusher
    from plait.worker.heartbeat import Heartbeat
    from plait.worker.holdings import Holdings
    from plait.worker.identity import Identity
    from plait.worker.meter import Meter


class WorkerHealth:
    """Answers on the health port, on the engine's loop. ``meter`` has what the parts of the session count."""

    def __init__(
        self,
        address: Address,
        identity: Identity,
        holdings: Holdings,
        heartbeat: Heartbeat,
        flusher: Flusher,
        meter: Meter,
        *,
        count_hung: Callable[[], int],
    ) -> None:
        self.meter = meter
        self._identity = identity
        self._holdings = holdings
        self._heartbeat = heartbeat
        self._flusher = flusher
        self._count_hung = count_hung
        self.is_starting = True
        self._endpoint = Endpoint(address, readiness=self.find_obstacle, metrics=self._render)

    async def open(self) -> None:
        """Listen. Raises ``OperationError``."""
        await self._endpoint.open()

    async def close(self) -> None:
        """Listen no more."""
        await self._endpoint.close()

    def find_obstacle(self) -> str | None:
        """Why the worker takes no tasks; None when it does."""
        if self._identity.is_stopping:
            return "the worker is stopping"
        if self.is_starting:
            return "the worker is starting"
        if not self._identity.is_registered:
            return "the worker has lost its lease"
        if self._heartbeat.is_late:
            return "the database does not answer the heartbeat"
        if self._flusher.is_stuck:
            return f"the database does not take results: {self._flusher.count_unstored()} wait in memory"
        return None

    async def _render(self) -> bytes:
        gauges = {
            "plait_worker_ready": float(self.find_obstacle() is None),
            "plait_worker_slots": self._holdings.slots,
            "plait_worker_slots_in_use": self._holdings.occupied,
            "plait_worker_results_waiting": self._flusher.count_unstored(),
            "plait_worker_hung_threads": self._count_hung(),
            "plait_worker_heartbeat_age_seconds": self._heartbeat.age,
        }
        # The counters are read on the loop; the text, which takes longer the more tasks there are, holds nobody up.
        return await asyncio.to_thread(render_metrics, list(collect_metrics(self.meter, gauges)))
