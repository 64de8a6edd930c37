"""The health port of a worker: what it answers from, and its place in the life of a session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from plait.health.address import Address
from plait.health.endpoint import Endpoint
from plait.health.exposition import render_metrics
from plait.health.meter import Meter, make_gauge

if TYPE_CHECKING:
    from prometheus_client import Metric

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

    async def _render(self) -> bytes:
        # What was counted is read on the loop; its text, which takes longer the more tasks there are, holds nobody up.
        return await asyncio.to_thread(render_metrics, list(self._collect()))

    def _collect(self) -> Iterator[Metric]:
        yield make_gauge("plait_worker_ready", self.find_obstacle() is None)
        yield make_gauge("plait_worker_slots", self._holdings.slots)
        yield make_gauge("plait_worker_slots_in_use", self._holdings.occupied)
        yield make_gauge("plait_worker_heartbeat_age_seconds", self._heartbeat.silence)
        yield from self.meter.collect()
