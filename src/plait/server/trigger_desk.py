"""Events, crons and scheduled runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import NotFoundError, PlaitError
from plait.features.base import on_engine
from plait.graph.cron import Timetable, check_cron
from plait.graph.triggers import hide_trace
from plait.ids import bound_run_id
from plait.server.desk_base import DeskBase
from plait.server.models.common import Done, Payload, Started
from plait.server.models.triggers import (
    CronItem,
    CronOrder,
    CronPage,
    CronPreview,
    EventItem,
    EventOrder,
    EventPage,
    EventView,
    ScheduledChange,
    ScheduledItem,
    ScheduledOrder,
    ScheduledPage,
)
from plait.server.payloads import LIST_BYTES, PREVIEW_BYTES, cut_payload, parse_json, parse_object, show_payload
from plait.server.run_desk import FIRST_ID, LAST_ID, RunDesk
from plait.server.run_views import build_item

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.client import Plait
    from plait.store.store import Store

LOOK_AT = 50_000
"""Events that one page looks at."""
SHOWN_RUNS = 50
SHOWN_TIMES = 5
_FAR = datetime(9990, 1, 1, tzinfo=UTC)


class TriggerDesk(DeskBase):
    """Looks at, and changes, what starts runs."""

    def __init__(self, plait: Plait, runs: RunDesk) -> None:
        super().__init__(plait)
        self._runs = runs

    # events

    @on_engine
    async def list_events(
        self,
        key: str | None,
        scope: str | None,
        since: datetime | None,
        until: datetime | None,
        before: UUID | None,
        limit: int,
    ) -> EventPage:
        """A page of events, newest first."""
        store = await self._open_store()
        first = bound_run_id(since) if since else FIRST_ID
        below = min(before or LAST_ID, bound_run_id(until) if until else LAST_ID)
        rows = await store.dashboard.search_events(below, first, key, scope, LOOK_AT, limit, LIST_BYTES)
        if len(rows) == limit:
            following = rows[-1]["id"]
        else:
            following = await store.dashboard.find_event_before(below, first, LOOK_AT)
        items = [_build_event(row, show_payload(bytes(row["payload"]), row["payload_size"])) for row in rows]
        return EventPage(events=items, next=following)

    @on_engine
    async def get_event(self, event_id: UUID) -> EventView:
        """One event with the runs that it started."""
        store = await self._open_store()
        item = await self._read_event(store, event_id)
        rows = await store.list_triggered(event_id, FIRST_ID, SHOWN_RUNS + 1)
        full = await self._runs.read_given([row["id"] for row in rows[:SHOWN_RUNS]])
        runs = sorted((build_item(row) for row in full), key=lambda run: run.id)
        return EventView(event=item, runs=runs, runs_more=len(rows) > SHOWN_RUNS)

    @on_engine
    async def push_event(self, order: EventOrder) -> EventItem:
        """Push an event."""
        pushed = await self._plait.event.aio_push(
            order.key,
            parse_object(order.payload, "payload"),
            additional_metadata=None if order.metadata is None else parse_object(order.metadata, "metadata"),
            priority=order.priority,
            scope=order.scope,
        )
        return await self._read_event(await self._open_store(), UUID(pushed.event_id))

    @on_engine
    async def read_payload(self, event_id: UUID) -> bytes:
        """The whole payload of an event."""
        return bytes((await self._read_row(await self._open_store(), event_id))["payload"])

    async def _read_row(self, store: Store, event_id: UUID) -> Record:
        row = await store.events.read_event(event_id)
        if row is None:
            raise NotFoundError(f"there is no event {event_id}")
        return row

    async def _read_event(self, store: Store, event_id: UUID) -> EventItem:
        row = await self._read_row(store, event_id)
        return _build_event(row, cut_payload(bytes(row["payload"]), PREVIEW_BYTES))

    # crons

    @on_engine
    async def list_crons(self, workflow: str | None, after: UUID | None, limit: int) -> CronPage:
        """A page of crons by workflow and name."""
        store = await self._open_store()
        rows = await store.schedules.list_crons(workflow, None, None, after, limit)
        return CronPage(crons=[_build_cron(row) for row in rows], next=rows[-1]["id"] if len(rows) == limit else None)

    def preview_cron(self, expression: str, timezone: str) -> CronPreview:
        """What an expression means. Raises ``DefinitionError``."""
        timetable = check_cron(expression, timezone, "expression")
        return CronPreview(explanation=timetable.explain(), next_times=_list_times(timetable))

    @on_engine
    async def create_cron(self, order: CronOrder) -> CronItem:
        """Make a cron."""
        made = await self._plait.cron.aio_create(
            order.workflow,
            order.name,
            order.expression,
            parse_json(order.input, "input"),
            None if order.metadata is None else parse_object(order.metadata, "metadata"),
            order.priority,
            timezone=order.timezone,
            catch_up=order.catch_up,
        )
        row = await (await self._open_store()).schedules.read_cron(UUID(made.id))
        if row is None:
            raise NotFoundError(f"cron {made.id} was deleted meanwhile")
        return _build_cron(row)

    @on_engine
    async def pause_cron(self, cron_id: UUID, paused: bool) -> Done:
        """Pause a cron or let it go on."""
        await (self._plait.cron.aio_pause if paused else self._plait.cron.aio_unpause)(str(cron_id))
        return Done(done=True)

    @on_engine
    async def run_cron(self, cron_id: UUID) -> Started:
        """Start a run of a cron now."""
        return Started(id=UUID((await self._plait.cron.aio_run_now(str(cron_id))).workflow_run_id))

    @on_engine
    async def delete_cron(self, cron_id: UUID) -> Done:
        """Delete a cron."""
        await self._plait.cron.aio_delete(str(cron_id))
        return Done(done=True)

    # scheduled runs

    @on_engine
    async def list_scheduled(
        self, workflow: str | None, pending: bool, before: UUID | None, limit: int
    ) -> ScheduledPage:
        """A page of scheduled runs, the latest time first."""
        store = await self._open_store()
        rows = await store.schedules.list_scheduled(workflow, False if pending else None, None, before, limit)
        following = rows[-1]["id"] if len(rows) == limit else None
        return ScheduledPage(scheduled=[_build_scheduled(row) for row in rows], next=following)

    @on_engine
    async def create_scheduled(self, order: ScheduledOrder) -> ScheduledItem:
        """Have a run start at a time."""
        made = await self._plait.scheduled.aio_create(
            order.workflow,
            order.run_at,
            parse_json(order.input, "input"),
            None if order.metadata is None else parse_object(order.metadata, "metadata"),
            order.priority,
        )
        return await self._read_scheduled(UUID(made.id))

    @on_engine
    async def update_scheduled(self, scheduled_id: UUID, order: ScheduledChange) -> ScheduledItem:
        """Give a scheduled run another time."""
        await self._plait.scheduled.aio_update(str(scheduled_id), order.run_at)
        return await self._read_scheduled(scheduled_id)

    @on_engine
    async def delete_scheduled(self, scheduled_id: UUID) -> Done:
        """Delete a scheduled run."""
        await self._plait.scheduled.aio_delete(str(scheduled_id))
        return Done(done=True)

    async def _read_scheduled(self, scheduled_id: UUID) -> ScheduledItem:
        rows: Sequence[Record] = await (await self._open_store()).schedules.read_scheduled([scheduled_id])
        if not rows:
            raise NotFoundError(f"there is no scheduled run {scheduled_id}")
        return _build_scheduled(rows[0])


def _list_times(timetable: Timetable) -> list[datetime]:
    return timetable.list_fires(datetime.now(UTC), _FAR, SHOWN_TIMES)


def _build_event(row: Record, payload: Payload) -> EventItem:
    return EventItem(
        id=row["id"],
        key=row["key"],
        scope=row["scope"],
        priority=row["priority"],
        metadata=hide_trace(row["metadata"]),
        created_at=row["created_at"],
        delivered=row["position"] is not None,
        payload=payload,
    )


def _build_cron(row: Record) -> CronItem:
    try:
        times = _list_times(check_cron(row["expression"], row["timezone"], "cron"))
    except PlaitError:  # a zone that this machine does not know
        times = []
    return CronItem(
        id=row["id"],
        workflow=row["workflow"],
        name=row["name"],
        expression=row["expression"],
        timezone=row["timezone"],
        catch_up=row["catch_up"],
        paused=row["paused"],
        declared=row["declared"],
        priority=row["priority"],
        input=cut_payload(bytes(row["input"]), LIST_BYTES),
        metadata=row["metadata"],
        created_at=row["created_at"],
        last_at=row["last_at"],
        next_at=row["next_at"],
        next_times=times,
    )


def _build_scheduled(row: Record) -> ScheduledItem:
    return ScheduledItem(
        id=row["id"],
        workflow=row["workflow"],
        run_at=row["run_at"],
        priority=row["priority"],
        input=cut_payload(bytes(row["input"]), LIST_BYTES),
        metadata=row["metadata"],
        created_at=row["created_at"],
        run_id=row["run_id"],
    )
