"""The health port of a worker: what it answers from, and its place in the life of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plait.worker.address import Address
from plait.worker.endpoint import Endpoint
from plait.worker.meter import Meter, render_families

if TYPE_CHECKING:
    from plait.worker.claimer import Claimer
    from plait.worker.flusher import Flusher
    from plait.worker.heartbeat import Heartbeat
    from plait.worker.holdings import Holdings


class WorkerHealth:
    """Has the parts of a session count, and answers on the health port. On the engine's loop."""

    def __init__(
        self, address: Address, holdings: Holdings, claimer: Claimer, flusher: Flusher, heartbeat: Heartbeat
    ) -> None:
        self.meter = claimer.meter = flusher.meter = Meter()
        self._holdings = holdings
        self._claimer = claimer
        self._heartbeat = heartbeat
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
        if self._claimer.stopping:
            return "the worker is stopping"
        if self.is_starting:
            return "the worker is starting"
        if self._claimer.worker_id is None:
            return "the worker has lost its lease"
        if self._heartbeat.is_late:
            return "the database does not answer the heartbeat"
        return None

    async def _render(self) -> str:
        gauges = {
            "plait_worker_ready": float(self.find_obstacle() is None),
            "plait_worker_slots": self._holdings.slots,
            "plait_worker_slots_in_use": self._holdings.occupied,
            "plait_worker_heartbeat_age_seconds": self._heartbeat.silence,
        }
        return render_families(self.meter.list_families(gauges))
