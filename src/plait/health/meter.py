"""What a worker process counts for Prometheus, where somebody asked for a health port."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from plait.graph.definition import Status

if TYPE_CHECKING:
    from plait.worker.holdings import Assignment
    from plait.worker.reports import Report

SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 3600.0)
"""Bounds of the durations of attempts."""
CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds of the durations of statements."""
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
"""Bounds of batches."""
_RAN = (Status.COMPLETED, Status.FAILED, Status.RETRIED)

WORKER_METRICS = {
    "plait_worker_ready": ("gauge", "1: the process takes tasks; 0: it starts, drains or has lost its lease."),
    "plait_worker_slots": ("gauge", "Slots of the process."),
    "plait_worker_slots_in_use": ("gauge", "Slots that are in use."),
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


class Histogram:
    """Counts of observations up to each bound; the family is made when it is asked for.

    ``prometheus_client`` has one that takes a lock twice an observation and is six times as slow.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str] = ()) -> HistogramMetricFamily:
        """Tell it as one series of a family."""
        bounds = (*map(str, self._bounds), "+Inf")
        family.add_metric(labels, list(zip(bounds, accumulate(self._counts), strict=True)), self._sum)
        return family


class Meter:
    """Counts attempts, statements and lost leases. On the engine's loop only."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str, int], int] = defaultdict(int)
        self._attempts: dict[tuple[str, str], Histogram] = defaultdict(lambda: Histogram(SECONDS))
        self._flush_seconds = Histogram(CALL_SECONDS)
        self._flush_sizes = Histogram(SIZES)
        self._claim_seconds = Histogram(CALL_SECONDS)
        self._claim_sizes = Histogram(SIZES)
        self.lost_leases = 0

    def note_flush(self, size: int, seconds: float) -> None:
        """A batch of outcomes was committed."""
        self._flush_seconds.observe(seconds)
        self._flush_sizes.observe(size)

    def note_claim(self, size: int, seconds: float) -> None:
        """A claim was answered with so many tasks."""
        self._claim_seconds.observe(seconds)
        if size:
            self._claim_sizes.observe(size)

    def note_outcomes(self, batch: Iterable[tuple[Assignment, Report]], accepted: Collection[int]) -> None:
        """Outcomes were accepted: those at these positions, from 1."""
        for position, (assignment, report) in enumerate(batch, 1):
            if position not in accepted:
                continue
            definition = assignment.run.version.definition
            workflow, task = definition.name, definition.tasks[assignment.task].name
            self._outcomes[workflow, task, int(report.status)] += 1
            if report.status in _RAN and assignment.execution is not None:
                self._attempts[workflow, task].observe(report.elapsed_us / 1e6)

    def collect(self) -> Iterator[Metric]:
        """All that was counted, in the order of ``WORKER_METRICS``."""
        yield CounterMetricFamily(*_describe("plait_worker_lost_leases_total"), self.lost_leases)
        counts = CounterMetricFamily(*_describe("plait_worker_attempts_total"), labels=("workflow", "task", "outcome"))
        for (workflow, task, code), count in sorted(self._outcomes.items()):
            counts.add_metric((workflow, task, Status(code).name.lower()), count)
        yield counts
        seconds = HistogramMetricFamily(*_describe("plait_worker_attempt_seconds"), labels=("workflow", "task"))
        for names, histogram in sorted(self._attempts.items()):
            histogram.add_to(seconds, names)
        yield seconds
        for name, histogram in (
            ("plait_worker_flush_seconds", self._flush_seconds),
            ("plait_worker_flush_outcomes", self._flush_sizes),
            ("plait_worker_claim_seconds", self._claim_seconds),
            ("plait_worker_claim_tasks", self._claim_sizes),
        ):
            yield histogram.add_to(HistogramMetricFamily(*_describe(name)))


def make_gauge(name: str, value: float) -> Metric:
    """One of ``WORKER_METRICS`` that is read when it is asked for."""
    return GaugeMetricFamily(*_describe(name), value)


def _describe(name: str) -> tuple[str, str]:
    return name, WORKER_METRICS[name][1]
