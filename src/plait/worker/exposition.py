"""What Prometheus is told of a worker. Imported where there is a health port, and with it ``prometheus_client``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from plait.graph.definition import Status
from plait.worker.meter import Meter

WORKER_METRICS = {
    "plait_worker_ready": (
        "gauge",
        "1: the process takes tasks; 0: it starts, drains, lost its lease, cannot store.",
    ),
    "plait_worker_slots": ("gauge", "Slots of the process."),
    "plait_worker_slots_in_use": ("gauge", "Slots that are in use."),
    "plait_worker_results_waiting": ("gauge", "Results that wait in memory until the database has stored them."),
    "plait_worker_hung_threads": ("gauge", "Threads whose task is over and whose code still runs."),
    "plait_worker_heartbeat_age_seconds": ("gauge", "Time since the last heartbeat that the database answered."),
    "plait_worker_lost_leases_total": ("counter", "How often the lease was lost, and running tasks with it."),
    "plait_worker_attempts_total": ("counter", "Attempts that ended, by workflow, task and outcome."),
    "plait_worker_attempt_seconds": ("histogram", "How long the code of attempts took, by workflow and task."),
    "plait_worker_flush_seconds": ("histogram", "How long the commit of a batch of outcomes took, waits included."),
    "plait_worker_flush_outcomes": ("histogram", "How many outcomes a commit had."),
    "plait_worker_claim_seconds": ("histogram", "How long a claim took."),
    "plait_worker_claim_tasks": ("histogram", "How many tasks a claim brought, empty ones aside."),
}
"""All metrics of a worker process: kind and help by name, in the order in which they are told."""


def collect_metrics(meter: Meter, gauges: Mapping[str, float]) -> Iterator[Metric]:
    """All metrics of the process; ``gauges`` holds what is read at this moment, by name."""
    for name, value in gauges.items():
        yield GaugeMetricFamily(*_describe(name), value)
    yield CounterMetricFamily(*_describe("plait_worker_lost_leases_total"), meter.lost_leases)
    attempts = CounterMetricFamily(*_describe("plait_worker_attempts_total"), labels=("workflow", "task", "outcome"))
    for (workflow, task, code), count in sorted(meter.outcomes.items()):
        attempts.add_metric((workflow, task, Status(code).name.lower()), count)
    yield attempts
    seconds = HistogramMetricFamily(*_describe("plait_worker_attempt_seconds"), labels=("workflow", "task"))
    for names, histogram in sorted(meter.attempt_seconds.items()):
        seconds.add_metric(names, histogram.list_buckets(), histogram.sum)
    yield seconds
    for name, histogram in (
        ("plait_worker_flush_seconds", meter.flush_seconds),
        ("plait_worker_flush_outcomes", meter.flush_outcomes),
        ("plait_worker_claim_seconds", meter.claim_seconds),
        ("plait_worker_claim_tasks", meter.claim_tasks),
    ):
        yield HistogramMetricFamily(*_describe(name), histogram.list_buckets(), histogram.sum)


def render_metrics(metrics: Iterable[Metric]) -> bytes:
    """The text format of Prometheus. No registry holds the metrics: workers of one process do not see each other's."""
    return generate_latest(_Snapshot(metrics))


class _Snapshot:
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _describe(name: str) -> tuple[str, str]:
    return name, WORKER_METRICS[name][1]
