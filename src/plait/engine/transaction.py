"""Starting runs inside the caller's own transaction: roll back, and they never existed.

One SQL function, ``plait.enqueue(text)``, does it through any driver; ``plait.enqueue_events(text)`` pushes events,
``plait.enqueue_scheduled(text)`` schedules runs. Known connections: psycopg (sync, async), psycopg2, asyncpg,
SQLAlchemy (``Session``, ``Connection``, ``AsyncSession``, ``AsyncConnection``) and Django's ``connection``. The schema
must be visible there: it is the same database that Plait uses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.errors import PARENT_ENDED, InvalidInputError, ParentEndedError

if TYPE_CHECKING:
    from plait.store.events import EventRow
    from plait.store.schedules import ScheduledRow
    from plait.store.store import StartRow

_PLAIN_ROWS: dict[str, Any] = {"row_factory": lambda _: tuple}
"""For psycopg: whatever kind of rows the caller's connection makes, this one is read by position."""


def render_rows(rows: Sequence[StartRow]) -> str:
    """Rows as the one JSON text that ``plait.enqueue`` takes. Inputs go in unchanged."""
    return "[" + ",".join(map(_render_row, rows)) + "]"


def enqueue(connection: Any, payload: str) -> list[UUID]:
    """Start runs on a synchronous connection, without committing. Raises ``InvalidInputError`` for other objects."""
    return _read_ids(_call(connection, "plait.enqueue", payload))


async def aio_enqueue(connection: Any, payload: str) -> list[UUID]:
    """Start runs on an asynchronous connection, without committing. A synchronous one works too and blocks."""
    return _read_ids(await _aio_call(connection, "plait.enqueue", payload))


def render_events(rows: Sequence[EventRow]) -> str:
    """Events as the one JSON text that ``plait.enqueue_events`` takes."""
    return "[" + ",".join(map(_render_event, rows)) + "]"


def enqueue_events(connection: Any, payload: str) -> None:
    """Push events on a synchronous connection, without committing."""
    _call(connection, "plait.enqueue_events", payload)


async def aio_enqueue_events(connection: Any, payload: str) -> None:
    """Push events on an asynchronous connection, without committing."""
    await _aio_call(connection, "plait.enqueue_events", payload)


def render_scheduled(rows: Sequence[ScheduledRow]) -> str:
    """Scheduled runs as the one JSON text that ``plait.enqueue_scheduled`` takes."""
    return "[" + ",".join(map(_render_scheduled, rows)) + "]"


def enqueue_scheduled(connection: Any, payload: str) -> None:
    """Schedule runs on a synchronous connection, without committing."""
    _call(connection, "plait.enqueue_scheduled", payload)


async def aio_enqueue_scheduled(connection: Any, payload: str) -> None:
    """Schedule runs on an asynchronous connection, without committing."""
    await _aio_call(connection, "plait.enqueue_scheduled", payload)


def _call(connection: Any, function: str, payload: str) -> Any:
    """The answer of an SQL function of one text argument, on the caller's connection."""
    kind = _classify(connection)
    if kind == "sqlalchemy":
        return connection.execute(_make_text(function), {"payload": payload}).scalar_one()
    if kind in ("dbapi", "psycopg"):
        with connection.cursor(**_PLAIN_ROWS if kind == "psycopg" else {}) as cursor:
            cursor.execute(f"SELECT {function}(%s)", (payload,))
            row = cursor.fetchone()
            return next(iter(row.values())) if isinstance(row, dict) else row[0]
    raise InvalidInputError(
        f"connection={_describe(connection)} cannot be used from synchronous code: pass a psycopg, SQLAlchemy or "
        "Django connection, or use the aio_ method"
    )


async def _aio_call(connection: Any, function: str, payload: str) -> Any:
    kind = _classify(connection)
    if kind == "async sqlalchemy":
        return (await connection.execute(_make_text(function), {"payload": payload})).scalar_one()
    if kind == "async psycopg":
        async with connection.cursor(**_PLAIN_ROWS) as cursor:
            await cursor.execute(f"SELECT {function}(%s)", (payload,))
            return (await cursor.fetchone())[0]
    if kind == "asyncpg":
        return await connection.fetchval(f"SELECT {function}($1)", payload)
    return _call(connection, function, payload)


def _render_row(row: StartRow) -> str:
    head = json.dumps(
        {
            "run_id": str(row.run_id),
            "version_id": row.version_id,
            "metadata": row.metadata,
            "priority": row.priority,
            "idempotency_key": row.idempotency_key,
            **_render_trigger(row),
        }
    )
    return f'{head[:-1]}, "input": {row.input.decode()}}}'


def _render_event(row: EventRow) -> str:
    head = json.dumps(
        {"id": str(row.id), "key": row.key, "metadata": row.metadata, "scope": row.scope, "priority": row.priority}
    )
    return f'{head[:-1]}, "payload": {row.payload.decode()}}}'


def _render_scheduled(row: ScheduledRow) -> str:
    head = json.dumps(
        {
            "id": str(row.id),
            "version_id": row.version_id,
            "run_at": row.run_at.isoformat(),
            "metadata": row.metadata,
            "priority": row.priority,
        }
    )
    return f'{head[:-1]}, "input": {row.input.decode()}}}'


def _render_trigger(row: StartRow) -> dict[str, Any]:
    trigger = row.trigger
    if trigger is None:
        return {}
    return {
        "trigger_kind": trigger.kind,
        "trigger_id": str(trigger.id),
        "trigger_task": trigger.task,
        "trigger_attempt": trigger.attempt,
        "child_key": trigger.child_key,
    }


def _classify(connection: Any) -> str:
    names = {f"{base.__module__}.{base.__qualname__}" for base in type(connection).__mro__}
    packages = {name.split(".")[0] for name in names}
    if "sqlalchemy" in packages:
        return (
            "async sqlalchemy"
            if any("Async" in name for name in names if "sqlalchemy.ext.asyncio" in name)
            else "sqlalchemy"
        )
    if "asyncpg" in packages:
        return "asyncpg"
    if "psycopg" in packages:
        return "async psycopg" if any("Async" in name for name in names) else "psycopg"
    if packages & {"psycopg2", "django"}:
        return "dbapi"
    return "unknown"


def _make_text(function: str) -> Any:
    from sqlalchemy import text  # noqa: PLC0415 - the caller has it, Plait does not need it

    return text(f"SELECT {function}(:payload)")


def _read_ids(value: Any) -> list[UUID]:
    if isinstance(value, str):  # a driver that does not read arrays of uuid
        value = [None if part == "NULL" else part for part in value.strip("{}").split(",") if part]
    if None in value:
        raise ParentEndedError(PARENT_ENDED)
    return [item if isinstance(item, UUID) else UUID(str(item)) for item in value]


def _describe(connection: Any) -> str:
    return f"{type(connection).__module__}.{type(connection).__qualname__}"
