"""``/workflows``, ``/workers``, ``/queues`` and ``/filters``."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from plait.server.models.catalog import (
    FilterChange,
    FilterItem,
    FilterOrder,
    FilterPage,
    QueueList,
    VersionDiff,
    VersionPage,
    WorkerList,
    WorkerView,
    WorkflowPage,
    WorkflowStats,
    WorkflowView,
)
from plait.server.models.common import Done, Limit, VersionId
from plait.server.permissions import READ, WRITE, make_router
from plait.server.routes.deps import At, WorkflowName

router = make_router("workflows")
workers = make_router("workers")
filters = make_router("filters")

Text = Annotated[str | None, Query(min_length=1, max_length=500)]


@router.get("/workflows", **READ)
async def list_workflows(desk: At, search: Text = None, after: Text = None, limit: Limit = 100) -> WorkflowPage:
    """A page of workflows, in order of their names."""
    return await desk.catalog.list_workflows(search, after, limit)


# A name may hold slashes: what comes behind it is looked for first.


@router.get("/workflows/{name:path}/versions", **READ)
async def list_versions(
    desk: At, name: WorkflowName, before: VersionId | None = None, limit: Limit = 50
) -> VersionPage:
    """Versions of a workflow, newest first."""
    return await desk.catalog.list_versions(name, before, limit)


@router.get("/workflows/{name:path}/versions/{version_id}", **READ)
async def get_version(desk: At, name: WorkflowName, version_id: VersionId) -> WorkflowView:
    """One version of a workflow."""
    return await desk.catalog.get_version(name, version_id)


@router.get("/workflows/{name:path}/diff", **READ)
async def compare_versions(desk: At, name: WorkflowName, before: VersionId, after: VersionId) -> VersionDiff:
    """What changed between two versions."""
    return await desk.catalog.compare(name, before, after)


@router.get("/workflows/{name:path}/stats", **READ)
async def get_workflow_stats(
    desk: At, name: WorkflowName, last: Annotated[int, Query(ge=1, le=2000, description="Finished runs.")] = 500
) -> WorkflowStats:
    """Durations and failure rate of the newest finished runs."""
    return await desk.catalog.get_stats(name, last)


@router.get("/workflows/{name:path}", **READ)
async def get_workflow(desk: At, name: WorkflowName) -> WorkflowView:
    """The served version of a workflow, else its newest."""
    return await desk.catalog.get_workflow(name)


@workers.get("/workers", **READ)
async def list_workers(desk: At, ended: bool = False, limit: Limit = 200) -> WorkerList:
    """Workers that live or fell silent, last started first; with `ended`, those that ended lately too."""
    return await desk.catalog.list_workers(ended, limit)


@workers.get("/workers/{worker_id}", **READ)
async def get_worker(desk: At, worker_id: UUID) -> WorkerView:
    """One worker, with what it runs now."""
    return await desk.catalog.get_worker(worker_id)


@workers.get("/queues", **READ)
async def list_queues(desk: At, workflow: Text = None) -> QueueList:
    """What is ready, runs and waits now, by workflow and task."""
    return await desk.catalog.list_queues(workflow)


@filters.get("/filters", **READ)
async def list_filters(
    desk: At, workflow: Text = None, scope: Text = None, after: UUID | None = None, limit: Limit = 100
) -> FilterPage:
    """A page of event filters."""
    return await desk.catalog.list_filters(workflow, scope, after, limit)


@filters.post("/filters", status_code=201, **WRITE)
async def create_filter(desk: At, order: FilterOrder) -> FilterItem:
    """Make an event filter."""
    return await desk.catalog.create_filter(order)


@filters.patch("/filters/{filter_id}", **WRITE)
async def update_filter(desk: At, filter_id: UUID, order: FilterChange) -> FilterItem:
    """Change an event filter that was not declared in code."""
    return await desk.catalog.update_filter(filter_id, order)


@filters.delete("/filters/{filter_id}", **WRITE)
async def delete_filter(desk: At, filter_id: UUID) -> Done:
    """Delete an event filter that was not declared in code."""
    return await desk.catalog.delete_filter(filter_id)
