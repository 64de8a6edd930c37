"""``/runs``: look at runs, start, cancel and replay them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response

from plait.server.models.common import Done, Limit, Started
from plait.server.models.runs import (
    BulkOrder,
    BulkResult,
    CancelOrder,
    ChildPage,
    LogPage,
    ReplayOrder,
    RunPage,
    RunQuery,
    RunStats,
    RunStatsQuery,
    RunView,
    TaskView,
    TriggerOrder,
)
from plait.server.permissions import READ, WRITE, make_router
from plait.server.routes.deps import JSON_FILE, At, TaskIndex, send_file

router = make_router("runs")


@router.get("/runs", **READ)
async def list_runs(desk: At, query: Annotated[RunQuery, Query()]) -> RunPage:
    """A page of runs, newest first."""
    return await desk.runs.list(query)


@router.get("/runs/stats", **READ)
async def count_runs(desk: At, query: Annotated[RunStatsQuery, Query()]) -> RunStats:
    """Counts per status and a histogram, over the newest of the runs that pass a filter."""
    return await desk.runs.count(query)


@router.post("/runs", status_code=201, **WRITE)
async def trigger_run(desk: At, order: TriggerOrder) -> Started:
    """Start a run of the version that is served. A run that is answered is durable."""
    return await desk.orders.trigger(order)


@router.post("/runs/bulk/cancel", **WRITE)
async def cancel_runs(desk: At, order: BulkOrder) -> BulkResult:
    """Cancel many runs, or count them."""
    return await desk.orders.bulk_cancel(order)


@router.post("/runs/bulk/replay", **WRITE)
async def replay_runs(desk: At, order: BulkOrder) -> BulkResult:
    """Replay many runs, or count them."""
    return await desk.orders.bulk_replay(order)


@router.get("/runs/{run_id}", **READ)
async def get_run(desk: At, run_id: UUID) -> RunView:
    """One run with its tasks."""
    return await desk.runs.get(run_id)


@router.get("/runs/{run_id}/children", **READ)
async def list_children(desk: At, run_id: UUID, after: UUID | None = None, limit: Limit = 100) -> ChildPage:
    """The runs that a run's tasks started, oldest first."""
    return await desk.runs.list_children(run_id, after, limit)


@router.get("/runs/{run_id}/input", response_class=Response, responses=JSON_FILE, **READ)
async def download_input(desk: At, run_id: UUID) -> Response:
    """The whole input, as a file."""
    return send_file(await desk.runs.read_input(run_id), f"{run_id}-input.json")


@router.get("/runs/{run_id}/logs", **READ)
async def list_logs(
    desk: At,
    run_id: UUID,
    task: Annotated[int | None, Query(ge=0, le=32_767, description="Index of a task.")] = None,
    attempt: Annotated[int | None, Query(ge=1, le=32_767)] = None,
    search: Annotated[
        str | None, Query(max_length=200, description="Lines that hold this, in capitals or not.")
    ] = None,
    after: Annotated[str | None, Query(max_length=40, description="`next` of the page before.")] = None,
    limit: Limit = 200,
) -> LogPage:
    """Lines that the tasks of a run logged, oldest first."""
    return await desk.runs.list_logs(run_id, task, attempt, search, after, limit)


@router.post("/runs/{run_id}/cancel", **WRITE)
async def cancel_run(desk: At, run_id: UUID, order: CancelOrder | None = None) -> Done:
    """Cancel a run with its child runs; `done` is false when it had ended before."""
    return await desk.orders.cancel(run_id, order or CancelOrder())


@router.post("/runs/{run_id}/replay", **WRITE)
async def replay_run(desk: At, run_id: UUID, order: ReplayOrder | None = None) -> Started:
    """Run again what did not complete; the answer names a new run if `input` is given, else this one."""
    return await desk.orders.replay(run_id, order or ReplayOrder.model_validate({}))


@router.get("/runs/{run_id}/tasks/{task}", **READ)
async def get_task(desk: At, run_id: UUID, task: TaskIndex) -> TaskView:
    """One task with its payloads, errors and all of its attempts."""
    return await desk.runs.get_task(run_id, task)


@router.get("/runs/{run_id}/tasks/{task}/{what}", response_class=Response, responses=JSON_FILE, **READ)
async def download_payload(desk: At, run_id: UUID, task: TaskIndex, what: Literal["output", "error"]) -> Response:
    """The whole output or error of a task, as a file."""
    return send_file(await desk.runs.read_payload(run_id, task, what), f"{run_id}-{task}-{what}.json")


@router.post("/runs/{run_id}/tasks/{task}/cancel", **WRITE)
async def cancel_task(desk: At, run_id: UUID, task: TaskIndex) -> Done:
    """Cancel one task; what depends on it is cancelled too, the rest of the run goes on."""
    return await desk.orders.cancel_task(run_id, task)
