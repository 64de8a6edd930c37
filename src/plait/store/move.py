"""Moves everything Plait has in one database into another one, by COPY, within one transaction on each side."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from plait.errors import OperationError
from plait.store import schema
from plait.store.connection import connect, hide_password

if TYPE_CHECKING:
    from asyncpg import Connection

_BUFFERED = 32
"""Pieces of a table (64 KB about) that are read ahead."""

_TABLES = """
SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'plait'::regnamespace AND c.relkind = 'r' AND c.relname <> 'migration'
GROUP BY c.relname ORDER BY c.relname
"""
_LIVE = """
SELECT array_agg(name || ' on ' || host ORDER BY name, host) FROM plait.worker
WHERE ended_at IS NULL AND heartbeat_at > plait.now() - lease_us * interval '1 microsecond'
"""
_SEQUENCES = """
SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) AS name, last_value
FROM pg_sequences WHERE schemaname = 'plait' AND last_value IS NOT NULL
"""


class MoveRefusedError(OperationError):
    """The data cannot be moved as things stand; the message says what is in the way. Nothing was changed."""


@dataclass(slots=True)
class Moved:
    """How many rows of each table were moved, and where to."""

    target: str
    rows: dict[str, int] = field(default_factory=dict)


async def move(source_url: str, target_url: str, tell: Callable[[str], None] = lambda _: None) -> Moved:
    """Copy all of Plait's tables from one database to another and retire them in the first.

    While it works nobody can write to the source, so that nothing is left behind; afterwards its schema is called
    ``plait_moved``, and whoever comes there is told where everything went. The target is committed first: a crash
    leaves either nothing moved, or everything in both places. ``tell`` is given each table's name before it is copied.

    Raises ``MoveRefusedError`` when workers are alive, when both are the same database or when the target holds
    something already; ``SchemaError`` when the source's schema is not up to date.
    """
    source = await connect(source_url)
    try:
        target = await connect(target_url)
        try:
            return await _move(source, target, hide_password(target_url), tell)
        finally:
            await target.close()
    finally:
        await source.close()


async def _move(source: Connection, target: Connection, where: str, tell: Callable[[str], None]) -> Moved:
    for connection in (source, target):
        await connection.execute("SET statement_timeout = 0")
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
    await schema.check_version(source)
    if (found := await schema.read_version(source)) > schema.latest_version():
        raise MoveRefusedError(f"the source has schema {found}, newer than this Plait can copy: upgrade Plait here")
    if await _is_same_database(source, target):
        raise MoveRefusedError("source and target are the same database")
    await schema.upgrade(target)
    moved = Moved(where)
    async with source.transaction():
        tables = {row["name"]: row["columns"] for row in await source.fetch(_TABLES)}
        names = ", ".join(f'plait."{name}"' for name in sorted(tables))
        # Waits for transactions that write, and keeps new ones out until the end; reading goes on.
        await source.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
        if alive := await source.fetchval(_LIVE):
            raise MoveRefusedError(f"workers are alive: {', '.join(alive)}; stop them first")
        async with target.transaction():
            await target.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
            await _check_empty(target, tables, where)
            for name, columns in tables.items():
                tell(name)
                moved.rows[name] = await _copy(source, target, name, columns)
            for row in await source.fetch(_SEQUENCES):
                await target.fetchval("SELECT setval($1::text::regclass, $2)", row["name"], row["last_value"])
        await _retire(source, where)
    await target.execute("ANALYZE")
    return moved


async def _is_same_database(source: Connection, target: Connection) -> bool:
    """Whether both connections lead to one database, whatever the addresses: a lock that one takes, the other sees."""
    key = secrets.randbits(31)
    await source.execute("SELECT pg_advisory_lock(0, $1)", key)
    try:
        sql = """SELECT EXISTS (
            SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
            WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = $1::int8
              AND d.datname = current_database())"""
        return bool(await target.fetchval(sql, key))
    finally:
        await source.execute("SELECT pg_advisory_unlock(0, $1)", key)


async def _check_empty(target: Connection, tables: Iterable[str], where: str) -> None:
    full = [name for name in tables if await target.fetchval(f'SELECT EXISTS (SELECT 1 FROM plait."{name}")')]
    if full:
        raise MoveRefusedError(
            f"{where} holds Plait's data already (in {', '.join(full)}): give a database without it, or drop its "
            "schema plait if nobody needs that"
        )


async def _copy(source: Connection, target: Connection, table: str, columns: Sequence[str]) -> int:
    """Stream a table from one side to the other. Returns its rows, counted by both."""
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_BUFFERED)

    async def read() -> str:
        try:
            status: str = await source.copy_from_table(
                table, schema_name="plait", columns=columns, format="binary", output=pieces.put
            )
            return status
        finally:
            await pieces.put(None)

    async def iterate() -> AsyncIterator[bytes]:
        while (piece := await pieces.get()) is not None:
            yield piece

    reading = asyncio.create_task(read())
    try:
        written = await target.copy_to_table(
            table, schema_name="plait", columns=columns, format="binary", source=iterate()
        )
    except BaseException:
        reading.cancel()
        raise
    counts = [int(status.rpartition(" ")[2]) for status in (await reading, written)]
    if counts[0] != counts[1]:
        raise OperationError(f"{counts[0]} rows of {table} were read and {counts[1]} written; nothing was moved")
    return counts[0]


async def _retire(source: Connection, where: str) -> None:
    note = await source.fetchval("SELECT quote_literal($1::text)", where)
    await source.execute("ALTER SCHEMA plait RENAME TO plait_moved")
    await source.execute(f"COMMENT ON SCHEMA plait_moved IS {note}")
