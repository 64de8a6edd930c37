"""What goes on at this moment, over all workers: what they run, how fast, and what waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from plait.features.shapes import Answer, Id
from plait.features.workers import MOST_WORKERS, WorkerStatus, WorkerSummary
from plait.store.pace import WINDOWS

if TYPE_CHECKING:
    from plait.store.store import Store

MOST_GROUPS = 5000
"""At most so many pairs of a worker and a task it runs are read."""


@dataclass(frozen=True, slots=True)
class TaskQueue(Answer):
    """One task of a workflow, over all runs: how many are ready for a worker, run, and wait for a time or an event.

    Tasks that wait for their parents are in none of these. ``capped``: the counting stopped, there may be more.
    """

    workflow: str
    task: str
    ready: int = 0
    running: int = 0
    waiting: int = 0
    oldest_ready_at: datetime | None = None
    oldest_running_at: datetime | None = None
    capped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMetrics(Answer):
    """The queues that are not empty, by workflow and task; their sums, which are lower bounds if ``capped``; and the
    live workers with their slots."""

    ready: int
    running: int
    waiting: int
    capped: bool
    slots: int
    slots_in_use: int
    workers: int
    queues: tuple[TaskQueue, ...]


@dataclass(frozen=True, slots=True)
class Pace(Answer):
    """How many attempts ended in the last ``seconds``, and how many of these failed, retried or not.

    Over all live workers, as each reported with its last heartbeat. ``failed_share`` is from 0 to 1; 0 when nothing
    ended.
    """

    seconds: int
    ended: int
    failed: int
    per_second: float
    failed_share: float


@dataclass(frozen=True, slots=True)
class BusyTask(Answer):
    """How many of a task a worker runs, and since when the oldest of them."""

    workflow: str
    task: str
    running: int
    oldest_started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyWorker(WorkerSummary):
    """A worker with the tasks it runs, those it runs most of first."""

    running: tuple[BusyTask, ...]


@dataclass(frozen=True, slots=True)
class SlowTask(Answer):
    """A task that runs, and since when."""

    run_id: Id
    workflow: str
    task: str
    attempt: int
    worker_id: Id
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Activity(Answer):
    """A picture of all work at one moment, ``at``, by the clock of the database."""

    at: datetime
    paces: tuple[Pace, ...]
    workers: tuple[BusyWorker, ...]
    queues: QueueMetrics
    slowest: tuple[SlowTask, ...]


def build_queue_metrics(queues: Sequence[TaskQueue], slots: Sequence[tuple[int, int]]) -> QueueMetrics:
    """The sums of queues; ``slots``: of each live worker how many it has, and how many are in use."""
    return QueueMetrics(
        ready=sum(queue.ready for queue in queues),
        running=sum(queue.running for queue in queues),
        waiting=sum(queue.waiting for queue in queues),
        capped=any(queue.capped for queue in queues),
        slots=sum(total for total, _ in slots),
        slots_in_use=sum(used for _, used in slots),
        workers=len(slots),
        queues=tuple(queues),
    )


async def read_paces(store: Store) -> tuple[Pace, ...]:
    """The sums over all workers that reported lately."""
    rows = await store.observation.read_paces(MOST_WORKERS)
    told = [row["pace"] for row in rows if row["pace"] and not row["stale"]]
    sums = [sum(column) for column in zip(*told, strict=True)] or [0] * (2 * len(WINDOWS))
    return tuple(build_pace(seconds, *sums[2 * place : 2 * place + 2]) for place, seconds in enumerate(WINDOWS))


async def read_activity(
    store: Store, workers: Sequence[WorkerSummary], queues: Sequence[TaskQueue], slowest: int
) -> Activity:
    """Everything else that belongs to the picture."""
    groups = await store.observation.survey_running(MOST_GROUPS)
    slow = await store.observation.list_slowest(slowest)
    names = await store.catalog.read_actions(sorted({row["action_id"] for row in (*groups, *slow)}))
    busy: dict[str, list[BusyTask]] = {}
    for row in groups:
        if (name := names.get(row["action_id"])) is not None:
            busy.setdefault(str(row["worker_id"]), []).append(BusyTask(*name, row["tasks"], row["oldest"]))
    live = [(one.slots, one.slots_in_use) for one in workers if one.status is WorkerStatus.ACTIVE]
    return Activity(
        slow[0]["now"] if slow else datetime.now(UTC),
        await read_paces(store),
        tuple(_build_busy(worker, busy.get(worker.id, ())) for worker in workers),
        build_queue_metrics(queues, live),
        tuple(
            SlowTask(
                str(row["run_id"]), *names[row["action_id"]], row["attempt"], str(row["worker_id"]), row["started_at"]
            )
            for row in slow
            if row["action_id"] in names
        ),
    )


def _build_busy(worker: WorkerSummary, running: Sequence[BusyTask]) -> BusyWorker:
    known = {one.name: getattr(worker, one.name) for one in fields(WorkerSummary)}
    return BusyWorker(**known, running=tuple(running))


def build_pace(seconds: int, ended: int, failed: int) -> Pace:
    return Pace(seconds, ended, failed, ended / seconds, failed / ended if ended else 0.0)
