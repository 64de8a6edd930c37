"""A process is killed, fails, freezes, or loses its connections at each named point of the product, one run each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from faults.harness import points
from faults.harness.points import Trap
from faults.harness.storm import Storm
from support import launcher
from support.catalog import say_difference
from support.database import Database
from support.launcher import TESTS
from support.workers import CALM, STEADY

MIGRATION = [point for point in points.list_points() if point.startswith("migration")]
OTHERS = [point for point in points.list_points() if point not in MIGRATION]


IN_EVERY_RUN = {
    "claim committed",
    "after the body",
    "finish committed",
    "park committed",
    "delivery committed",
    "cancel committed",
    "replay planned",
    *MIGRATION,
}
"""Points at which a process is killed in ``make test``; everything at all of them is done in ``make faults``."""


def list_cases(*chosen: str) -> list[Any]:
    return [
        pytest.param(
            point,
            deed,
            marks=() if deed == "kill" and point in IN_EVERY_RUN else pytest.mark.thorough,
            id=f"{deed} at {point}",
        )
        for deed in points.DEEDS
        for point in chosen
    ]


@pytest.mark.parametrize(("point", "deed"), list_cases(*OTHERS))
def test_fault_point(storm: Storm, tmp_path: Path, point: str, deed: str) -> None:
    trap = Trap(point, deed, tmp_path)
    if point == "half of a batch stored":
        _refuse_one_outcome(storm.database)
    # Sessions that end are no reason for a worker to lose its lease: then nothing may run again.
    timings = CALM if deed == "disconnect" else STEADY
    storm.start_workers(2, slots=4, retries=2, work_ms=20, cron=True, env=trap.environment, timings=timings)
    storm.start_client_process(5, trap.environment)
    storm.start_client(most=20, pause=0.0)  # so that there are batches
    if point == "tasks reaped":
        _orphan_a_task(storm)
    storm.wait(trap.read_pid, f"somebody comes to the point {point!r}")
    storm.note_fault()
    if deed != "disconnect":
        storm.disturbed.add(trap.read_pid() or 0)
    storm.settle()


def _refuse_one_outcome(database: Database) -> None:
    """The first batch of two and more outcomes is refused, as if a value in it could not be stored."""
    database.query("CREATE SEQUENCE refused")
    database.query(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF (SELECT count(*) > 1 FROM new_rows) AND nextval('refused') = 1 THEN "
        "RAISE EXCEPTION 'not this' USING ERRCODE = '22000'; END IF; RETURN NULL; END $$"
    )
    database.query(
        "CREATE TRIGGER refuse AFTER INSERT ON plait.attempt REFERENCING NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
    )


def _orphan_a_task(storm: Storm) -> None:
    """A worker dies with tasks in its hands."""
    victim = storm.workers[0]
    storm.database.wait("SELECT count(*) > 0 FROM plait.running WHERE worker_id = %s", victim.id)
    storm.kill(victim)


UPGRADE = """
import asyncio, os
from faults.harness import points
from plait.store import schema
from plait.store.connection import connect

async def main():
    await schema.upgrade(await connect(os.environ["DATABASE_URL"]))

points.install_from_environment()
asyncio.run(main())
"""


@pytest.mark.parametrize(("point", "deed"), list_cases(*MIGRATION))
def test_migration(database: Database, empty_database: Database, tmp_path: Path, point: str, deed: str) -> None:
    """The schema is there whole or not at all, and the next upgrade is in nobody's way."""
    trap = Trap(point, deed, tmp_path)
    environment = {**os.environ, "DATABASE_URL": empty_database.url, **trap.environment}
    ended = launcher.run(["-c", UPGRADE], cwd=TESTS, env=environment)
    assert trap.read_pid() is not None
    # Who has committed needs its connection no more.
    goes_well = deed == "delay" or (point, deed) == ("migration committed", "disconnect")
    assert (ended.returncode == 0) == goes_well, ended.stderr
    there = empty_database.value("SELECT to_regnamespace('plait') IS NOT NULL")
    assert there == (point == "migration committed" or deed == "delay")
    with psycopg.connect(empty_database.url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)
    assert launcher.run(["-c", UPGRADE], cwd=TESTS, env=environment).returncode == 0
    assert say_difference(database, empty_database) == []
