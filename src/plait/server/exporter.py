"""Prometheus metrics, read from the database when they are asked for.

``plait_up``, ``plait_tasks_ready``, ``plait_tasks_running``, ``plait_tasks_waiting`` (by workflow and task),
``plait_oldest_ready_seconds`` (by workflow and task), ``plait_workers``, ``plait_slots``, ``plait_slots_in_use``,
``plait_recent_runs`` (by status: of those triggered in the last hour) and ``plait_counts_capped``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from plait.errors import PlaitError

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.features.metrics import TaskMetrics
    from plait.server.desk import Desk
    from plait.server.models.catalog import QueueList

KEPT_SECONDS = 2.0
"""An answer is given again for that long: many scrapers read the database no oftener than one."""
WINDOW = timedelta(hours=1)


class Exporter:
    """Renders the metrics."""

    def __init__(self, plait: Plait, desk: Desk) -> None:
        self._plait = plait
        self._desk = desk
        self._lock = asyncio.Lock()
        self._rendered: tuple[float, bytes] | None = None

    async def render(self) -> tuple[bytes, str]:
        """The text of the metrics and its media type. A database that is away gives ``plait_up 0`` and nothing else."""
        async with self._lock:
            if self._rendered is None or time.monotonic() - self._rendered[0] > KEPT_SECONDS:
                self._rendered = (time.monotonic(), _render(await self._collect()))
            return self._rendered[1], CONTENT_TYPE_LATEST

    async def _collect(self) -> list[Metric]:
        try:
            queues = await self._desk.catalog.list_queues(None)
            recent = await self._plait.metrics.aio_get_task_metrics(since=datetime.now(UTC) - WINDOW)
        except PlaitError:
            return [_gauge("plait_up", "Whether the database answers.", 0)]
        return [_gauge("plait_up", "Whether the database answers.", 1), *_build_metrics(queues, recent)]


class _Snapshot:
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _render(metrics: Iterable[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(metrics))
    return generate_latest(registry)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _build_metrics(queues: QueueList, recent: TaskMetrics) -> Iterator[Metric]:
    labels = ["workflow", "task"]
    ready = GaugeMetricFamily("plait_tasks_ready", "Tasks that are ready for a worker.", labels=labels)
    running = GaugeMetricFamily("plait_tasks_running", "Tasks that run.", labels=labels)
    waiting = GaugeMetricFamily(
        "plait_tasks_waiting", "Tasks that wait for a time, an event or a retry.", labels=labels
    )
    oldest = GaugeMetricFamily("plait_oldest_ready_seconds", "How long the oldest has been ready.", labels=labels)
    now = datetime.now(UTC)
    for queue in queues.queues:
        names = [queue.workflow, queue.task]
        ready.add_metric(names, queue.ready)
        running.add_metric(names, queue.running)
        waiting.add_metric(names, queue.waiting)
        if queue.oldest_ready_at is not None:
            oldest.add_metric(names, max(0.0, (now - queue.oldest_ready_at).total_seconds()))
    yield from (ready, running, waiting, oldest)
    yield _gauge("plait_workers", "Workers that live.", queues.workers)
    yield _gauge("plait_slots", "Slots of all live workers.", queues.slots)
    yield _gauge("plait_slots_in_use", "Slots that are in use.", queues.slots_in_use)
    runs = GaugeMetricFamily("plait_recent_runs", "Runs triggered in the last hour, by status.", labels=["status"])
    for status in fields(recent.runs):
        runs.add_metric([status.name], getattr(recent.runs, status.name))
    yield runs
    yield _gauge("plait_counts_capped", "1: some counts stopped at their cap.", float(queues.capped or recent.capped))
