"""``/stream``: what changed, as server-sent events."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse

from plait.server.answers import StreamChange
from plait.server.permissions import READ, make_router

router = make_router("stream")


class EventStreamResponse(StreamingResponse):
    media_type = "text/event-stream"


@router.get(
    "/stream",
    response_class=EventStreamResponse,
    responses={200: {"model": StreamChange, "description": "Server-sent events."}},
    **READ,
)
async def stream_changes(
    request: Request,
    run: Annotated[UUID | None, Query(description="Send only changes and logs of this run.")] = None,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> EventStreamResponse:
    """What changed, as it changes.

    Events: `change` with a `StreamChange` as data; `reset` when something may have been missed (also as the first of a
    new stream): fetch everything that is shown again. A comment comes at least every 15 seconds. After a lost
    connection, `Last-Event-ID` goes on where it broke. Nothing depends on this stream: a page that polls sees the same.
    """
    frames = request.app.state.broker.stream(run, last_event_id)
    return EventStreamResponse(frames, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
