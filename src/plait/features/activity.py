"""What goes on at this moment, over all workers: what they run, how fast, and what waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from plait.worker.pace import WINDOWS

if TYPE_CHECKING:
    from plait.features.workers import WorkerSummary
    from plait.store.store import Store

MOST_WORKERS = 1000
MOST_GROUPS = 5000
"""Pairs of a worker and a task it runs that are told."""


@dataclass(frozen=True, slots=True)
class TaskQueue:
    """One task of a workflow, over all runs: how many are ready for a worker, run, and wait for a time or an event.

    Tasks that wait for their parents are in none of these. ``capped``: the counting stopped, there may be more.
    """

    workflow_name: str
    task_name: str
    ready: int = 0
    running: int = 0
    waiting: int = 0
    oldest_ready_at: datetime | None = None
    oldest_running_at: datetime | None = None
    capped: bool = False


@dataclass(frozen=True, slots=True)
class QueueMetrics:
    """The queues that are not empty, by workflow and task. The sums are lower bounds if ``capped``."""

    tasks: tuple[TaskQueue, ...]

    @property
    def ready(self) -> int:
        return sum(task.ready for task in self.tasks)

    @property
    def running(self) -> int:
        return sum(task.running for task in self.tasks)

    @property
    def waiting(self) -> int:
        return sum(task.waiting for task in self.tasks)

    @property
    def capped(self) -> bool:
        return any(task.capped for task in self.tasks)


@dataclass(frozen=True, slots=True)
class Pace:
    """How many attempts ended in the last ``seconds``, and how many of these failed, retried or not.

    Of all live workers, as each told with its last heartbeat.
    """

    seconds: int
    ended: int
    failed: int

    @property
    def per_second(self) -> float:
        return self.ended / self.seconds

    @property
    def failed_share(self) -> float:
        """From 0 to 1; 0 when nothing ended."""
        return self.failed / self.ended if self.ended else 0.0


@dataclass(frozen=True, slots=True)
class BusyTask:
    """How many of a task a worker runs, and since when the oldest of them."""

    workflow_name: str
    task_name: str
    running: int
    oldest_started_at: datetime


@dataclass(frozen=True, slots=True)
class BusyWorker:
    """A worker with what it runs, the most first."""

    worker: WorkerSummary
    running: tuple[BusyTask, ...]


@dataclass(frozen=True, slots=True)
class SlowTask:
    """A task that runs, and since when."""

    workflow_run_id: str
    workflow_name: str
    task_name: str
    attempt_number: int
    worker_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Activity:
    """A picture of all work at one moment, ``at``, by the clock of the database."""

    at: datetime
    paces: tuple[Pace, ...]
    workers: tuple[BusyWorker, ...]
    queues: QueueMetrics
    slowest: tuple[SlowTask, ...]


async def read_paces(store: Store) -> tuple[Pace, ...]:
    """The sums over all workers that told lately."""
    rows = await store.observation.read_paces(MOST_WORKERS)
    told = [row["pace"] for row in rows if row["pace"] and not row["stale"]]
    sums = [sum(column) for column in zip(*told, strict=True)] or [0] * (2 * len(WINDOWS))
    return tuple(Pace(seconds, sums[2 * place], sums[2 * place + 1]) for place, seconds in enumerate(WINDOWS))


async def read_activity(store: Store, workers: Sequence[WorkerSummary], queues: QueueMetrics, slowest: int) -> Activity:
    """Everything else that belongs to the picture."""
    groups = await store.observation.survey_running(MOST_GROUPS)
    slow = await store.observation.list_slowest(slowest)
    names = await store.catalog.read_actions(sorted({row["action_id"] for row in (*groups, *slow)}))
    busy: dict[str, list[BusyTask]] = {}
    for row in groups:
        if (name := names.get(row["action_id"])) is not None:
            busy.setdefault(str(row["worker_id"]), []).append(BusyTask(*name, row["tasks"], row["oldest"]))
    return Activity(
        slow[0]["now"] if slow else datetime.now(UTC),
        await read_paces(store),
        tuple(BusyWorker(worker, tuple(busy.get(worker.worker_id, ()))) for worker in workers),
        queues,
        tuple(
            SlowTask(
                str(row["run_id"]), *names[row["action_id"]], row["attempt"], str(row["worker_id"]), row["started_at"]
            )
            for row in slow
            if row["action_id"] in names
        ),
    )
