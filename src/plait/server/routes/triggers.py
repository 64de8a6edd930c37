"""``/events``, ``/crons`` and ``/scheduled``: what starts runs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from plait.server.models.common import Done, Limit, Moment, Started
from plait.server.models.triggers import (
    CronItem,
    CronOrder,
    CronPage,
    CronPreview,
    EventItem,
    EventOrder,
    EventPage,
    EventView,
    Expression,
    ScheduledChange,
    ScheduledItem,
    ScheduledOrder,
    ScheduledPage,
    ZoneName,
)
from plait.server.permissions import READ, WRITE, make_router
from plait.server.routes.deps import JSON_FILE, At, send_file

events = make_router("events")
crons = make_router("crons")
scheduled = make_router("scheduled")

Text = Annotated[str | None, Query(min_length=1, max_length=500)]


@events.get("/events", **READ)
async def list_events(
    desk: At,
    key: Text = None,
    scope: Text = None,
    since: Moment | None = None,
    until: Moment | None = None,
    before: UUID | None = None,
    limit: Limit = 50,
) -> EventPage:
    """A page of events, newest first."""
    return await desk.triggers.list_events(key, scope, since, until, before, limit)


@events.post("/events", status_code=201, **WRITE)
async def push_event(desk: At, order: EventOrder) -> EventItem:
    """Push an event. It is durable once it is answered, and delivered some milliseconds later."""
    return await desk.triggers.push_event(order)


@events.get("/events/{event_id}", **READ)
async def get_event(desk: At, event_id: UUID) -> EventView:
    """One event with its payload and the runs that it started."""
    return await desk.triggers.get_event(event_id)


@events.get("/events/{event_id}/payload", response_class=Response, responses=JSON_FILE, **READ)
async def download_event(desk: At, event_id: UUID) -> Response:
    """The whole payload of an event, as a file."""
    return send_file(await desk.triggers.read_payload(event_id), f"{event_id}.json")


@crons.get("/crons", **READ)
async def list_crons(desk: At, workflow: Text = None, after: UUID | None = None, limit: Limit = 100) -> CronPage:
    """A page of crons."""
    return await desk.triggers.list_crons(workflow, after, limit)


@crons.get("/crons/preview", **READ)
async def preview_cron(desk: At, expression: Expression, timezone: ZoneName = "UTC") -> CronPreview:
    """What an expression means: in words, and its next five times."""
    return desk.triggers.preview_cron(expression, timezone)


@crons.post("/crons", status_code=201, **WRITE)
async def create_cron(desk: At, order: CronOrder) -> CronItem:
    """Make a cron."""
    return await desk.triggers.create_cron(order)


@crons.post("/crons/{cron_id}/pause", **WRITE)
async def pause_cron(desk: At, cron_id: UUID) -> Done:
    """Have a cron start nothing until it is resumed."""
    return await desk.triggers.pause_cron(cron_id, True)


@crons.post("/crons/{cron_id}/resume", **WRITE)
async def resume_cron(desk: At, cron_id: UUID) -> Done:
    """Have a paused cron go on from now."""
    return await desk.triggers.pause_cron(cron_id, False)


@crons.post("/crons/{cron_id}/run", status_code=201, **WRITE)
async def run_cron(desk: At, cron_id: UUID) -> Started:
    """Start a run of a cron now, beside its times."""
    return await desk.triggers.run_cron(cron_id)


@crons.delete("/crons/{cron_id}", **WRITE)
async def delete_cron(desk: At, cron_id: UUID) -> Done:
    """Delete a cron that was not declared in code."""
    return await desk.triggers.delete_cron(cron_id)


@scheduled.get("/scheduled", **READ)
async def list_scheduled(
    desk: At,
    workflow: Text = None,
    pending: Annotated[bool, Query(description="Only those that did not start yet.")] = False,
    before: UUID | None = None,
    limit: Limit = 100,
) -> ScheduledPage:
    """A page of scheduled runs, the latest time first."""
    return await desk.triggers.list_scheduled(workflow, pending, before, limit)


@scheduled.post("/scheduled", status_code=201, **WRITE)
async def create_scheduled(desk: At, order: ScheduledOrder) -> ScheduledItem:
    """Have a run start at a time."""
    return await desk.triggers.create_scheduled(order)


@scheduled.patch("/scheduled/{scheduled_id}", **WRITE)
async def update_scheduled(desk: At, scheduled_id: UUID, order: ScheduledChange) -> ScheduledItem:
    """Move a scheduled run that did not start yet to another time."""
    return await desk.triggers.update_scheduled(scheduled_id, order)


@scheduled.delete("/scheduled/{scheduled_id}", **WRITE)
async def delete_scheduled(desk: At, scheduled_id: UUID) -> Done:
    """Delete a scheduled run that did not start yet."""
    return await desk.triggers.delete_scheduled(scheduled_id)
