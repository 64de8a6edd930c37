"""What the guide on upgrades says: workers that run go on beside a newer schema, and migrations only add."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import versions
from flows.steps import Gate, Number
from plait import Plait
from plait.errors import SchemaError
from plait.store import schema
from support.database import Database

TAKES_AWAY = re.compile(
    r"\bDROP\s+(TABLE|COLUMN|FUNCTION|SCHEMA|TYPE|VIEW)|\bRENAME\b|\bSET\s+NOT\s+NULL|\bALTER\s+COLUMN\s+\w+\s+"
    r"(SET\s+DATA\s+)?TYPE|\bADD\s+COLUMN\s+(?![^,;]*DEFAULT)[^,;]*NOT\s+NULL|\bTRUNCATE\b",
    re.I,
)


def test_workers_of_the_release_before_go_on_and_start_beside_a_newer_schema(
    plait: Plait, database: Database, worker_process: Callable[..., Any], tmp_path: Path
) -> None:
    flow = versions.declare(plait, version=1).flow
    add_next_schema(database, works_with=schema.latest_version())
    worker_process("versions", version=1, gates=str(tmp_path))
    Gate(tmp_path, "first").open()
    with Plait(database.url) as other:
        assert set(versions.declare(other, version=1).flow.run(Number())) == {"first", "old", "last"}
    assert set(flow.run(Number())) == {"first", "old", "last"}


def add_next_schema(database: Database, works_with: int) -> None:
    """What a later release adds: nothing that this one knows."""
    database.query("ALTER TABLE plait.run ADD COLUMN of_the_next_release integer")
    database.query("INSERT INTO plait.migration (version, name, works_with) VALUES (9999, 'next', %s)", works_with)


def test_a_worker_that_runs_goes_on_when_the_schema_becomes_too_new_and_one_that_starts_refuses(
    plait: Plait, database: Database, worker_process: Callable[..., Any], tmp_path: Path
) -> None:
    flow = versions.declare(plait, version=1).flow
    worker_process("versions", version=1, gates=str(tmp_path))
    under_way = flow.run_no_wait(Number())
    database.wait("SELECT count(*) = 1 FROM plait.running")
    add_next_schema(database, works_with=schema.latest_version() + 1)
    Gate(tmp_path, "first").open()
    assert set(under_way.result(30)) == {"first", "old", "last"}
    assert set(flow.run(Number())) == {"first", "old", "last"}  # and this process, which was connected, still triggers
    with pytest.raises(SchemaError, match="upgrade Plait"), Plait(database.url):
        raise AssertionError("connected")


def find_fault(migration: schema.Migration) -> str | None:
    """What is wrong with a migration of a database that workers of the release before may be using.

    One that must take something away does so a release after its last user is gone, and says so in its header. And it
    says whose code it works with: the release before may start again while the new one is rolled out.
    """
    if migration.works_with >= migration.version:
        return "it does not say whose code it works with"
    statements = re.sub(r"--.*", "", migration.sql)
    if TAKES_AWAY.search(statements) and "-- Nothing of the release before uses" not in migration.sql:
        return "it takes something away"
    return None


def test_every_migration_after_the_first_only_adds() -> None:
    later = {migration.name: find_fault(migration) for migration in schema.list_migrations()[1:]}
    assert {name: fault for name, fault in later.items() if fault} == {}


SAYS = "-- Works with code for schema 1.\n"


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        (f"{SAYS}ALTER TABLE plait.run ADD COLUMN note text", None),
        (f"{SAYS}ALTER TABLE plait.run DROP COLUMN note", "it takes something away"),
        (f"{SAYS}-- Nothing of the release before uses it.\nALTER TABLE plait.run DROP COLUMN note", None),
        ("ALTER TABLE plait.run ADD COLUMN note text", "it does not say whose code it works with"),
    ],
)
def test_what_is_wrong_with_a_migration(sql: str, fault: str | None) -> None:
    assert find_fault(schema.Migration(2, "made_up", sql)) == fault


@pytest.mark.parametrize(
    ("statement", "takes"),
    [
        ("ALTER TABLE a DROP COLUMN b", True),
        ("DROP FUNCTION a(text)", True),
        ("ALTER TABLE a RENAME b TO c", True),
        ("ALTER TABLE a ADD COLUMN b integer NOT NULL", True),
        ("ALTER TABLE a ALTER COLUMN b TYPE bigint", True),
        ("ALTER TABLE a ADD COLUMN b integer NOT NULL DEFAULT 0", False),
        ("ALTER TABLE a ADD COLUMN b integer", False),
        ("DROP INDEX a", False),
    ],
)
def test_what_counts_as_taking_away(statement: str, takes: bool) -> None:
    assert bool(TAKES_AWAY.search(statement)) is takes
