"""The schema: numbered migrations for what holds data, and the functions and views as they are now.

Tables, columns and indexes come from ``migrations/NNNN_<what>.sql``, applied in order. Functions and views hold no
data: each stands once, in ``functions`` and ``views``, and an upgrade puts all of them in place after its migrations,
in the same transaction. So a function is changed in its file, with a migration whose number says that something is due.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from plait.errors import SchemaError
from plait.faultpoints import reach
from plait.store.statements import list_sql, read_sql

if TYPE_CHECKING:
    from asyncpg import Connection

logger = logging.getLogger("plait.store")

CHECKING = "plait schema"
"""The name of sessions that only look whether the schema is right, and upgrade it."""
LOCK_WAIT = "500ms"
PATIENCE = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0

_LOCK_KEY = 0x706C616974  # "plait"

# Bodies name functions whose turn has not come yet.
_UNCHECKED = "SET LOCAL check_function_bodies = off;\n"

_MOVED_TO = "SELECT obj_description(to_regnamespace('plait_moved'), 'pg_namespace')"

_WORKS_WITH = re.compile(r"^-- Works with code for schema (\d+)\.$", re.M)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the tables. ``sql`` runs in one transaction together with its row in ``plait.migration``.

    ``works_with``: code that was made for this schema, or a later one, works with the result as well. A migration says
    so in a line of its own, ``-- Works with code for schema N.``; one that does not is for its own code only.
    """

    version: int
    name: str
    sql: str

    @property
    def works_with(self) -> int:
        found = _WORKS_WITH.search(self.sql)
        return int(found[1]) if found else self.version

    @property
    def note(self) -> str:
        """The statement that notes it as applied."""
        return (
            "INSERT INTO plait.migration (version, name, works_with) "
            f"VALUES ({self.version}, '{self.name}', {self.works_with})"
        )


@cache
def list_migrations() -> tuple[Migration, ...]:
    """All migrations this version of Plait brings, in order."""
    found = []
    for path in list_sql("migrations"):
        if match := re.fullmatch(r"migrations/(\d{4})_(\w+)\.sql", path):
            found.append(Migration(int(match[1]), match[2], read_sql(path)))
    return tuple(found)


def list_routines() -> tuple[str, ...]:
    """The SQL of all functions, then of all views, as they are with the latest migration."""
    return tuple(read_sql(path) for folder in ("functions", "views") for path in list_sql(folder))


def latest_version() -> int:
    """The schema version this Plait works with."""
    return list_migrations()[-1].version


async def read_version(connection: Connection) -> int:
    """The schema version of the database; 0 when there is no Plait schema yet. Raises ``SchemaError`` when what was
    there has been moved elsewhere, for a new one beside it would hide that; and when it was made before the first
    release."""
    if await connection.fetchval("SELECT to_regclass('plait.migration')") is None:
        await check_not_moved(connection)
        return 0
    found = await connection.fetchrow(_STATE)
    assert found is not None
    _refuse_other(found["first"])
    return found["version"] or 0


_STATE = "SELECT max(version) AS version, min(name) FILTER (WHERE version = 1) AS first FROM plait.migration"


def _refuse_other(first: str | None) -> None:
    """Raise ``SchemaError`` unless the schema began with the first migration there is, by its name."""
    if first not in (None, list_migrations()[0].name):
        raise SchemaError(
            "the database was made by a Plait from before the first release and cannot be upgraded: create it again. "
            'Stop what uses it, run plait db psql -- -c "DROP SCHEMA plait CASCADE" (all runs in it are gone; '
            '"ALTER SCHEMA plait RENAME TO plait_alpha" keeps them to look at), then plait db upgrade'
        )


async def check_not_moved(connection: Connection) -> None:
    """Raise ``SchemaError`` when what was there has been moved elsewhere, saying where to."""
    _refuse_moved(await connection.fetchval(_MOVED_TO))


def _refuse_moved(place: str | None) -> None:
    if place is not None:
        raise SchemaError(
            f"everything that was here has been moved to {place} by `plait db move`: name that database, as "
            "DATABASE_URL for instance. (To use the old state again: ALTER SCHEMA plait_moved RENAME TO plait)"
        )


async def check_version(connection: Connection) -> None:
    """Raise ``SchemaError`` with the way out unless the database has a schema this Plait works with: its own, or a
    newer one that is said to work with it."""
    found, wanted = await read_version(connection), latest_version()
    if found < wanted:
        what = "has no Plait schema" if found == 0 else f"has Plait schema {found}, this Plait needs {wanted}"
        raise SchemaError(f"the database {what}: run `plait db upgrade` (or `plait db sql` to apply it by hand)")
    await _check_not_too_new(connection, found)


async def _check_not_too_new(connection: Connection, found: int) -> None:
    wanted = latest_version()
    if found <= wanted:
        return
    # Every one that is not known here counts.
    sql = "SELECT max(works_with) FROM plait.migration WHERE version > $1"
    oldest: int | None = await connection.fetchval(sql, wanted)
    if oldest is None or oldest > wanted:
        raise SchemaError(
            f"the database has Plait schema {found}, too new for this Plait (it knows {wanted}): upgrade Plait here"
        )


async def upgrade(connection: Connection, *, dry_run: bool = False) -> list[Migration]:
    """Bring the database to ``latest_version`` and return the migrations applied (or, dry, those that would be).

    Safe to call by any number of processes at once: an advisory lock lets one go first, the others then find nothing
    to do. All is one transaction: an upgrade that fails leaves everything as it was. A newer schema is left alone;
    raises ``SchemaError`` if it does not work with this Plait.

    Whoever uses a table waits behind an upgrade that waits for it. So it gives up after ``LOCK_WAIT``, and tries again,
    in between leaving room, for up to ``PATIENCE`` seconds; then raises ``SchemaError`` with who is in the way.
    """
    if dry_run:
        return await _read_pending(connection)
    return await _apply(connection) if await _read_pending(connection) else []


async def upgrade_alone(connection: Connection) -> list[Migration]:
    """``upgrade``, unless somebody works with the schema that is there: raises ``SchemaError`` then. When to upgrade
    under load is for people to choose."""
    others: str | None = None
    if await read_version(connection):
        others = await connection.fetchval(_OTHERS, CHECKING)
    pending = await _read_pending(connection)  # read after it: one of the others may just have upgraded it
    if pending and others:
        raise SchemaError(
            f"the database has Plait schema {pending[0].version - 1}, this Plait needs {latest_version()}, and others "
            f"work with it ({others}): run `plait db upgrade` when it suits, they can go on meanwhile"
        )
    return await upgrade(connection)


_OTHERS = """
SELECT string_agg(what, ', ' ORDER BY what) FROM (
    SELECT 'worker ' || name || ' on ' || host AS what FROM plait.worker
    WHERE ended_at IS NULL AND heartbeat_at > plait.now() - lease_us * interval '1 microsecond'
    UNION
    SELECT 'a session ' || quote_literal(application_name) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'plait%' AND application_name <> $1
    LIMIT 5
) o
"""

_IN_THE_WAY = """
SELECT string_agg(format('pid %s (%s) since %s', pid, application_name, xact_start), ', ' ORDER BY xact_start)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - interval '1 second'
  AND wait_event IS DISTINCT FROM 'advisory'  -- another upgrade, which waits for this one
"""


async def _apply(connection: Connection) -> list[Migration]:
    import asyncpg  # noqa: PLC0415 - frameworks apply migrations without it

    deadline, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
    while True:
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL statement_timeout = 0")
                await connection.execute("SET LOCAL lock_timeout = 0")
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
                # To open a table makes the session hear what others did to the catalogues since its transaction began.
                await connection.execute("SELECT FROM pg_catalog.pg_namespace LIMIT 1")
                if not (pending := await _read_pending(connection)):
                    return []
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
                await connection.execute(_build_script(pending))
                reach("migration applied")
            reach("migration committed")
            return pending
        except asyncpg.LockNotAvailableError as error:
            others = await connection.fetchval(_IN_THE_WAY)
            if time.monotonic() + pause > deadline:
                raise SchemaError(
                    f"the schema was not upgraded: for {PATIENCE:g} s transactions were open that use its tables "
                    f"({others or error}). Nothing was changed. End them, then run `plait db upgrade` again"
                ) from error
            logger.warning("the upgrade waits for open transactions: %s; again in %.1f s", others or error, pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


async def _read_pending(connection: Connection) -> list[Migration]:
    found = await read_version(connection)
    await _check_not_too_new(connection, found)
    return _pending(found)


def apply_migrations(cursor: Any, version: int) -> bool:
    """See to it that a migration is applied, by a cursor of any DB-API driver, in its caller's transaction.

    For frameworks that number the steps of a database themselves. Where it is missing, all that are missing are
    applied: functions and views fit the latest tables only. Excludes ``upgrade`` elsewhere until that transaction ends.
    Returns whether there was something to do. Raises ``SchemaError`` as ``read_version`` does.
    """
    cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
    cursor.execute("SELECT to_regclass('plait.migration') IS NOT NULL")
    found = 0
    if cursor.fetchone()[0]:
        cursor.execute(_STATE)
        found, first = cursor.fetchone()
        _refuse_other(first)
    else:
        cursor.execute(_MOVED_TO)
        _refuse_moved(cursor.fetchone()[0])
    if found >= version:
        return False
    cursor.execute(_build_script(_pending(found)))
    return True


def render_sql(since: int = 0) -> str:
    """The SQL that ``upgrade`` would run after version ``since``, for people who apply it by hand. Empty when nothing
    is due."""
    pending = _pending(since)
    return f"BEGIN;\n\n{_build_script(pending)}\nCOMMIT;\n" if pending else ""


def _build_script(pending: list[Migration]) -> str:
    """What brings a schema that lacks these migrations up to date, to be run in one transaction."""
    steps = [f"{migration.sql}\n;\n{migration.note};\n" for migration in pending]
    return "\n".join([*steps, _UNCHECKED, *list_routines()])


def _pending(found: int) -> list[Migration]:
    return [migration for migration in list_migrations() if migration.version > found]
