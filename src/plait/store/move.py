"""Moves everything Plait has in one database into another one, by COPY, within one transaction on each side."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from plait.errors import OperationError
from plait.store import schema
from plait.store.connection import connect
from plait.store.urls import hide_password

if TYPE_CHECKING:
    from asyncpg import Connection

_BUFFERED = 8
"""Pieces of a table that are read ahead: a large row is a piece of its own."""

_PATIENCE = 5.0
"""Seconds that a connection is given to roll back or to close before it is cut."""

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
_RENAMING = """
SELECT to_regnamespace('plait_moved') IS NOT NULL AS left_over, current_user AS role, current_database() AS database,
    has_database_privilege(current_database(), 'CREATE') AS may_create,
    pg_has_role(nspowner, 'USAGE') AS is_owner
FROM pg_namespace WHERE nspname = 'plait'
"""
_MAY_NOT_RENAME = (
    "the role {role} cannot rename the source's schema plait, the last step of a move: move with a role that "
    'owns it and may create schemas (GRANT CREATE ON DATABASE "{database}" TO "{role}")'
)


_LOCK = """
DO $do$
DECLARE
    name text;
    until timestamptz := clock_timestamp() + current_setting('deadlock_timeout')::interval / 3;
BEGIN
    FOREACH name IN ARRAY ARRAY[{names}] LOOP
        PERFORM set_config('lock_timeout',
            ceil(greatest(1, extract(epoch FROM until - clock_timestamp()) * 1000))::text, true);
        EXECUTE format('LOCK TABLE plait.%I IN EXCLUSIVE MODE', name);
    END LOOP;
    PERFORM set_config('lock_timeout', '0', true);
END
$do$
"""
"""Locks all tables, or none: gives up before anybody who waits for one of them while it waits for another is told that
this is a deadlock."""
_PAUSES = 0.05, 0.25
"""Seconds in which those who write get ahead, at least and at most, before the tables are tried again."""


class MoveRefusedError(OperationError):
    """The data cannot be moved as things stand; the message says what is in the way. Nothing was changed."""


@dataclass(slots=True)
class Moved:
    """How many rows of each table were moved, and where to. ``committing``, then ``done``: how far it has come."""

    target: str
    rows: dict[str, int] = field(default_factory=dict)
    committing: bool = False
    done: bool = False


async def move(source_url: str, target_url: str, tell: Callable[[str], None] = lambda _: None) -> Moved:
    """Copy all of Plait's tables from one database to another and retire them in the first.

    While it works nobody can write to the source, so that nothing is left behind; afterwards its schema is called
    ``plait_moved``, and an error message there says where everything went. The target is committed first: a crash
    leaves either nothing moved, or everything in both places. ``tell`` is given each table's name before it is copied.

    Raises ``MoveRefusedError`` when workers are alive, when both are the same database, when the target holds
    something already or when the source's schema cannot be renamed; ``SchemaError`` when the source's schema is not up
    to date; ``OperationError`` when a connection is lost or a server refuses something on the way.
    """
    async with _open(source_url) as source, _open(target_url) as target:
        moved = Moved(hide_password(target_url))
        await _watch(_move(source, target, moved, tell), source, target, moved)
        return moved


@asynccontextmanager
async def _open(url: str) -> AsyncIterator[Connection]:
    connection = await connect(url)
    try:
        yield connection
    finally:
        try:
            await connection.close(timeout=_PATIENCE)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # asyncio's TimeoutError is an OSError
            connection.terminate()


async def _watch(work: Coroutine[None, None, None], source: Connection, target: Connection, moved: Moved) -> None:
    """Do the work until it ends or one of the connections does: a COPY into one that is lost waits for ever."""
    lost = asyncio.Event()
    for connection in (source, target):
        connection.add_termination_listener(lambda _: lost.set())
    task, watching = asyncio.create_task(work), asyncio.create_task(lost.wait())
    try:
        await asyncio.wait([task, watching], return_when=asyncio.FIRST_COMPLETED)
        sides = [name for name, one in (("source", source), ("target", target)) if one.is_closed()]
    finally:
        watching.cancel()
        await _end(task, source, target)
    finished = task.done() and not task.cancelled()
    error = task.exception() if finished else None
    if sides and (error is not None or not finished):
        raise OperationError(f"the connection to the {sides[0]} was lost: {_say_outcome(moved)}") from error
    if isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError)):
        raise OperationError(f"{error}: {_say_outcome(moved)}") from error
    await task


async def _end(task: asyncio.Task[None], source: Connection, target: Connection) -> None:
    """Cancel what is not done and let it roll back; cut the connections that hold it up. An error is retrieved: where
    ``move`` itself is cancelled nobody else asks for it."""
    task.cancel()
    await asyncio.wait({task}, timeout=_PATIENCE)
    if not task.done():
        for connection in (source, target):
            connection.terminate()
        await asyncio.wait({task}, timeout=_PATIENCE)
    if task.done() and not task.cancelled():
        task.exception()


def _say_outcome(moved: Moved) -> str:
    if moved.done:
        return f"everything was moved to {moved.target} before"
    if moved.committing:
        return (
            f"it is not known whether everything was moved to {moved.target}. Repeat the move: it says where the "
            f"data is. If source and target both have it, they are equal: keep one"
        )
    return "nothing was moved; fix that, then repeat the move"


async def _move(source: Connection, target: Connection, moved: Moved, tell: Callable[[str], None]) -> None:
    for connection in (source, target):
        await connection.execute("SET statement_timeout = 0")
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
    await _check_source(source)
    if await _is_same_database(source, target):
        raise MoveRefusedError("source and target are the same database")
    await schema.upgrade(target)
    async with source.transaction():
        tables = {row["name"]: row["columns"] for row in await source.fetch(_TABLES)}
        await _lock(source, tables)
        if alive := await source.fetchval(_LIVE):
            raise MoveRefusedError(f"workers are alive: {', '.join(alive)}; stop them first")
        async with target.transaction():
            await _lock(target, tables)
            await target.execute("DELETE FROM plait.era")  # an empty queue has one, too
            await _check_empty(target, tables, moved.target)
            for name, columns in tables.items():
                tell(name)
                moved.rows[name] = await _copy(source, target, name, columns)
            for row in await source.fetch(_SEQUENCES):
                await target.fetchval("SELECT setval($1::text::regclass, $2)", row["name"], row["last_value"])
            await _retire(source, moved.target)  # before the target's commit: if it fails, neither has changed
            moved.committing = True
    moved.done = True
    await target.execute("ANALYZE")


async def _check_source(source: Connection) -> None:
    """Refuse what would fail after hours of copying only."""
    await schema.check_version(source)
    if (found := await schema.read_version(source)) > schema.latest_version():
        raise MoveRefusedError(f"the source has schema {found}, newer than this Plait can copy: upgrade Plait here")
    row = await source.fetchrow(_RENAMING)
    assert row is not None
    if row["left_over"]:
        raise MoveRefusedError(
            "the source already has a schema plait_moved, from an earlier move, and this move needs that name. "
            "Rename it, or drop it if nobody needs it (DROP SCHEMA plait_moved CASCADE)"
        )
    if not (row["may_create"] and row["is_owner"]):
        raise MoveRefusedError(_MAY_NOT_RENAME.format(**row))


async def _is_same_database(source: Connection, target: Connection) -> bool:
    """Whether both connections lead to one database, whatever the addresses: a lock that one takes, the other sees."""
    key = secrets.randbits(31)
    async with source.transaction():
        await source.execute("SELECT pg_advisory_xact_lock(0, $1)", key)
        sql = """SELECT EXISTS (
            SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
            WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = $1::int8
              AND d.datname = current_database())"""
        return bool(await target.fetchval(sql, key))


async def _lock(connection: Connection, tables: Iterable[str]) -> None:
    """Wait for transactions that write, and keep new ones out until the end; reading goes on.

    Writers take the tables in orders of their own, so whoever held some of them and waited for the rest would be in a
    deadlock with them sooner or later.
    """
    sql = _LOCK.format(names=", ".join(f"'{name}'" for name in tables))
    while True:
        try:
            async with connection.transaction():
                await connection.execute(sql)
            return
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(random.uniform(*_PAUSES))


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
        status: str = await source.copy_from_table(
            table, schema_name="plait", columns=columns, format="binary", output=pieces.put
        )
        await pieces.put(None)
        return status

    async def iterate() -> AsyncIterator[bytes]:
        while (piece := await pieces.get()) is not None:
            yield piece

    async def write() -> str:
        status: str = await target.copy_to_table(
            table, schema_name="plait", columns=columns, format="binary", source=iterate()
        )
        return status

    # A group: when one side fails the other would wait for it, on a queue that is full or empty, for ever.
    try:
        async with asyncio.TaskGroup() as group:
            sides = [group.create_task(read()), group.create_task(write())]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    counts = [int(side.result().rpartition(" ")[2]) for side in sides]
    if counts[0] != counts[1]:
        raise OperationError(f"{counts[0]} rows of {table} were read and {counts[1]} written; nothing was moved")
    return counts[0]


async def _retire(source: Connection, where: str) -> None:
    note = await source.fetchval("SELECT quote_literal($1::text)", where)
    try:
        await source.execute("ALTER SCHEMA plait RENAME TO plait_moved")
        await source.execute(f"COMMENT ON SCHEMA plait_moved IS {note}")
    except asyncpg.PostgresError as error:
        raise MoveRefusedError(
            f"the source's schema plait cannot be renamed to plait_moved ({error}): nothing was moved. Fix that, "
            "then repeat the move"
        ) from error
