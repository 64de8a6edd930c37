"""``/runs``: look at runs, start, cancel and replay them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response

from plait.errors import InvalidInputError
from plait.features.logs import LogLine
from plait.features.run_control import BulkResult
from plait.features.run_stats import RunStats
from plait.features.run_views import ChildRun, RunDetails, RunSummary, TaskDetails
from plait.features.shapes import Page
from plait.server.answers import Done, Started
from plait.server.json_text import parse_json, parse_metadata
from plait.server.permissions import READ, WRITE, make_router
from plait.server.requests import (
    BulkRequest,
    CancelRequest,
    Limit,
    ReplayRequest,
    RunQuery,
    RunStatsQuery,
    TriggerRequest,
)
from plait.server.routes.deps import JSON_FILE, Ask, TaskIndex, Text, name_id, send_file
from plait.types import UNSET

router = make_router("runs")

MOST_MATCHED = 5_000
"""Runs that one request deals with; whoever asked goes on."""
MOST_COUNTED = 100_000
BY_PERSON = "cancelled in the dashboard"


@router.get("/runs", **READ)
async def list_runs(ask: Ask, query: Annotated[RunQuery, Query()]) -> Page[RunSummary]:
    """A page of runs, newest first."""
    return await ask.runs.aio_search(query.build(), limit=query.limit, before=name_id(query.before))


@router.get("/runs/stats", **READ)
async def count_runs(ask: Ask, query: Annotated[RunStatsQuery, Query()]) -> RunStats:
    """Counts per status and a histogram, over the newest of the runs that pass a filter."""
    return await ask.runs.aio_get_stats(query.build(), bars=query.bars)


@router.post("/runs", status_code=201, **WRITE)
async def trigger_run(ask: Ask, body: TriggerRequest) -> Started:
    """Start a run of the version that is served. Once this answers, the run is durable."""
    ref = await ask.runs.aio_create(
        body.workflow,
        parse_json(body.input, "input"),
        parse_metadata(body.metadata),
        body.priority,
        idempotency_key=body.idempotency_key,
    )
    return Started(id=UUID(ref.workflow_run_id))


@router.post("/runs/bulk/cancel", **WRITE)
async def cancel_runs(ask: Ask, body: BulkRequest) -> BulkResult:
    """Cancel many runs, or count them."""
    if body.from_start:
        raise InvalidInputError("from_start is only for replay; leave it out to cancel")
    return await ask.runs.aio_bulk_cancel(**body.build(), reason=BY_PERSON, most=_bound(body))


@router.post("/runs/bulk/replay", **WRITE)
async def replay_runs(ask: Ask, body: BulkRequest) -> BulkResult:
    """Replay many runs, or count them."""
    return await ask.runs.aio_bulk_replay(**body.build(), from_start=body.from_start, most=_bound(body))


@router.get("/runs/{run_id}", **READ)
async def get_run(ask: Ask, run_id: UUID) -> RunDetails:
    """One run with its tasks."""
    return await ask.runs.aio_get_details(str(run_id))


@router.get("/runs/{run_id}/children", **READ)
async def list_children(ask: Ask, run_id: UUID, after: UUID | None = None, limit: Limit = 100) -> Page[ChildRun]:
    """The runs that a run's tasks started, oldest first."""
    return await ask.runs.aio_list_children(str(run_id), limit=limit, after=name_id(after))


@router.get("/runs/{run_id}/input", response_class=Response, responses=JSON_FILE, **READ)
async def download_input(ask: Ask, run_id: UUID) -> Response:
    """The whole input, as a file."""
    return send_file(await ask.runs.aio_read_input(str(run_id)), f"{run_id}-input.json")


@router.get("/runs/{run_id}/logs", **READ)
async def list_logs(
    ask: Ask,
    run_id: UUID,
    task: Text = None,
    attempt: Annotated[int | None, Query(ge=1, le=32_767)] = None,
    search: Annotated[
        str | None,
        Query(max_length=200, description="Only lines that contain this text; upper and lower case are the same."),
    ] = None,
    after: Annotated[str | None, Query(max_length=40, description="`cursor` of the last line you have.")] = None,
    limit: Limit = 200,
) -> Page[LogLine]:
    """Lines that the tasks of a run logged, oldest first.

    Follow a run by asking again with the last line's `cursor` whenever the stream tells of new ones; lines of other
    tasks may come in late by up to a second, so begin again from the start when the run has ended.
    """
    return await ask.runs.aio_list_logs(
        str(run_id), task=task, attempt=attempt, search=search, after=after, limit=limit
    )


@router.post("/runs/{run_id}/cancel", **WRITE)
async def cancel_run(ask: Ask, run_id: UUID, body: CancelRequest | None = None) -> Done:
    """Cancel a run with its child runs; `done` is false when it had ended before."""
    reason = (body and body.reason) or BY_PERSON
    return Done(done=await ask.runs.aio_cancel(str(run_id), reason=reason))


@router.post("/runs/{run_id}/replay", **WRITE)
async def replay_run(ask: Ask, run_id: UUID, body: ReplayRequest | None = None) -> Started:
    """Run again the tasks that did not complete; the answer names a new run if `input` is given, else this one."""
    wanted = body or ReplayRequest.model_validate({})
    ref = await ask.runs.aio_replay(
        str(run_id),
        from_start=wanted.from_start,
        tasks=wanted.tasks,
        input=UNSET if wanted.input is None else parse_json(wanted.input, "input"),
        additional_metadata=parse_metadata(wanted.metadata),
        priority=wanted.priority,
    )
    return Started(id=UUID(ref.workflow_run_id))


@router.get("/runs/{run_id}/tasks/{index}", **READ)
async def get_task(ask: Ask, run_id: UUID, index: TaskIndex) -> TaskDetails:
    """One task with its payloads, errors and attempts."""
    return await ask.runs.aio_get_task(str(run_id), index)


@router.get("/runs/{run_id}/tasks/{index}/{what}", response_class=Response, responses=JSON_FILE, **READ)
async def download_payload(ask: Ask, run_id: UUID, index: TaskIndex, what: Literal["output", "error"]) -> Response:
    """The whole output or error of a task, as a file."""
    return send_file(await ask.runs.aio_read_payload(str(run_id), index, what), f"{run_id}-{index}-{what}.json")


@router.post("/runs/{run_id}/tasks/{index}/cancel", **WRITE)
async def cancel_task(ask: Ask, run_id: UUID, index: TaskIndex) -> Done:
    """Cancel one task; what depends on it is cancelled too, the rest of the run goes on."""
    await ask.runs.aio_cancel_task(str(run_id), index)
    return Done(done=True)


def _bound(body: BulkRequest) -> int:
    return MOST_COUNTED if body.dry_run else MOST_MATCHED
