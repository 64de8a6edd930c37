"""``plait.metrics``: how much waits and runs now, and what became of the runs of a time. Every question has a bound."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.errors import InvalidInputError
from plait.features.activity import (
    Activity,
    Pace,
    QueueMetrics,
    TaskQueue,
    build_queue_metrics,
    read_activity,
    read_paces,
)
from plait.features.base import FeatureClient, on_engine, sync_twin
from plait.features.checks import check_limit, check_texts
from plait.features.run_stats import RunCounts
from plait.features.shapes import Answer
from plait.features.workers import MOST_WORKERS, WorkersClient, read_live
from plait.graph.definition import Status
from plait.ids import bound_run_id
from plait.wording import shorten

if TYPE_CHECKING:
    from plait.store.store import Store

MOST_COUNTED = 100_000
"""Rows of one task's queue, of the rooms of running and waiting tasks, and runs of a window, that are counted."""
_FIRST_LOOK = 1_000
_MOST_IN_ALL = 1_000_000
"""Ready tasks that are counted for one answer."""
DEFAULT_WINDOW = timedelta(days=1)
_OUTSIDE = datetime(9999, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_ID = UUID(int=2**128 - 1)
_OUTCOMES = (Status.SKIPPED, Status.COMPLETED, Status.CANCELLED, Status.FAILED)


@dataclass(frozen=True, slots=True)
class TaskStatusStat(Answer):
    """How many, and since when the oldest of them waits or runs."""

    total: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class TaskStat(Answer):
    """One task over all runs: what of it is queued and what runs."""

    queued: TaskStatusStat
    running: TaskStatusStat


@dataclass(frozen=True, slots=True)
class TaskCounts(Answer):
    """Tasks by status."""

    pending: int = 0
    queued: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class TaskMetrics(Answer):
    """Counts of the runs triggered from ``since`` to before ``until``, and of their tasks, by status.

    ``capped``: there are more than ``MOST_COUNTED`` in that time, and the newest of these were looked at.
    """

    since: datetime
    until: datetime
    runs: RunCounts
    tasks: TaskCounts
    capped: bool


class MetricsClient(FeatureClient):
    """Counts. None reads more than a bounded number of rows; where that cuts a count off, the answer says so."""

    @on_engine
    async def aio_get_queue_metrics(self, *, workflow_names: Sequence[str] | None = None) -> QueueMetrics:
        """How many tasks are ready, running and waiting now, by workflow and task, and the slots of
        the live workers; of all workflows unless named.

        At most ``MOST_COUNTED`` of each are counted, fewer where many tasks have long queues.
        """
        names = check_texts(workflow_names, "workflow_names")
        store = await self._open_store()
        queues = [one for one in await _read_queues(store) if names is None or one.workflow in names]
        return build_queue_metrics(queues, [(row["slots"], row["held"]) for row in await read_live(store)])

    get_queue_metrics = sync_twin(aio_get_queue_metrics)

    @on_engine
    async def aio_get_task_stats(self) -> dict[str, TaskStat]:
        """What is queued and what runs now, by ``"workflow:task"``; the counts of ``get_queue_metrics``."""
        return {
            f"{queue.workflow}:{queue.task}": TaskStat(
                TaskStatusStat(queue.ready, queue.oldest_ready_at),
                TaskStatusStat(queue.running, queue.oldest_running_at),
            )
            for queue in await _read_queues(await self._open_store())
        }

    get_task_stats = sync_twin(aio_get_task_stats)

    @on_engine
    async def aio_get_pace(self) -> tuple[Pace, ...]:
        """How many attempts ended, and failed, in the last 10, 60 and 300 seconds."""
        return await read_paces(await self._open_store())

    get_pace = sync_twin(aio_get_pace)

    @on_engine
    async def aio_get_activity(self, *, slowest: int = 10) -> Activity:
        """What all workers do at this moment, and what waits for them: what ``plait top`` shows.

        Args:
            slowest: how many of the longest running tasks to show, 1 to 1000.
        """
        store = await self._open_store()
        workers = await WorkersClient(self._access).aio_list(limit=MOST_WORKERS)
        return await read_activity(store, workers, await _read_queues(store), check_limit(slowest))

    get_activity = sync_twin(aio_get_activity)

    @on_engine
    async def aio_get_task_metrics(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        workflow_names: Sequence[str] | None = None,
    ) -> TaskMetrics:
        """Counts of the runs that were triggered in a span of time, and of their tasks, by status.

        Args:
            since, until: when they were triggered, by the clock of whoever triggered them; the last day unless given.
            workflow_names: any of these; of all unless given.
        """
        end = _check_moment(until, "until") or datetime.now(UTC)
        begin = _check_moment(since, "since") or max(end, _EPOCH + DEFAULT_WINDOW) - DEFAULT_WINDOW
        if begin > end:
            raise InvalidInputError(f"since={begin.isoformat()} is after until={end.isoformat()}")
        names = check_texts(workflow_names, "workflow_names")
        store = await self._open_store()
        below = _LAST_ID if until is None else _bound(end)
        rows = await store.catalog.count_outcomes(_bound(begin), below, names, MOST_COUNTED + 1)
        counts: dict[tuple[str, int], int] = defaultdict(int)
        for row in rows:
            counts[row["kind"], row["code"]] = int(row["amount"])
        capped = counts["seen", 0] > MOST_COUNTED
        return TaskMetrics(begin, end, _count_runs(counts), _count_tasks(counts), capped)

    get_task_metrics = sync_twin(aio_get_task_metrics)


async def _read_queues(store: Store) -> list[TaskQueue]:
    """Every queue that is not empty. Long ones are counted in a second look, the fewer the further."""
    ready = {row["action_id"]: row for row in await store.catalog.count_ready(None, _FIRST_LOOK)}
    long = [action for action, row in ready.items() if row["tasks"] >= _FIRST_LOOK]
    cap = _FIRST_LOOK
    if long:
        cap = max(_FIRST_LOOK, min(MOST_COUNTED, _MOST_IN_ALL // len(long)))
        ready |= {row["action_id"]: row for row in await store.catalog.count_ready(long, cap)}
    rooms: dict[str, dict[int, Any]] = {"running": {}, "waiting": {}}
    for row in await store.catalog.count_held(MOST_COUNTED):
        rooms[row["room"]][row["action_id"]] = row
    cut_off = any(sum(row["tasks"] for row in room.values()) >= MOST_COUNTED for room in rooms.values())
    names = await store.catalog.read_actions(sorted({*ready, *rooms["running"], *rooms["waiting"]}))
    queues = []
    for action, name in names.items():
        queue = TaskQueue(name.workflow, name.task, capped=cut_off)
        if (row := ready.get(action)) is not None:
            capped = cut_off or row["tasks"] >= cap
            queue = replace(queue, ready=row["tasks"], oldest_ready_at=row["oldest"], capped=capped)
        if (row := rooms["running"].get(action)) is not None:
            queue = replace(queue, running=row["tasks"], oldest_running_at=row["oldest"])
        if (row := rooms["waiting"].get(action)) is not None:
            queue = replace(queue, waiting=row["tasks"])
        queues.append(queue)
    return sorted(queues, key=lambda queue: (queue.workflow, queue.task))


def _count_runs(counts: Mapping[tuple[str, int], int]) -> RunCounts:
    outcomes = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
    return RunCounts(counts["run", 0], counts["run", 1], *(counts["run", int(status)] for status in outcomes))


def _count_tasks(counts: Mapping[tuple[str, int], int]) -> TaskCounts:
    def count(status: Status) -> int:
        return counts["outcome", int(status)] + counts["open_outcome", int(status)]

    running, queued = counts["room", 1], counts["room", 2]
    # A task that nothing has touched has no row: it waits for its parents, or its run was cancelled before its turn.
    untouched = counts["open_all", 0] - sum(counts["open_outcome", int(status)] for status in _OUTCOMES)
    unreached = counts["all", 0] - sum(counts["outcome", int(status)] for status in _OUTCOMES)
    return TaskCounts(
        max(0, untouched - running - queued),
        queued,
        running,
        count(Status.COMPLETED),
        count(Status.FAILED),
        count(Status.CANCELLED) + unreached,
        count(Status.SKIPPED),
    )


def _check_moment(moment: object, where: str) -> datetime | None:
    if moment is None or (isinstance(moment, datetime) and moment.tzinfo is not None):
        return moment
    what = "has no time zone" if isinstance(moment, datetime) else "is no datetime"
    raise InvalidInputError(f"{where}={shorten(moment)} {what}: give e.g. datetime.now(UTC) - timedelta(hours=1)")


def _bound(moment: datetime) -> UUID:
    return bound_run_id(min(max(moment, _EPOCH), _OUTSIDE))
