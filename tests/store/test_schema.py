"""Schemas that are older, newer or elsewhere."""

from __future__ import annotations

import psycopg
import pytest

from plait import Plait
from plait.errors import SchemaError
from plait.store import schema
from plait.store.connection import connect
from support.database import Database


@pytest.fixture
def schema_4(empty_database: Database) -> Database:
    """A database as Plait made it when migrations did not yet say what they work with."""
    empty_database.query("CREATE SCHEMA plait")
    empty_database.query(
        "CREATE TABLE plait.migration "
        "(version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    for migration in schema.list_migrations()[:4]:
        empty_database.server.run(migration.sql, url=empty_database.url)
        empty_database.query("INSERT INTO plait.migration VALUES (%s, %s)", migration.version, migration.name)
    return empty_database


def read_versions(database: Database) -> list[int]:
    return [version for (version,) in database.query("SELECT version FROM plait.migration ORDER BY version")]


ALL = [migration.version for migration in schema.list_migrations()]


async def test_a_database_from_before_works_with_is_upgraded(schema_4: Database) -> None:
    connection = await connect(schema_4.url)
    applied = await schema.upgrade(connection)
    await connection.close()
    assert [migration.version for migration in applied] == ALL[4:]
    assert read_versions(schema_4) == ALL


def test_a_database_from_before_works_with_is_upgraded_at_first_use(schema_4: Database) -> None:
    with Plait(schema_4.url) as plait:
        assert plait.runs.list() == []
    assert read_versions(schema_4) == ALL


def test_a_database_from_before_works_with_is_upgraded_by_hand(schema_4: Database) -> None:
    schema_4.server.run(schema.render_sql(4), url=schema_4.url)
    assert read_versions(schema_4) == ALL


def test_a_newer_schema_without_works_with_is_too_new(database: Database) -> None:
    database.query("ALTER TABLE plait.migration DROP COLUMN works_with")
    database.query("INSERT INTO plait.migration (version, name) VALUES (9999, 'next')")
    with pytest.raises(SchemaError, match="9999, too new"), Plait(database.url):
        raise AssertionError("connected")


@pytest.mark.parametrize("works_with", [9998, None])
def test_a_compatible_migration_does_not_hide_an_incompatible_one_before_it(
    database: Database, works_with: int | None
) -> None:
    latest = schema.latest_version()
    add = "INSERT INTO plait.migration (version, name, works_with) VALUES (%s, 'next', %s)"
    database.query(add, 9999, latest)
    with Plait(database.url) as plait:
        assert plait.runs.list() == []
    database.query(add, 9998, works_with)
    with pytest.raises(SchemaError, match="9999, too new"), Plait(database.url):
        raise AssertionError("connected")


def test_a_framework_does_not_make_a_new_schema_where_everything_has_been_moved_away(database: Database) -> None:
    database.query("ALTER SCHEMA plait RENAME TO plait_moved")
    database.query("COMMENT ON SCHEMA plait_moved IS 'postgresql://elsewhere/db'")
    with psycopg.connect(database.url) as connection, pytest.raises(SchemaError, match="moved to postgresql://elsewh"):
        schema.apply_migration(connection.cursor(), 1)
    assert database.value("SELECT to_regnamespace('plait') IS NULL")
    database.query("ALTER SCHEMA plait_moved RENAME TO plait")


def test_a_framework_upgrades_a_database_from_before_works_with(schema_4: Database) -> None:
    with psycopg.connect(schema_4.url) as connection:
        assert [schema.apply_migration(connection.cursor(), version) for version in ALL] == [False] * 4 + [True] * (
            len(ALL) - 4
        )
    assert read_versions(schema_4) == ALL
