"""``plait.event``: pushing events, and asking what they did."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter

from plait.engine import transaction
from plait.engine.current import current_attempt
from plait.errors import InvalidInputError, NotFoundError
from plait.features.base import FeatureClient, on_engine, sync_twin
from plait.features.checks import check_limit, check_text, check_texts, parse_id
from plait.features.run_search import bound_ids
from plait.features.run_views import RunSummary
from plait.features.runs import RunsClient
from plait.features.shapes import LIST_BYTES, PREVIEW_BYTES, Answer, Id, Json, JsonObject, Page, show_json
from plait.graph.triggers import read_metadata
from plait.ids import new_run_id
from plait.tracing import find_tracing
from plait.types import Priority, check_priority
from plait.values.encoding import decode_json, encode_metadata, encode_value, merge_metadata
from plait.wording import shorten

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.events import EventRow

_ANY: TypeAdapter[Any] = TypeAdapter(Any)
LOOK_AT = 50_000
"""Events that one page looks at."""
SHOWN_RUNS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Answer):
    """One event. ``delivered``: its runs were started and the tasks that wait for it were woken; a worker does that,
    some milliseconds after the push. ``created_at`` is None in the answer to a push."""

    id: Id
    key: str
    scope: str | None
    priority: int | None
    payload: Json
    metadata: JsonObject
    created_at: datetime | None
    delivered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDetails(Event):
    """One event with the newest runs that it started; ``plait.runs.list(triggered_by=...)`` has the others."""

    runs: Page[RunSummary]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPushEventWithMetadata:
    """One event for ``bulk_push``."""

    key: str
    payload: Mapping[str, Any] | BaseModel
    additional_metadata: Mapping[str, Any] = field(default_factory=dict)
    priority: Priority | int | None = None
    scope: str | None = None


class EventClient(FeatureClient):
    """Events start the workflows whose ``on_events`` match their key, and release tasks that wait for them.

    A push that returned survives any crash. Payloads are JSON objects; a bad one raises ``InvalidInputError`` or
    ``PayloadTooLargeError`` and nothing is stored.
    """

    def push(
        self,
        event_key: str,
        payload: Mapping[str, Any] | BaseModel = MappingProxyType({}),
        *,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: Priority | int | None = None,
        scope: str | None = None,
        connection: Any = None,
    ) -> Event:
        """Push an event.

        Args:
            event_key: what ``on_events`` and ``UserEventCondition`` name, such as ``user:created``.
            payload: a JSON object, empty unless given: the input of the runs that it starts.
            additional_metadata: metadata of the event, and of those runs.
            priority: the priority of those runs, 1 to 3; unless given, that of their workflow.
            scope: filters and conditions with a scope apply to the event only if theirs is this one.
            connection: push inside the caller's own transaction (see ``run_no_wait``): nothing happens until it
                commits.
        """
        row = self._make_row(event_key, payload, additional_metadata, priority, scope)
        if connection is None:
            return self._access.portal.call(self._push([row]))[0]

        self._access.portal.call(self._access.open_patiently())
        transaction.enqueue_events(connection, transaction.render_events([row]))
        return _build_pushed(row)

    async def aio_push(
        self,
        event_key: str,
        payload: Mapping[str, Any] | BaseModel = MappingProxyType({}),
        *,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: Priority | int | None = None,
        scope: str | None = None,
        connection: Any = None,
    ) -> Event:
        """``push`` without blocking the loop."""
        row = self._make_row(event_key, payload, additional_metadata, priority, scope)
        if connection is None:
            return (await self._access.portal.acall(self._push([row])))[0]

        await self._access.portal.acall(self._access.open_patiently())
        await transaction.aio_enqueue_events(connection, transaction.render_events([row]))
        return _build_pushed(row)

    @on_engine
    async def aio_bulk_push(self, events: Sequence[BulkPushEventWithMetadata]) -> builtins.list[Event]:
        """Push many events, in bulk, in this order. All are checked before any is stored."""
        rows = [
            self._make_row(event.key, event.payload, event.additional_metadata, event.priority, event.scope, place)
            for place, event in enumerate(events)
        ]
        return await self._push(rows) if rows else []

    bulk_push = sync_twin(aio_bulk_push)

    @on_engine
    async def aio_get(self, event_id: str) -> EventDetails:
        """One event with the runs that it started. Raises ``NotFoundError``."""
        row = await self._read(event_id)
        runs = RunsClient(self._access, previews=self._previews)
        return EventDetails(
            **_read_event(row, show_json(bytes(row["payload"]), self._previews, PREVIEW_BYTES)),
            runs=await runs.aio_list(triggered_by=event_id, limit=SHOWN_RUNS),
        )

    get = sync_twin(aio_get)

    @on_engine
    async def aio_list(
        self,
        *,
        keys: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        scopes: Sequence[str] | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Page[Event]:
        """A page of events, newest first.

        As with runs, a page looks at a bounded number of events: go on with ``before=page.next`` until that is None.

        Args:
            keys, scopes: any of these.
            since, until: pushed at or after ``since`` and before ``until``, by the clock of whoever pushed them.
            limit: 1 to 1000.
        """
        store = (await self._open_store()).events
        count = check_limit(limit)
        first, below = bound_ids(since, until)
        if before is not None:
            below = min(below, parse_id(before, "event"))
        chosen = check_texts(keys, "keys") or None, check_texts(scopes, "scopes") or None
        rows = await store.search(below, first, *chosen, LOOK_AT, count, LIST_BYTES if self._previews else None)
        full = len(rows) == count
        following = rows[-1]["id"] if full else await store.find_before(below, first, LOOK_AT)
        events = [
            Event(**_read_event(row, show_json(bytes(row["payload"]), self._previews, LIST_BYTES, row["payload_size"])))
            for row in rows
        ]
        return Page(tuple(events), None if following is None else str(following), following is not None and not full)

    list = sync_twin(aio_list)

    @on_engine
    async def aio_read_payload(self, event_id: str) -> bytes:
        """The payload of an event, as the JSON that is stored."""
        return bytes((await self._read(event_id))["payload"])

    async def _read(self, event_id: str) -> Record:
        row = await (await self._open_store()).events.read_event(parse_id(event_id, "event"))
        if row is None:
            raise NotFoundError(f"there is no event {event_id}; `plait events list` shows those there are")
        return row

    async def _push(self, rows: builtins.list[EventRow]) -> builtins.list[Event]:
        await (await self._access.open_patiently()).push_events(rows)
        return [_build_pushed(row) for row in rows]

    def _make_row(
        self,
        key: str,
        payload: Any,
        metadata: Mapping[str, Any] | None,
        priority: int | None,
        scope: str | None,
        place: int | None = None,
    ) -> EventRow:
        from plait.store.events import EventRow  # noqa: PLC0415 - asyncpg comes with it

        where = f"event {shorten(key)}" if place is None else f"event {place} of the bulk, {shorten(key)}"
        if not isinstance(payload, (Mapping, BaseModel)):
            raise InvalidInputError(f"{where}: payload is {type(payload).__name__}: give a dict or a pydantic model")
        data = encode_value(
            dict(payload) if isinstance(payload, Mapping) else payload,
            _ANY,
            where=where,
            root="payload",
            limit=self._access.payload_limit,
            error=InvalidInputError,
        )
        told = merge_metadata((_find_source(), metadata), where)
        if (tracing := find_tracing()) is not None:
            told = tracing.carry(told)
        return EventRow(
            new_run_id(),
            check_text(key, f"{where}: event_key"),
            data,
            encode_metadata(told, where=where),
            None if scope is None else check_text(scope, f"{where}: scope"),
            None if priority is None else check_priority(priority, f"{where}: priority", InvalidInputError),
        )


def _find_source() -> dict[str, str]:
    """Inside a task: which run and task pushed the event."""
    current = current_attempt.get()
    if current is None:
        return {}
    return {"plait.source_run_id": str(current.attempt.run.id), "plait.source_task": current.attempt.name}


def _build_pushed(row: EventRow) -> Event:
    return Event(
        id=str(row.id),
        key=row.key,
        scope=row.scope,
        priority=row.priority,
        payload=decode_json(row.payload),
        metadata=read_metadata(row.metadata),
        created_at=None,
        delivered=False,
    )


def _read_event(row: Any, payload: Any) -> dict[str, Any]:
    """The fields of an ``Event``."""
    return {
        "id": str(row["id"]),
        "key": row["key"],
        "scope": row["scope"],
        "priority": row["priority"],
        "payload": payload,
        "metadata": read_metadata(row["metadata"]),
        "created_at": row["created_at"],
        "delivered": row["position"] is not None,
    }
