"""Schemas that are older, newer, of another kind or elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from plait import Plait
from plait.errors import SchemaError
from plait.ids import new_run_id
from plait.store import schema
from plait.store.connection import connect
from plait.store.store import Store, WorkerRow
from support.database import Database

NEXT = schema.Migration(
    schema.latest_version() + 1,
    "next",
    f"-- Works with code for schema {schema.latest_version()}.\nALTER TABLE plait.run ADD COLUMN of_next int",
)
NEXT_ROUTINE = (
    "CREATE OR REPLACE FUNCTION plait.find_version(of_workflow text) RETURNS integer LANGUAGE sql AS 'SELECT 7';"
)


def read_versions(database: Database) -> list[int]:
    return [version for (version,) in database.query("SELECT version FROM plait.migration ORDER BY version")]


ALL = [migration.version for migration in schema.list_migrations()]


@pytest.fixture
def next_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the release after this one: a migration and a function's body more."""
    migrations, routines = schema.list_migrations(), schema.list_routines()
    monkeypatch.setattr(schema, "list_migrations", lambda: (*migrations, NEXT))
    monkeypatch.setattr(schema, "list_routines", lambda: (*routines, NEXT_ROUTINE))


def check_upgraded(database: Database) -> None:
    assert read_versions(database) == [*ALL, NEXT.version]
    assert database.value("SELECT works_with FROM plait.migration WHERE name = 'next'") == ALL[-1]
    assert database.query("SELECT of_next FROM plait.run") == []
    assert database.value("SELECT plait.find_version('any')") == 7


@pytest.mark.usefixtures("next_release")
async def test_an_older_schema_is_upgraded(database: Database) -> None:
    connection = await connect(database.url)
    applied = await schema.upgrade(connection)
    await connection.close()
    assert applied == [NEXT]
    check_upgraded(database)


@pytest.mark.usefixtures("next_release")
def test_an_older_schema_is_upgraded_at_first_use(database: Database) -> None:
    with Plait(database.url) as plait:
        assert plait.runs.list() == []
    check_upgraded(database)


@pytest.mark.usefixtures("next_release")
@pytest.mark.parametrize("who", ["worker", "session"])
async def test_an_older_schema_that_others_work_with_is_not_upgraded_at_first_use(database: Database, who: str) -> None:
    connection = await connect(database.url, application_name="plait" if who == "session" else "other")
    if who == "worker":
        store = Store(database.url)
        await store.register_worker(WorkerRow(new_run_id(), "old", "here", 0, 1, None, [], "0", 60.0, []), None)
        await store.close()
    with pytest.raises(SchemaError, match=rf"others work with it \(.*{who}.*run `plait db upgrade`"):
        await asyncio.to_thread(lambda: Plait(database.url).runs.list())
    assert read_versions(database) == ALL
    assert await schema.upgrade(connection) == [NEXT]
    await connection.close()
    check_upgraded(database)


@pytest.mark.usefixtures("next_release")
async def test_many_that_start_at_once_upgrade_an_older_schema_once(database: Database) -> None:
    def start() -> list[Any]:
        with Plait(database.url) as plait:
            return list(plait.runs.list())

    assert await asyncio.gather(*(asyncio.to_thread(start) for _ in range(5))) == [[]] * 5
    check_upgraded(database)


@pytest.mark.usefixtures("next_release")
async def test_an_upgrade_behind_a_users_transaction_holds_up_nobody_and_is_done_once_that_ends(
    database: Database,
) -> None:
    with psycopg.connect(database.url) as user:
        user.execute("SELECT count(*) FROM plait.run")
        connection = await connect(database.url)
        upgrading = asyncio.create_task(schema.upgrade(connection))
        waiting = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        for _ in range(2):  # it tries again and again
            await asyncio.to_thread(database.wait, waiting)
            assert await asyncio.to_thread(database.count, "run") == 0  # waits for it, and not for the user
            assert not upgrading.done()
    assert await asyncio.wait_for(upgrading, 20) == [NEXT]
    await connection.close()
    check_upgraded(database)


@pytest.mark.usefixtures("next_release")
async def test_an_upgrade_that_finds_no_moment_says_who_is_in_the_way(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "PATIENCE", 1.5)
    connection = await connect(database.url)
    with psycopg.connect(database.url, application_name="a user") as user:
        user.execute("SELECT count(*) FROM plait.run")
        with pytest.raises(SchemaError, match=rf"pid {user.info.backend_pid} \(a user\) since .*plait db upgrade"):
            await schema.upgrade(connection)
    assert read_versions(database) == ALL
    assert await schema.upgrade(connection) == [NEXT]
    await connection.close()


@pytest.mark.usefixtures("next_release")
def test_an_older_schema_is_upgraded_by_hand(database: Database) -> None:
    database.server.run(schema.render_sql(ALL[-1]), url=database.url)
    check_upgraded(database)
    assert schema.render_sql(NEXT.version) == ""


@pytest.mark.usefixtures("next_release")
def test_a_framework_upgrades_step_by_step(empty_database: Database) -> None:
    with psycopg.connect(empty_database.url) as connection:
        done = [schema.apply_migrations(connection.cursor(), version) for version in (*ALL, NEXT.version)]
    assert done == [True] + [False] * len(
        ALL
    )  # the first one brings what functions and views need, which is everything
    check_upgraded(empty_database)


@pytest.mark.usefixtures("next_release")
def test_a_framework_upgrades_what_it_made_with_the_release_before(database: Database) -> None:
    with psycopg.connect(database.url) as connection:
        done = [schema.apply_migrations(connection.cursor(), version) for version in (*ALL, NEXT.version)]
    assert done == [False] * len(ALL) + [True]
    check_upgraded(database)


async def test_an_upgrade_that_fails_leaves_tables_and_functions_as_they_were(
    database: Database, next_release: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = schema.Migration(NEXT.version + 1, "broken", "CREATE TABLE plait.half (); SELECT 1 / 0")
    migrations = schema.list_migrations()
    monkeypatch.setattr(schema, "list_migrations", lambda: (*migrations, broken))
    connection = await connect(database.url)
    with pytest.raises(Exception, match="division by zero"):
        await schema.upgrade(connection)
    assert read_versions(database) == ALL
    assert database.value("SELECT plait.find_version('any')") is None
    monkeypatch.setattr(schema, "list_migrations", lambda: migrations)
    assert await schema.upgrade(connection) == [NEXT]  # the lock was given back
    await connection.close()
    check_upgraded(database)


def test_a_compatible_migration_does_not_hide_an_incompatible_one_before_it(database: Database) -> None:
    latest = schema.latest_version()
    add = "INSERT INTO plait.migration (version, name, works_with) VALUES (%s, 'next', %s)"
    database.query(add, 9999, latest)
    with Plait(database.url) as plait:
        assert plait.runs.list() == []
    database.query(add, 9998, 9998)
    with pytest.raises(SchemaError, match="9999, too new"), Plait(database.url):
        raise AssertionError("connected")


def test_a_migration_that_says_nothing_is_for_its_own_code_only() -> None:
    assert schema.Migration(7, "silent", "SELECT 1").works_with == 7
    assert schema.Migration(7, "told", "-- Works with code for schema 5.\nSELECT 1").works_with == 5


def test_a_framework_does_not_make_a_new_schema_where_everything_has_been_moved_away(database: Database) -> None:
    database.query("ALTER SCHEMA plait RENAME TO plait_moved")
    database.query("COMMENT ON SCHEMA plait_moved IS 'postgresql://elsewhere/db'")
    with psycopg.connect(database.url) as connection, pytest.raises(SchemaError, match="moved to postgresql://elsewh"):
        schema.apply_migrations(connection.cursor(), 1)
    assert database.value("SELECT to_regnamespace('plait') IS NULL")
    database.query("ALTER SCHEMA plait_moved RENAME TO plait")


@pytest.fixture
def alpha(empty_database: Database) -> Database:
    """A database as the alpha of Plait left it, as far as it matters: its table of migrations."""
    empty_database.query("CREATE SCHEMA plait")
    empty_database.query(
        "CREATE TABLE plait.migration (version integer PRIMARY KEY, name text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT now(), works_with integer)"
    )
    names = ("rooms", "control", "schedules", "logs", "retention", "pace")
    for version, name in enumerate(names, 1):
        empty_database.query("INSERT INTO plait.migration (version, name) VALUES (%s, %s)", version, name)
    return empty_database


WAY_OUT = (
    r'before the first release.*create it again.*plait db psql -- -c "DROP SCHEMA plait CASCADE".*plait db upgrade'
)


@pytest.mark.parametrize("auto_upgrade", [True, False])
def test_a_database_of_the_alpha_is_refused_with_the_way_out(alpha: Database, auto_upgrade: bool) -> None:
    with pytest.raises(SchemaError, match=WAY_OUT), Plait(alpha.url, auto_upgrade=auto_upgrade):
        raise AssertionError("connected")


def test_a_framework_refuses_a_database_of_the_alpha_too(alpha: Database) -> None:
    with psycopg.connect(alpha.url) as connection, pytest.raises(SchemaError, match=WAY_OUT):
        schema.apply_migrations(connection.cursor(), 1)


@pytest.mark.parametrize(
    "statement", ["DROP SCHEMA plait CASCADE", "ALTER SCHEMA plait RENAME TO plait_alpha"], ids=["dropped", "kept"]
)
def test_what_the_message_says_makes_it_anew(alpha: Database, statement: str) -> None:
    with pytest.raises(SchemaError) as refused, Plait(alpha.url):
        raise AssertionError("connected")
    assert statement in str(refused.value)
    alpha.query(statement)
    with Plait(alpha.url) as plait:
        assert plait.runs.list() == []
    assert read_versions(alpha) == ALL
