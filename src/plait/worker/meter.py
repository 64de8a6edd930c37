"""What a worker process counts for Prometheus, where somebody asked for a health port."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from plait.graph.definition import Status

if TYPE_CHECKING:
    from plait.graph.attempt import Report
    from plait.graph.definition import WorkflowDefinition
    from plait.worker.assignment import Assignment

SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 3600.0)
"""Bounds of the durations of attempts."""
CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds of the durations of statements."""
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Bounds of batches."""
_RAN = (Status.COMPLETED, Status.FAILED, Status.RETRIED)

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One line of an exposition; ``suffix`` comes behind the name of its family."""

    suffix: str
    labels: Labels
    value: float


class Family(NamedTuple):
    """A metric as Prometheus reads it. ``kind``: counter, gauge or histogram."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


class Histogram:
    """Counts of observations up to each bound."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def list_samples(self, labels: Labels = ()) -> Iterator[Sample]:
        """Its lines: cumulative buckets, sum and count."""
        total = 0
        for bound, count in zip((*(f"{bound:g}" for bound in self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            yield Sample("_bucket", (*labels, ("le", bound)), total)
        yield Sample("_sum", labels, self._sum)
        yield Sample("_count", labels, total)


class Meter:
    """Counts attempts, statements and lost leases. On the engine's loop only."""

    def __init__(self) -> None:
        self._definitions: dict[int, WorkflowDefinition] = {}
        self._outcomes: dict[tuple[int, int, int], int] = {}
        self._attempts: dict[tuple[int, int], Histogram] = {}
        self.flush_seconds = Histogram(CALL_SECONDS)
        self.flush_sizes = Histogram(SIZES)
        self.claim_seconds = Histogram(CALL_SECONDS)
        self.claim_sizes = Histogram(SIZES)
        self.lost_leases = 0

    def note_flush(self, size: int, seconds: float) -> None:
        """A batch of outcomes was committed."""
        self.flush_seconds.observe(seconds)
        self.flush_sizes.observe(size)

    def note_claim(self, size: int, seconds: float) -> None:
        """A claim was answered with so many tasks."""
        self.claim_seconds.observe(seconds)
        if size:
            self.claim_sizes.observe(size)

    def note_outcomes(self, batch: Iterable[tuple[Assignment, Report]], accepted: Collection[int]) -> None:
        """Outcomes were accepted: those at these positions, from 1."""
        for position, (assignment, report) in enumerate(batch, 1):
            if position not in accepted:
                continue
            version = assignment.run.version
            if version.id not in self._definitions:
                self._definitions[version.id] = version.definition
            key = (version.id, assignment.task, int(report.status))
            self._outcomes[key] = self._outcomes.get(key, 0) + 1
            if report.status in _RAN and assignment.execution is not None:
                histogram = self._attempts.get(key[:2])
                if histogram is None:
                    histogram = self._attempts[key[:2]] = Histogram(SECONDS)
                histogram.observe(report.elapsed_us / 1e6)

    def list_families(self, gauges: Mapping[str, float]) -> list[Family]:
        """All metrics of the process; ``gauges`` holds what is read at this moment, by name."""
        outcomes: dict[Labels, float] = {}
        for (version, task, code), count in sorted(self._outcomes.items()):
            labels = (*self._name(version, task), ("outcome", Status(code).name.lower()))
            outcomes[labels] = outcomes.get(labels, 0) + count
        # Versions of a workflow have histograms of their own; Prometheus may see a series but once.
        attempts: dict[tuple[Labels, str, Labels], float] = {}
        for (version, task), histogram in sorted(self._attempts.items()):
            names = self._name(version, task)
            for sample in histogram.list_samples(names):
                key = (names, sample.suffix, sample.labels)
                attempts[key] = attempts.get(key, 0) + sample.value
        values: dict[str, list[Sample]] = {
            "plait_worker_attempts_total": [Sample("", labels, count) for labels, count in outcomes.items()],
            "plait_worker_attempt_seconds": [
                Sample(suffix, labels, value) for (_, suffix, labels), value in attempts.items()
            ],
            "plait_worker_flush_seconds": list(self.flush_seconds.list_samples()),
            "plait_worker_flush_outcomes": list(self.flush_sizes.list_samples()),
            "plait_worker_claim_seconds": list(self.claim_seconds.list_samples()),
            "plait_worker_claim_tasks": list(self.claim_sizes.list_samples()),
            "plait_worker_lost_leases_total": [Sample("", (), self.lost_leases)],
        }
        values |= {name: [Sample("", (), value)] for name, value in gauges.items()}
        return [Family(name, kind, text, values[name]) for name, (kind, text) in WORKER_METRICS.items()]

    def _name(self, version: int, task: int) -> Labels:
        definition = self._definitions[version]
        return (("workflow", definition.name), ("task", definition.tasks[task].name))


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


def render_families(families: Iterable[Family]) -> str:
    """The text format of Prometheus."""
    lines: list[str] = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        lines += [
            f"{family.name}{sample.suffix}{_format(sample.labels)} {sample.value:.15g}" for sample in family.samples
        ]
    return "".join(f"{line}\n" for line in lines)


def _format(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
