"""A fresh schema and one that was brought up step by step are the same, to the last comment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from plait.store import schema
from plait.store.connection import connect
from support.catalog import read_catalog, say_difference
from support.database import Database
from support.server import Server

NOW = schema.list_migrations()
ROUTINES = schema.list_routines()


@dataclass(frozen=True)
class Release:
    """What a release of Plait brings: its migrations, and its functions and views."""

    migrations: tuple[schema.Migration, ...] = NOW
    routines: tuple[str, ...] = ROUTINES

    def then(self, sql: str, *routines: str, without: str | None = None) -> Release:
        """The release after it: one migration more, and new bodies."""
        number = self.migrations[-1].version + 1
        kept = [one for one in self.routines if without is None or without not in one]
        return Release((*self.migrations, schema.Migration(number, f"step_{number}", sql)), (*kept, *routines))


Install = Callable[[Database, Release], object]


@pytest.fixture
async def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Brings a database to what a release brings."""

    async def upgrade(database: Database, release: Release) -> None:
        monkeypatch.setattr(schema, "list_migrations", lambda: release.migrations)
        monkeypatch.setattr(schema, "list_routines", lambda: release.routines)
        connection = await connect(database.url)
        await schema.upgrade(connection)
        await connection.close()

    return upgrade


@pytest.fixture
def make_database(server: Server) -> Iterator[Callable[[str], Database]]:
    """Databases without Plait's schema."""
    made: list[Database] = []

    def make(name: str) -> Database:
        made.append(Database(server, f"plait_same_{id(made)}_{name}", template="template0"))
        return made[-1]

    yield make
    for database in made:
        database.drop()


async def compare(make_database: Callable[[str], Database], install: Install, *releases: Release) -> list[str]:
    """The difference between a fresh database and one that saw every release."""
    fresh, old = make_database("fresh"), make_database("old")
    await install(fresh, releases[-1])
    for release in releases:
        await install(old, release)
    return say_difference(fresh, old)


async def test_a_fresh_schema_equals_all_migrations_one_after_another(make_database, install) -> None:
    steps = [Release(NOW[: count + 1]) for count in range(len(NOW))]
    assert await compare(make_database, install, *steps) == []


NEXT = (
    "ALTER TABLE plait.run ADD COLUMN note text;\n"
    "COMMENT ON COLUMN plait.run.note IS 'of the next release';\n"
    "CREATE INDEX run_note ON plait.run (note);\n"
    "CREATE TABLE plait.later (id integer PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT plait.now());"
)
NEW_BODY = "CREATE OR REPLACE FUNCTION plait.find_version(of_workflow text) RETURNS integer LANGUAGE sql AS 'SELECT 7'"
NEW_FUNCTION = "CREATE OR REPLACE FUNCTION plait.brand_new() RETURNS integer LANGUAGE sql AS 'SELECT 1'"
NEW_VIEW = "CREATE OR REPLACE VIEW plait.notes AS SELECT id, note FROM plait.run"


async def test_a_later_migration_replaces_a_function_and_a_fresh_schema_is_still_the_same(
    make_database, install
) -> None:
    later = Release().then(
        NEXT, f"{NEW_BODY};", f"{NEW_FUNCTION};", f"{NEW_VIEW};", without="FUNCTION plait.find_version"
    )
    assert await compare(make_database, install, Release(), later, later.then("", f"{NEW_BODY};")) == []


@pytest.mark.parametrize(
    ("forgotten", "seen"),
    [
        (Release().then("", without="FUNCTION plait.find_version"), "find_version"),
        (Release((schema.Migration(1, NOW[0].name, f"{NOW[0].sql}\n{NEXT}"), *NOW[1:])).then(""), "run_note"),
        (Release().then("", without="VIEW plait.runs"), "('view', 'runs'"),
    ],
    ids=["a function that went is not dropped", "a released migration was changed", "a view that went is not dropped"],
)
async def test_what_a_migration_forgets_is_seen(make_database, install, forgotten: Release, seen: str) -> None:
    difference = await compare(make_database, install, Release(), forgotten)
    assert any(seen in line for line in difference)


async def test_dropping_what_went_is_enough(make_database, install) -> None:
    later = Release().then("DROP FUNCTION IF EXISTS plait.find_version(text)", without="FUNCTION plait.find_version")
    assert await compare(make_database, install, Release(), later) == []


def test_a_changed_comment_is_seen_too(database: Database, make_database) -> None:
    other = make_database("comment")
    other.server.run(schema.render_sql(), url=other.url)
    assert say_difference(database, other) == []
    other.query("COMMENT ON COLUMN plait.run.status IS 'something else'")
    assert len(read_catalog(database) ^ read_catalog(other)) == 2


def test_every_table_says_what_a_row_is_and_every_column_of_codes_what_they_mean(database: Database) -> None:
    silent = database.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'plait'::regnamespace AND relkind IN ('r', 'v') "
        "AND obj_description(oid, 'pg_class') IS NULL"
    )
    assert silent == []
    codes = database.query(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relnamespace = 'plait'::regnamespace AND a.attname IN ('status', 'worst', 'trigger_kind', 'level') "
        "AND col_description(c.oid, a.attnum) IS NULL"
    )
    assert codes == []


def test_the_bodies_of_all_functions_are_valid(database: Database) -> None:
    """An upgrade does not check them, for one may call another whose turn has not come."""
    database.query("SET check_function_bodies = on")
    for routine in ROUTINES:
        database.query(routine.replace("%", "%%"))
