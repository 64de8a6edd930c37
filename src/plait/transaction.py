"""Starting runs inside the caller's own transaction: roll back, and they never existed.

One SQL function, ``plait.enqueue(text)``, does it through any driver. Known connections: psycopg (sync, async),
psycopg2, asyncpg, SQLAlchemy (``Session``, ``Connection``, ``AsyncSession``, ``AsyncConnection``) and Django's
``connection``. The schema must be visible there: it is the same database that Plait uses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.errors import InvalidInputError

if TYPE_CHECKING:
    from plait.store.store import StartRow

_PYFORMAT = "SELECT plait.enqueue(%s)"
_PLAIN_ROWS: dict[str, Any] = {"row_factory": lambda _: tuple}
"""For psycopg: whatever kind of rows the caller's connection makes, this one is read by position."""


def render_rows(rows: Sequence[StartRow]) -> str:
    """Rows as the one JSON text that ``plait.enqueue`` takes. Inputs go in to the letter."""
    return "[" + ",".join(map(_render_row, rows)) + "]"


def enqueue(connection: Any, payload: str) -> list[UUID]:
    """Start runs on a synchronous connection, without committing. Raises ``InvalidInputError`` for other objects."""
    kind = _classify(connection)
    if kind == "sqlalchemy":
        return _read_ids(connection.execute(_make_text(), {"payload": payload}).scalar_one())
    if kind in ("dbapi", "psycopg"):
        with connection.cursor(**_PLAIN_ROWS if kind == "psycopg" else {}) as cursor:
            cursor.execute(_PYFORMAT, (payload,))
            row = cursor.fetchone()
            return _read_ids(next(iter(row.values())) if isinstance(row, dict) else row[0])
    raise InvalidInputError(
        f"connection={_describe(connection)} cannot be used from synchronous code: pass a psycopg, SQLAlchemy or "
        "Django connection, or use the aio_ method"
    )


async def aio_enqueue(connection: Any, payload: str) -> list[UUID]:
    """Start runs on an asynchronous connection, without committing. A synchronous one works too and blocks."""
    kind = _classify(connection)
    if kind == "async sqlalchemy":
        return _read_ids((await connection.execute(_make_text(), {"payload": payload})).scalar_one())
    if kind == "async psycopg":
        async with connection.cursor(**_PLAIN_ROWS) as cursor:
            await cursor.execute(_PYFORMAT, (payload,))
            return _read_ids((await cursor.fetchone())[0])
    if kind == "asyncpg":
        return _read_ids(await connection.fetchval("SELECT plait.enqueue($1)", payload))
    return enqueue(connection, payload)


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


def _render_trigger(row: StartRow) -> dict[str, Any]:
    trigger = row.trigger
    if trigger is None:
        return {}
    names = ("trigger_kind", "trigger_id", "trigger_task", "child_key")
    return dict(zip(names, (trigger.kind, str(trigger.id), trigger.task, trigger.child_key), strict=True))


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


def _make_text() -> Any:
    from sqlalchemy import text  # noqa: PLC0415 - the caller has it, Plait does not need it

    return text("SELECT plait.enqueue(:payload)")


def _read_ids(value: Any) -> list[UUID]:
    if isinstance(value, str):  # a driver that does not read arrays of uuid
        value = [part for part in value.strip("{}").split(",") if part]
    return [item if isinstance(item, UUID) else UUID(str(item)) for item in value]


def _describe(connection: Any) -> str:
    return f"{type(connection).__module__}.{type(connection).__qualname__}"
