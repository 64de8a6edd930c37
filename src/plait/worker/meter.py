"""What a worker process counts for Prometheus, where somebody asked for a health port."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from plait.graph.definition import Status

if TYPE_CHECKING:
    from plait.graph.attempt import Report
    from plait.worker.assignment import Assignment

SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 3600.0)
"""Bounds of the durations of attempts."""
CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds of the durations of statements."""
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
"""Bounds of batches."""
_RAN = (Status.COMPLETED, Status.FAILED, Status.RETRIED)


class Histogram:
    """Counts of observations up to each bound. That of ``prometheus_client`` takes five times as long to observe."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def list_buckets(self) -> list[tuple[str, float]]:
        """How many values were observed up to each bound, and in all."""
        return list(zip((*map(str, self._bounds), "+Inf"), accumulate(self._counts), strict=True))


class Meter:
    """Counts attempts, statements and lost leases. On the engine's loop only.

    Attributes: ``outcomes`` by workflow, task and ``Status``; ``attempt_seconds`` by workflow and task;
    ``flush_seconds``, ``flush_outcomes``, ``claim_seconds``, ``claim_tasks``, ``lost_leases``.
    """

    def __init__(self) -> None:
        self.outcomes: dict[tuple[str, str, int], int] = defaultdict(int)
        self.attempt_seconds: dict[tuple[str, str], Histogram] = defaultdict(lambda: Histogram(SECONDS))
        self.flush_seconds = Histogram(CALL_SECONDS)
        self.flush_outcomes = Histogram(SIZES)
        self.claim_seconds = Histogram(CALL_SECONDS)
        self.claim_tasks = Histogram(SIZES)
        self.lost_leases = 0

    def note_flush(self, size: int, seconds: float) -> None:
        """A batch of outcomes was committed."""
        self.flush_seconds.observe(seconds)
        self.flush_outcomes.observe(size)

    def note_claim(self, size: int, seconds: float) -> None:
        """A claim was answered with so many tasks."""
        self.claim_seconds.observe(seconds)
        if size:
            self.claim_tasks.observe(size)

    def note_outcomes(self, batch: Iterable[tuple[Assignment, Report]], accepted: Collection[int]) -> None:
        """Outcomes were accepted: those at these positions, from 1."""
        for position, (assignment, report) in enumerate(batch, 1):
            if position not in accepted:
                continue
            definition = assignment.run.version.definition
            workflow, task = definition.name, definition.tasks[assignment.task].name
            self.outcomes[workflow, task, int(report.status)] += 1
            if report.status in _RAN and assignment.execution is not None:
                self.attempt_seconds[workflow, task].observe(report.elapsed_us / 1e6)
