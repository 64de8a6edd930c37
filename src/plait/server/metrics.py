"""Prometheus metrics of the database as a whole, read from it when they are asked for.

Those of one worker process, counters and histograms, are answered by its own health port (``worker/health.py``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import GaugeMetricFamily, Metric

from plait.errors import PlaitError
from plait.features.workers import WorkerStatus
from plait.server.clients import Clients
from plait.worker.exposition import render_metrics

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.client import Plait
    from plait.features.activity import Activity
    from plait.features.metrics import TaskMetrics
    from plait.features.troubles import Troubles

SERVER_METRICS = {
    "plait_up": "1 if the database answers, else 0 and no other metric.",
    "plait_tasks_ready": "Tasks that are ready for a worker.",
    "plait_tasks_running": "Tasks that run.",
    "plait_tasks_waiting": "Tasks that wait for a time, an event or a retry.",
    "plait_oldest_ready_seconds": "How long the oldest ready task has been ready.",
    "plait_oldest_running_seconds": "How long the oldest running task has been running.",
    "plait_workers": "Workers that are running.",
    "plait_slots": "Slots of all running workers.",
    "plait_slots_in_use": "Slots that are in use.",
    "plait_recent_attempts": "Attempts that ended in the last 10, 60 and 300 seconds.",
    "plait_recent_failed_attempts": "Attempts that failed in the last 10, 60 and 300 seconds, retried or not.",
    "plait_recent_runs": "Runs triggered in the last hour, by status.",
    "plait_recent_tasks": "Tasks of runs triggered in the last hour, by status.",
    "plait_tasks_unserved": "Ready tasks that no running worker has the code for, or that none can read.",
    "plait_suspects": "Tasks that were lost with their workers and are to run again, or do.",
    "plait_idle_workers": "Running workers that take nothing though tasks have waited 30 s for their free slots.",
    "plait_expressions_switched_off": "Expressions that workers evaluate no more for a while: they took too much CPU.",
    "plait_clock_skew_seconds": "How far the worst clock of a running worker is from the database's.",
    "plait_connections": "Open connections, of all programs.",
    "plait_connections_limit": "How many connections may be open.",
    "plait_transaction_seconds": "How long a transaction has kept dead rows from removal, if longer than a minute.",
    "plait_counts_capped": "1 if some counts stopped at their limit.",
}
"""All metrics of the server with their help. All are gauges: what they count is the state of the database."""

KEPT_SECONDS = 2.0
"""An answer is given again for that long: many scrapers read the database no oftener than one."""
WINDOW = timedelta(hours=1)
LONG_SECONDS = 60.0
"""A transaction that is open for longer may have been forgotten."""


class Exporter:
    """Renders the metrics."""

    def __init__(self, plait: Plait) -> None:
        self._plait = plait
        self._clients = Clients(plait)
        self._lock = asyncio.Lock()
        self._rendered: tuple[float, bytes] | None = None

    async def render(self) -> tuple[bytes, str]:
        """The text of the metrics and its media type. A database that is away gives ``plait_up 0`` and nothing else."""
        async with self._lock:
            if self._rendered is None or time.monotonic() - self._rendered[0] > KEPT_SECONDS:
                self._rendered = (time.monotonic(), render_metrics(await self._collect()))
            return self._rendered[1], CONTENT_TYPE_LATEST

    async def _collect(self) -> list[Metric]:
        try:
            activity = await self._plait.metrics.aio_get_activity(slowest=1)
            recent = await self._plait.metrics.aio_get_task_metrics(since=datetime.now(UTC) - WINDOW)
            troubles, connections = await self._clients.read_troubles(), await self._clients.measure_connections()
            holders = await self._clients.list_holders(LONG_SECONDS)
        except PlaitError:
            return [_gauge("plait_up", 0)]
        capped = _gauge("plait_counts_capped", float(activity.queues.capped or recent.capped))
        found = (
            *_build_queues(activity),
            *_build_workers(activity),
            *_build_recent(recent),
            *_build_troubles(troubles),
            *_build_connections(connections),
            _build_holders(holders),
        )
        return [_gauge("plait_up", 1), *found, capped]


def _family(name: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, SERVER_METRICS[name], labels=labels)


def _gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, SERVER_METRICS[name], value=value)


def _build_queues(activity: Activity) -> Iterator[Metric]:
    names = ("tasks_ready", "tasks_running", "tasks_waiting", "oldest_ready_seconds", "oldest_running_seconds")
    families = [_family(f"plait_{name}", "workflow", "task") for name in names]
    ready, running, waiting, oldest_ready, oldest_running = families
    for queue in activity.queues.queues:
        labels = [queue.workflow, queue.task]
        ready.add_metric(labels, queue.ready)
        running.add_metric(labels, queue.running)
        waiting.add_metric(labels, queue.waiting)
        for family, moment in ((oldest_ready, queue.oldest_ready_at), (oldest_running, queue.oldest_running_at)):
            if moment is not None:
                family.add_metric(labels, max(0.0, (activity.at - moment).total_seconds()))
    yield from families


def _build_workers(activity: Activity) -> Iterator[Metric]:
    live = [worker for worker in activity.workers if worker.status is WorkerStatus.ACTIVE]
    yield _gauge("plait_workers", len(live))
    yield _gauge("plait_slots", sum(worker.slots for worker in live))
    yield _gauge("plait_slots_in_use", sum(worker.slots_in_use for worker in live))
    ended, failed = _family("plait_recent_attempts", "window"), _family("plait_recent_failed_attempts", "window")
    for pace in activity.paces:
        ended.add_metric([f"{pace.seconds}s"], pace.ended)
        failed.add_metric([f"{pace.seconds}s"], pace.failed)
    yield from (ended, failed)


def _build_recent(recent: TaskMetrics) -> Iterator[Metric]:
    for name, counts in (("plait_recent_runs", recent.runs), ("plait_recent_tasks", recent.tasks)):
        family = _family(name, "status")
        for status in fields(counts):
            family.add_metric([status.name], getattr(counts, status.name))
        yield family


def _build_troubles(troubles: Troubles) -> Iterator[Metric]:
    for name, rows in (("plait_tasks_unserved", troubles.unserved), ("plait_suspects", troubles.suspects)):
        family = _family(name, "workflow", "task")
        for row in rows:
            family.add_metric([row["workflow"], row["task"]], row["tasks"])
        yield family
    yield _gauge("plait_idle_workers", len(troubles.idle_workers))
    yield _gauge("plait_expressions_switched_off", len(troubles.switched_off))
    yield _gauge("plait_clock_skew_seconds", max((abs(row["ahead"]) for row in troubles.clocks), default=0.0))


def _build_holders(rows: Sequence[Record]) -> Metric:
    family = _family("plait_transaction_seconds", "holder")
    for row in rows:
        kind = "pid" if row["kind"] == "session" else "prepared"
        family.add_metric([f"{row['who']} ({kind} {row['name']})"], row["age"])
    return family


def _build_connections(rows: Sequence[Record]) -> Iterator[Metric]:
    used, most = _family("plait_connections", "of"), _family("plait_connections_limit", "of")
    for row in rows:
        used.add_metric([row["what"]], row["used"])
        most.add_metric([row["what"]], row["most"])
    yield from (used, most)
