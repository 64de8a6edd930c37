"""Statements about events, and about tasks that wait for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.store.connection import LinkPool
from plait.store.statements import load_sql

if TYPE_CHECKING:
    from asyncpg import Record


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event to store. ``payload`` is JSON bytes, ``metadata`` JSON text."""

    id: UUID
    key: str
    payload: bytes
    metadata: str | None
    scope: str | None
    priority: int | None


Group = tuple[str, str, int, int]
"""Tasks of a version that wait for an event: key, scope (empty: any), version id, task index."""


@dataclass(slots=True)
class Delivery:
    """What delivering ``events`` comes to: the runs that they start and whom they concern.

    ``starts``: (position of the event from 1, run id, version id, metadata, priority); ``heard``: the position of the
    first event that may concern a group, None if none does.
    """

    events: list[UUID]
    starts: list[tuple[int, UUID, int, str | None, int]] = field(default_factory=list)
    heard: dict[Group, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The database's answer. ``woken``: how many waiting tasks, ``actions``: theirs. Not ``complete``: some are still
    to be woken, see ``EventStore.continue_deliveries``."""

    woken: int
    complete: bool
    actions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ParkRow:
    """A task to park until a time or an event. Durations in microseconds, None for none; ``wanted``: (condition number,
    key, scope) of the events that would release it; ``met``: JSON, see ``plait.wait``."""

    run_id: UUID
    task: int
    attempt: int
    version_id: int
    schedule_us: int
    sleep_us: int | None
    position: int
    met: str
    wanted: tuple[tuple[int, str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Parked:
    """The database's answer: the next time one of the tasks is due, and the actions of those that went back to ready
    because of an event nobody had seen."""

    next_due: datetime | None
    actions: tuple[int, ...]


class EventStore:
    """Pushing and delivering events; parking tasks until one comes."""

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool

    async def push(self, rows: Sequence[EventRow]) -> datetime | None:
        """Store events in one commit and return the time they got; None if all were there already."""
        row = await self._pool.fetchrow(load_sql("push_events"), *spread_events(rows))
        return row["push_events"] if row else None

    async def search(
        self,
        before: UUID,
        first: UUID,
        keys: Sequence[str] | None,
        scopes: Sequence[str] | None,
        look_at: int,
        limit: int,
        payload_bytes: int | None,
    ) -> list[Record]:
        """At most ``limit`` events that pass, among the newest ``look_at`` from ``first`` to below ``before``."""
        return await self._pool.fetch(
            load_sql("search_events"), before, first, keys, scopes, look_at, limit, payload_bytes
        )

    async def find_before(self, before: UUID, first: UUID, places: int) -> UUID | None:
        """The id of the event ``places`` before another; None when there are not so many down to ``first``."""
        row = await self._pool.fetchrow(load_sql("find_event_before"), before, first, places)
        return row["id"] if row else None

    async def read_event(self, event_id: UUID) -> Record | None:
        """One event, or None."""
        return await self._pool.fetchrow(load_sql("read_event"), event_id)

    async def read_inbox(self, limit: int, size: int, without: Sequence[UUID]) -> list[Record]:
        """Events that are to be delivered, oldest first, with about ``size`` bytes of payload at the most."""
        return await self._pool.fetch(load_sql("read_inbox"), limit, size, without)

    async def read_listeners(self, keys: Sequence[str], scopes: Sequence[str]) -> list[Record]:
        """Workflows that events start, with their filters of ``scopes``; groups of tasks that wait for such an event:
        the key at its place with the scope at the same place, empty for none."""
        return await self._pool.fetch(load_sql("read_listeners"), keys, scopes)

    async def deliver(self, delivery: Delivery, most: int) -> Delivered:
        """Deliver events; those that somebody else delivered meanwhile are left alone."""
        starts = [list(column) for column in zip(*delivery.starts, strict=True)] or [[] for _ in range(5)]
        heard = [(*group, place) for group, place in delivery.heard.items()]
        groups = [list(column) for column in zip(*heard, strict=True)] or [[] for _ in range(5)]
        row = await self._pool.fetchrow(load_sql("deliver_events"), delivery.events, most, *starts, *groups)
        return _read_delivered(row)

    async def continue_deliveries(self, most: int) -> Delivered:
        """Wake up to ``most`` more of the tasks that deliveries left to be woken."""
        return _read_delivered(await self._pool.fetchrow(load_sql("continue_deliveries"), most))

    async def read_waits(self, runs: Sequence[UUID], tasks: Sequence[int]) -> list[Record]:
        """What tasks with conditions have seen so far."""
        return await self._pool.fetch(load_sql("read_waits"), runs, tasks)

    async def read_since(
        self, questions: Sequence[tuple[str, int, int]], limit: int, size: int, *, payloads: bool
    ) -> list[Record]:
        """Events for each question (keys as a JSON array, pushed behind a position, delivered behind a position): at
        most ``limit`` and about ``size`` bytes of payload for each."""
        keys, pushed, positions = (list(column) for column in zip(*questions, strict=True))
        return await self._pool.fetch(load_sql("read_events_since"), keys, pushed, positions, payloads, limit, size)

    async def read_payloads(self, ids: Sequence[UUID]) -> list[Record]:
        """Key and payload of events by id."""
        return await self._pool.fetch(load_sql("read_payloads"), ids)

    async def park(self, worker_id: UUID, rows: Sequence[ParkRow]) -> Parked:
        """Move tasks from running to waiting."""
        answer = await self._pool.fetchrow(load_sql("park_tasks"), worker_id, *_spread_parked(rows))
        if answer is None:
            return Parked(None, ())
        return Parked(answer["next_due"], tuple(answer["actions"] or ()))


def spread_events(rows: Sequence[EventRow]) -> tuple[list[Any], ...]:
    """Events as the arrays of ``push_events.sql``."""
    return (
        [row.id for row in rows],
        [row.key for row in rows],
        [row.payload for row in rows],
        [row.metadata for row in rows],
        [row.scope for row in rows],
        [row.priority for row in rows],
    )


def _spread_parked(rows: Sequence[ParkRow]) -> tuple[list[Any], ...]:
    return (
        [row.run_id for row in rows],
        [row.task for row in rows],
        [row.attempt for row in rows],
        [row.version_id for row in rows],
        [row.schedule_us for row in rows],
        [row.sleep_us for row in rows],
        [row.position for row in rows],
        [row.met for row in rows],
        [json.dumps(row.wanted) if row.wanted else None for row in rows],
    )


def _read_delivered(row: Record | None) -> Delivered:
    return Delivered(row["woken"], row["complete"], tuple(row["actions"] or ())) if row else Delivered(0, True, ())
