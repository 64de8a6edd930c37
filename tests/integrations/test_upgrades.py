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

FIRST_KEPT = 5
"""From this migration on, what the one before has made may be in use by workers of the release before."""

TAKES_AWAY = re.compile(
    r"\bDROP\s+(TABLE|COLUMN|FUNCTION|SCHEMA|TYPE|VIEW)|\bRENAME\b|\bSET\s+NOT\s+NULL|\bALTER\s+COLUMN\s+\w+\s+"
    r"(SET\s+DATA\s+)?TYPE|\bADD\s+COLUMN\s+(?![^,;]*DEFAULT)[^,;]*NOT\s+NULL|\bTRUNCATE\b",
    re.I,
)


def test_a_worker_that_runs_goes_on_when_the_schema_becomes_newer_and_one_that_starts_refuses(
    plait: Plait, database: Database, worker_process: Callable[..., Any], tmp_path: Path
) -> None:
    flow = versions.declare(plait, version=1).flow
    worker_process("versions", version=1, gates=str(tmp_path))
    under_way = flow.run_no_wait(Number())
    database.wait("SELECT count(*) = 1 FROM plait.running")
    # What a later release adds: nothing that this one knows.
    database.query("ALTER TABLE plait.run ADD COLUMN of_the_next_release integer")
    database.query("INSERT INTO plait.migration (version, name) VALUES (9999, 'next')")
    Gate(tmp_path, "first").open()
    assert set(under_way.result(30)) == {"first", "old", "last"}
    assert set(flow.run(Number())) == {"first", "old", "last"}  # and this process, which was connected, still triggers
    with pytest.raises(SchemaError, match="upgrade Plait"), Plait(database.url):
        raise AssertionError("connected")


@pytest.mark.parametrize(
    "migration",
    [one for one in schema.list_migrations() if one.version >= FIRST_KEPT],
    ids=lambda one: f"{one.version:04d}_{one.name}",
)
def test_a_migration_only_adds(migration: schema.Migration) -> None:
    """One that must take something away does so a release after its last user is gone, and says so in its header."""
    statements = re.sub(r"--.*", "", migration.sql)
    assert not TAKES_AWAY.search(statements) or "-- Nothing of the release before uses" in migration.sql


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
