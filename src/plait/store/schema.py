"""Migrations: numbered SQL files, applied in order, each in one transaction, by one process at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from plait.errors import SchemaError

if TYPE_CHECKING:
    from asyncpg import Connection

_LOCK_KEY = 0x706C616974  # "plait"

_BOOTSTRAP = """
CREATE SCHEMA IF NOT EXISTS plait;
CREATE TABLE IF NOT EXISTS plait.migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
"""
# Databases that were made before it was thought of lack it.
_ADD_WORKS_WITH = """
-- The oldest schema whose code works with this one, too.
ALTER TABLE plait.migration ADD COLUMN IF NOT EXISTS works_with integer;
"""

_MOVED_TO = "SELECT obj_description(to_regnamespace('plait_moved'), 'pg_namespace')"

_WORKS_WITH = re.compile(r"^-- Works with code for schema (\d+)\.$", re.M)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. ``sql`` runs in one transaction together with its row in ``plait.migration``.

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
    for file in files("plait.store").joinpath("migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name):
            found.append(Migration(int(match[1]), match[2], file.read_text()))
    return tuple(sorted(found, key=lambda migration: migration.version))


def latest_version() -> int:
    """The schema version this Plait works with."""
    return list_migrations()[-1].version


async def read_version(connection: Connection) -> int:
    """The schema version of the database; 0 when there is no Plait schema yet. Raises ``SchemaError`` when what was
    there has been moved elsewhere: a new one beside it would hide that."""
    if await connection.fetchval("SELECT to_regclass('plait.migration')") is None:
        await check_not_moved(connection)
        return 0
    found: int | None = await connection.fetchval("SELECT max(version) FROM plait.migration")
    return found or 0


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
    # Every one that is not known here counts; one that says nothing is for its own code only. By way of JSON, because
    # the column may not be there.
    sql = """SELECT max(coalesce((to_jsonb(m) ->> 'works_with')::integer, m.version))
             FROM plait.migration m WHERE m.version > $1"""
    oldest: int | None = await connection.fetchval(sql, wanted)
    if oldest is None or oldest > wanted:
        raise SchemaError(
            f"the database has Plait schema {found}, too new for this Plait (it knows {wanted}): upgrade Plait here"
        )


async def upgrade(connection: Connection, *, dry_run: bool = False) -> list[Migration]:
    """Bring the database to ``latest_version`` and return the migrations applied (or, dry, those that would be).

    Safe to call by any number of processes at once: an advisory lock lets one go first, the others then find nothing
    to do. A migration that fails leaves the version before it. A newer schema is left alone; raises ``SchemaError`` if
    it does not work with this Plait.
    """
    if dry_run:
        return await _read_pending(connection)
    applied = []
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
    try:
        pending = await _read_pending(connection)
        if pending:
            await connection.execute(_BOOTSTRAP + _ADD_WORKS_WITH)
        for migration in pending:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(migration.note)
            applied.append(migration)
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)
    return applied


async def _read_pending(connection: Connection) -> list[Migration]:
    found = await read_version(connection)
    await _check_not_too_new(connection, found)
    return _pending(found)


def apply_migration(cursor: Any, version: int) -> bool:
    """Apply one migration by a cursor of any DB-API driver, in its caller's transaction, unless it was applied.

    For frameworks that number the steps of a database themselves; all before it must have been applied. Excludes
    ``upgrade`` elsewhere until that transaction ends. Returns whether there was something to do. Raises ``SchemaError``
    when what was there has been moved elsewhere.
    """
    cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
    cursor.execute("SELECT to_regclass('plait.migration') IS NOT NULL")
    if cursor.fetchone()[0]:
        cursor.execute(f"SELECT 1 FROM plait.migration WHERE version = {version:d}")
        if cursor.fetchone() is not None:
            return False
    else:
        cursor.execute(_MOVED_TO)
        _refuse_moved(cursor.fetchone()[0])
    cursor.execute(_BOOTSTRAP + _ADD_WORKS_WITH)
    migration = next(one for one in list_migrations() if one.version == version)
    cursor.execute(migration.sql)
    cursor.execute(migration.note)
    return True


def render_sql(since: int = 0) -> str:
    """The SQL that ``upgrade`` would run after version ``since``, for people who apply it by hand."""
    parts = [_BOOTSTRAP + _ADD_WORKS_WITH if since == 0 else _ADD_WORKS_WITH]
    for migration in _pending(since):
        parts.append(f"BEGIN;\n{migration.sql}\n{migration.note};\nCOMMIT;\n")
    return "\n".join(parts)


def _pending(found: int) -> list[Migration]:
    return [migration for migration in list_migrations() if migration.version > found]
