"""Questions about workflows, workers, queues and filters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from statistics import quantiles
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.errors import InvalidInputError, NotFoundError
from plait.features.base import on_engine
from plait.features.workers import WorkerSummary
from plait.features.workflows import WorkflowDetails
from plait.graph.definition import Status, WorkflowDefinition
from plait.server.desk_base import DeskBase
from plait.server.models.catalog import (
    FilterChange,
    FilterItem,
    FilterOrder,
    FilterPage,
    HeldItem,
    QueueItem,
    QueueList,
    TaskStats,
    VersionDiff,
    VersionItem,
    VersionPage,
    WorkerItem,
    WorkerList,
    WorkerView,
    WorkflowCronItem,
    WorkflowItem,
    WorkflowPage,
    WorkflowStats,
    WorkflowTaskItem,
    WorkflowView,
)
from plait.server.models.common import Done
from plait.server.payloads import parse_object, show_payload
from plait.server.version_diff import compare_definitions

if TYPE_CHECKING:
    from asyncpg import Record

LOOK_AT = 50_000
"""Runs among which those of a workflow are looked for."""
MEASURED_RUNS = 200
MEASURED_ATTEMPTS = 10_000
MOST_WORKERS = 1000


class CatalogDesk(DeskBase):
    """Looks at what there is besides runs."""

    @on_engine
    async def list_workflows(self, search: str | None, after: str | None, limit: int) -> WorkflowPage:
        """A page of workflows by name."""
        found = await self._plait.workflows.aio_list(limit=limit, after=after, name_contains=search)
        items = [WorkflowItem.model_validate(item) for item in found]
        return WorkflowPage(workflows=items, next=items[-1].name if len(items) == limit else None)

    @on_engine
    async def get_workflow(self, name: str) -> WorkflowView:
        """The served version, else the newest."""
        return await self._build_view(await self._plait.workflows.aio_get(name))

    @on_engine
    async def get_version(self, name: str, version_id: int) -> WorkflowView:
        """One version of a workflow."""
        details = await self._plait.workflows.aio_get_version(version_id)
        if details.name != name:
            raise NotFoundError(f"workflow version {version_id} is one of {details.name!r}, not of {name!r}")
        return await self._build_view(details)

    @on_engine
    async def list_versions(self, name: str, before: int | None, limit: int) -> VersionPage:
        """Versions, newest first."""
        found = await self._plait.workflows.aio_list_versions(name, limit=limit, before=before)
        items = [VersionItem.model_validate(item) for item in found]
        return VersionPage(versions=items, next=items[-1].version_id if len(items) == limit else None)

    @on_engine
    async def compare(self, name: str, before: int, after: int) -> VersionDiff:
        """What changed between two versions."""
        store = await self._open_store()
        definitions: list[WorkflowDefinition] = []
        for version_id in (before, after):
            definition = (await store.read_version(version_id)).definition
            if definition.name != name:
                raise NotFoundError(f"workflow version {version_id} is one of {definition.name!r}, not of {name!r}")
            definitions.append(definition)
        workflow, tasks = compare_definitions(*definitions)
        return VersionDiff(before=before, after=after, workflow=workflow, tasks=tasks)

    @on_engine
    async def get_stats(self, name: str, last: int) -> WorkflowStats:
        """How the newest finished runs went."""
        details = await self._plait.workflows.aio_get(name)
        store = await self._open_store()
        rows = await store.dashboard.measure_workflow(name, LOOK_AT, last)
        measured = await store.dashboard.measure_tasks([row["id"] for row in rows[:MEASURED_RUNS]], MEASURED_ATTEMPTS)
        version = await store.read_version(details.version_id)
        by_action = {row["action_id"]: row for row in measured}
        tasks = [
            _build_task_stats(index, task.name, by_action.get(version.actions[index]))
            for index, task in enumerate(details.tasks)
        ]
        return _build_stats(rows, tasks)

    @on_engine
    async def list_workers(self, ended: bool, limit: int) -> WorkerList:
        """Workers, last started first."""
        found = await self._plait.workers.aio_list(ended=ended, limit=limit)
        return WorkerList(workers=[_build_worker(worker) for worker in found])

    @on_engine
    async def get_worker(self, worker_id: UUID) -> WorkerView:
        """One worker, with what it runs."""
        details = await self._plait.workers.aio_get(str(worker_id))
        running = [
            HeldItem(
                run_id=UUID(held.workflow_run_id),
                workflow=held.workflow_name,
                task=held.task_name,
                attempt=held.attempt_number,
                started_at=held.started_at,
            )
            for held in details.running
        ]
        return WorkerView(worker=_build_worker(details.worker), running=running)

    @on_engine
    async def list_queues(self, workflow: str | None) -> QueueList:
        """What waits and runs now."""
        names = None if workflow is None else [workflow]
        metrics = await self._plait.metrics.aio_get_queue_metrics(workflow_names=names)
        workers = [row for row in await (await self._open_store()).catalog.survey_workers(MOST_WORKERS, ended=False)]
        live = [row for row in workers if not row["late"]]
        return QueueList(
            ready=metrics.ready,
            running=metrics.running,
            waiting=metrics.waiting,
            slots=sum(row["slots"] for row in live),
            slots_in_use=sum(row["held"] for row in live),
            workers=len(live),
            capped=metrics.capped,
            queues=[
                QueueItem(
                    workflow=queue.workflow_name,
                    task=queue.task_name,
                    ready=queue.ready,
                    running=queue.running,
                    waiting=queue.waiting,
                    oldest_ready_at=queue.oldest_ready_at,
                    capped=queue.capped,
                )
                for queue in metrics.tasks
            ],
        )

    # filters

    @on_engine
    async def list_filters(self, workflow: str | None, scope: str | None, after: UUID | None, limit: int) -> FilterPage:
        """A page of filters."""
        store = await self._open_store()
        rows = await store.catalog.list_filters(
            after or UUID(int=0), None if workflow is None else [workflow], None if scope is None else [scope], limit
        )
        return FilterPage(
            filters=[_build_filter(row) for row in rows], next=rows[-1]["id"] if len(rows) == limit else None
        )

    @on_engine
    async def create_filter(self, order: FilterOrder) -> FilterItem:
        """Make a filter."""
        payload = parse_object(order.payload, "payload")
        made = await self._plait.filters.aio_create(order.workflow, order.expression, order.scope, payload)
        return await self._read_filter(UUID(made.filter_id))

    @on_engine
    async def update_filter(self, filter_id: UUID, order: FilterChange) -> FilterItem:
        """Change a filter."""
        changes: dict[str, Any] = {}
        if order.expression is not None:
            changes["expression"] = order.expression
        if order.scope is not None:
            changes["scope"] = order.scope
        if order.payload is not None:
            changes["payload"] = parse_object(order.payload, "payload")
        if not changes:
            raise InvalidInputError("give expression, scope or payload: there is nothing to change")
        await self._plait.filters.aio_update(str(filter_id), **changes)
        return await self._read_filter(filter_id)

    @on_engine
    async def delete_filter(self, filter_id: UUID) -> Done:
        """Delete a filter."""
        await self._plait.filters.aio_delete(str(filter_id))
        return Done(done=True)

    async def _read_filter(self, filter_id: UUID) -> FilterItem:
        row = await (await self._open_store()).catalog.read_filter(filter_id)
        if row is None:
            raise NotFoundError(f"there is no filter {filter_id}")
        return _build_filter(row)

    async def _build_view(self, details: WorkflowDetails) -> WorkflowView:
        store = await self._open_store()
        actions = set((await store.read_version(details.version_id)).actions)
        workers = await store.catalog.survey_workers(MOST_WORKERS, ended=False)
        places = {task.name: index for index, task in enumerate(details.tasks)}
        schema = None if details.input_schema is None else json.dumps(details.input_schema, ensure_ascii=False)
        return WorkflowView(
            name=details.name,
            description=details.description,
            version_id=details.version_id,
            digest=details.digest,
            created_at=details.created_at,
            served_at=details.served_at,
            default_priority=details.default_priority,
            input_schema=schema,
            tasks=[
                WorkflowTaskItem(
                    index=index,
                    name=task.name,
                    kind=task.kind,
                    parents=[places[parent] for parent in task.parents],
                    retries=task.retries,
                    backoff_factor=task.backoff_factor,
                    backoff_max_seconds=task.backoff_max_seconds,
                    backoff_jitter=task.backoff_jitter,
                    execution_timeout=task.execution_timeout,
                    schedule_timeout=task.schedule_timeout,
                    wait_for=task.wait_for,
                    skip_if=task.skip_if,
                    cancel_if=task.cancel_if,
                )
                for index, task in enumerate(details.tasks)
            ],
            on_events=list(details.on_events),
            crons=[WorkflowCronItem.model_validate(cron) for cron in details.crons],
            workers=sum(not row["late"] and not actions.isdisjoint(row["actions"]) for row in workers),
        )


def _build_worker(worker: WorkerSummary) -> WorkerItem:
    return WorkerItem(
        id=UUID(worker.worker_id),
        name=worker.name,
        status=worker.status.value,
        host=worker.host,
        pid=worker.pid,
        slots=worker.slots,
        slots_in_use=worker.slots_in_use,
        labels=json.dumps(worker.labels, ensure_ascii=False),
        serves={workflow: list(tasks) for workflow, tasks in worker.serves.items()},
        plait_version=worker.plait_version,
        started_at=worker.started_at,
        ended_at=worker.ended_at,
        heartbeat_age=worker.heartbeat_age,
    )


def _build_filter(row: Record) -> FilterItem:
    payload = row["payload"]
    return FilterItem(
        id=row["id"],
        workflow=row["workflow"],
        scope=row["scope"],
        expression=row["expression"],
        payload=show_payload(payload.encode() if isinstance(payload, str) else bytes(payload)),
        declared=row["declared"],
        created_at=row["created_at"],
    )


def _build_stats(rows: Sequence[Record], tasks: list[TaskStats]) -> WorkflowStats:
    failed = sum(row["status"] == Status.FAILED for row in rows)
    cancelled = sum(row["status"] == Status.CANCELLED for row in rows)
    took = [row["ms"] for row in rows if row["status"] != Status.CANCELLED]
    judged = len(rows) - cancelled
    since: datetime | None = rows[-1]["created_at"] if rows else None
    return WorkflowStats(
        runs=len(rows),
        failed=failed,
        cancelled=cancelled,
        failure_rate=failed / judged if judged else None,
        p50_ms=_find_quantile(took, 50),
        p95_ms=_find_quantile(took, 95),
        since=since,
        tasks=tasks,
    )


def _find_quantile(values: Sequence[float], percent: int) -> float | None:
    if len(values) < 2:
        return values[0] if values else None
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _build_task_stats(index: int, name: str, row: Record | None) -> TaskStats:
    if row is None:
        return TaskStats(index=index, name=name, p50_ms=None, p95_ms=None, attempts=0, failed=0)
    return TaskStats(
        index=index, name=name, p50_ms=row["p50"], p95_ms=row["p95"], attempts=row["outcomes"], failed=row["failed"]
    )
