"""``/workflows``, ``/workers``, ``/queues`` and ``/filters``."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from plait.errors import InvalidInputError, NotFoundError
from plait.features.activity import QueueMetrics
from plait.features.filters import Filter
from plait.features.shapes import Page
from plait.features.versions import VersionDiff
from plait.features.workers import WorkerDetails, WorkerSummary
from plait.features.workflow_stats import MOST_MEASURED, WorkflowStats
from plait.features.workflows import WorkflowDetails, WorkflowSummary, WorkflowVersion
from plait.server.answers import Done
from plait.server.json_text import parse_object
from plait.server.permissions import READ, WRITE, make_router
from plait.server.requests import FilterChange, FilterRequest, Limit, VersionId
from plait.server.routes.deps import Ask, Text, WorkflowName, choose_one, name_id

router = make_router("workflows")
workers = make_router("workers")
filters = make_router("filters")


@router.get("/workflows", **READ)
async def list_workflows(
    ask: Ask, search: Text = None, after: Text = None, limit: Limit = 100
) -> Page[WorkflowSummary]:
    """A page of workflows, in order of their names."""
    return await ask.workflows.aio_list(limit=limit, after=after, name_contains=search)


# A name may hold slashes: what comes behind it is looked for first.


@router.get("/workflows/{name:path}/versions", **READ)
async def list_versions(
    ask: Ask, name: WorkflowName, before: VersionId | None = None, limit: Limit = 50
) -> Page[WorkflowVersion]:
    """Versions of a workflow, newest first."""
    return await ask.workflows.aio_list_versions(name, limit=limit, before=before)


@router.get("/workflows/{name:path}/versions/{version_id}", **READ)
async def get_version(ask: Ask, name: WorkflowName, version_id: VersionId) -> WorkflowDetails:
    """One version of a workflow."""
    details = await ask.workflows.aio_get_version(version_id)
    if details.name != name:
        raise NotFoundError(f"workflow version {version_id} is one of {details.name!r}, not of {name!r}")
    return details


@router.get("/workflows/{name:path}/diff", **READ)
async def compare_versions(ask: Ask, name: WorkflowName, before: VersionId, after: VersionId) -> VersionDiff:
    """What changed between two versions."""
    return await ask.workflows.aio_compare(name, before, after)


@router.get("/workflows/{name:path}/stats", **READ)
async def get_workflow_stats(
    ask: Ask,
    name: WorkflowName,
    last: Annotated[int, Query(ge=1, le=MOST_MEASURED, description="Finished runs.")] = 500,
) -> WorkflowStats:
    """Durations and failure rate of the newest finished runs."""
    return await ask.workflows.aio_get_stats(name, last=last)


@router.get("/workflows/{name:path}", **READ)
async def get_workflow(ask: Ask, name: WorkflowName) -> WorkflowDetails:
    """The served version of a workflow, else its newest."""
    return await ask.workflows.aio_get(name)


@workers.get("/workers", **READ)
async def list_workers(ask: Ask, ended: bool = False, limit: Limit = 200) -> Page[WorkerSummary]:
    """Running and late workers, last started first; with `ended`, also those that ended lately."""
    return await ask.workers.aio_list(ended=ended, limit=limit)


@workers.get("/workers/{worker_id}", **READ)
async def get_worker(ask: Ask, worker_id: UUID) -> WorkerDetails:
    """One worker, with what it runs now."""
    return await ask.workers.aio_get(str(worker_id))


@workers.get("/queues", **READ)
async def list_queues(ask: Ask, workflow: Text = None) -> QueueMetrics:
    """Numbers of tasks that are ready, run or wait now, by workflow and task."""
    return await ask.metrics.aio_get_queue_metrics(workflow_names=choose_one(workflow))


@filters.get("/filters", **READ)
async def list_filters(
    ask: Ask, workflow: Text = None, scope: Text = None, after: UUID | None = None, limit: Limit = 100
) -> Page[Filter]:
    """A page of event filters."""
    return await ask.filters.aio_list(
        workflow_names=choose_one(workflow), scopes=choose_one(scope), limit=limit, after=name_id(after)
    )


@filters.post("/filters", status_code=201, **WRITE)
async def create_filter(ask: Ask, body: FilterRequest) -> Filter:
    """Make an event filter."""
    payload = parse_object(body.payload, "payload")
    return await ask.filters.aio_create(body.workflow, body.expression, body.scope, payload)


@filters.patch("/filters/{filter_id}", **WRITE)
async def update_filter(ask: Ask, filter_id: UUID, body: FilterChange) -> Filter:
    """Change an event filter that was not declared in code."""
    payload = None if body.payload is None else parse_object(body.payload, "payload")
    if (body.expression, body.scope, payload) == (None, None, None):
        raise InvalidInputError("there is nothing to change: give expression, scope or payload")
    return await ask.filters.aio_update(str(filter_id), expression=body.expression, scope=body.scope, payload=payload)


@filters.delete("/filters/{filter_id}", **WRITE)
async def delete_filter(ask: Ask, filter_id: UUID) -> Done:
    """Delete an event filter that was not declared in code."""
    await ask.filters.aio_delete(str(filter_id))
    return Done(done=True)
