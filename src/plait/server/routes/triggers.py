"""``/events``, ``/crons`` and ``/scheduled``: what starts runs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from plait.features.cron import CronDetails, CronPreview
from plait.features.event import Event, EventDetails
from plait.features.scheduled import ScheduledRun, ScheduledRunStatus
from plait.features.shapes import Page
from plait.server.answers import Done, Started
from plait.server.json_text import parse_json, parse_metadata, parse_object
from plait.server.permissions import READ, WRITE, make_router
from plait.server.requests import (
    CronExpression,
    CronRequest,
    EventRequest,
    Limit,
    Moment,
    ScheduledChange,
    ScheduledRequest,
    ZoneName,
)
from plait.server.routes.deps import JSON_FILE, Ask, Text, choose_one, name_id, send_file

events = make_router("events")
crons = make_router("crons")
scheduled = make_router("scheduled")


@events.get("/events", **READ)
async def list_events(
    ask: Ask,
    key: Text = None,
    scope: Text = None,
    since: Moment | None = None,
    until: Moment | None = None,
    before: UUID | None = None,
    limit: Limit = 50,
) -> Page[Event]:
    """A page of events, newest first."""
    return await ask.event.aio_list(
        keys=choose_one(key), scopes=choose_one(scope), since=since, until=until, limit=limit, before=name_id(before)
    )


@events.post("/events", status_code=201, **WRITE)
async def push_event(ask: Ask, body: EventRequest) -> Event:
    """Push an event. Once this answers, the event is durable; a worker delivers it some milliseconds later."""
    pushed = await ask.event.aio_push(
        body.key,
        parse_object(body.payload, "payload"),
        additional_metadata=parse_metadata(body.metadata),
        priority=body.priority,
        scope=body.scope,
    )
    return await ask.event.aio_get(pushed.id)


@events.get("/events/{event_id}", **READ)
async def get_event(ask: Ask, event_id: UUID) -> EventDetails:
    """One event with its payload and the newest runs that it started."""
    return await ask.event.aio_get(str(event_id))


@events.get("/events/{event_id}/payload", response_class=Response, responses=JSON_FILE, **READ)
async def download_event(ask: Ask, event_id: UUID) -> Response:
    """The whole payload of an event, as a file."""
    return send_file(await ask.event.aio_read_payload(str(event_id)), f"{event_id}.json")


@crons.get("/crons", **READ)
async def list_crons(
    ask: Ask, workflow: Text = None, after: UUID | None = None, limit: Limit = 100
) -> Page[CronDetails]:
    """A page of crons, by workflow and name."""
    return await ask.cron.aio_list(workflow_name=workflow, limit=limit, after=name_id(after))


@crons.get("/crons/preview", **READ)
async def preview_cron(ask: Ask, expression: CronExpression, timezone: ZoneName = "UTC") -> CronPreview:
    """Explain a cron expression in words, with its next five times."""
    return ask.cron.preview(expression, timezone)


@crons.post("/crons", status_code=201, **WRITE)
async def create_cron(ask: Ask, body: CronRequest) -> CronDetails:
    """Make a cron."""
    return await ask.cron.aio_create(
        body.workflow,
        body.name,
        body.expression,
        parse_json(body.input, "input"),
        parse_metadata(body.metadata),
        body.priority,
        timezone=body.timezone,
        catch_up=body.catch_up,
    )


@crons.post("/crons/{cron_id}/pause", **WRITE)
async def pause_cron(ask: Ask, cron_id: UUID) -> CronDetails:
    """Pause a cron: it starts no runs until it is unpaused."""
    return await ask.cron.aio_pause(str(cron_id))


@crons.post("/crons/{cron_id}/unpause", **WRITE)
async def unpause_cron(ask: Ask, cron_id: UUID) -> CronDetails:
    """Unpause a cron: it starts runs again from now."""
    return await ask.cron.aio_unpause(str(cron_id))


@crons.post("/crons/{cron_id}/run", status_code=201, **WRITE)
async def run_cron(ask: Ask, cron_id: UUID) -> Started:
    """Start a run of a cron now, beside its times."""
    return Started(id=UUID((await ask.cron.aio_run_now(str(cron_id))).workflow_run_id))


@crons.delete("/crons/{cron_id}", **WRITE)
async def delete_cron(ask: Ask, cron_id: UUID) -> Done:
    """Delete a cron that was not declared in code."""
    await ask.cron.aio_delete(str(cron_id))
    return Done(done=True)


@scheduled.get("/scheduled", **READ)
async def list_scheduled(
    ask: Ask,
    workflow: Text = None,
    pending: Annotated[bool, Query(description="Only those that did not start yet.")] = False,
    before: UUID | None = None,
    limit: Limit = 100,
) -> Page[ScheduledRun]:
    """A page of scheduled runs, the latest time first."""
    statuses = [ScheduledRunStatus.SCHEDULED] if pending else None
    return await ask.scheduled.aio_list(workflow_name=workflow, statuses=statuses, limit=limit, before=name_id(before))


@scheduled.post("/scheduled", status_code=201, **WRITE)
async def create_scheduled(ask: Ask, body: ScheduledRequest) -> ScheduledRun:
    """Schedule a run for a time."""
    return await ask.scheduled.aio_create(
        body.workflow,
        body.run_at,
        parse_json(body.input, "input"),
        parse_metadata(body.metadata),
        body.priority,
    )


@scheduled.patch("/scheduled/{scheduled_id}", **WRITE)
async def update_scheduled(ask: Ask, scheduled_id: UUID, body: ScheduledChange) -> ScheduledRun:
    """Move a scheduled run that did not start yet to another time."""
    return await ask.scheduled.aio_update(str(scheduled_id), body.run_at)


@scheduled.delete("/scheduled/{scheduled_id}", **WRITE)
async def delete_scheduled(ask: Ask, scheduled_id: UUID) -> Done:
    """Delete a scheduled run that did not start yet."""
    await ask.scheduled.aio_delete(str(scheduled_id))
    return Done(done=True)
