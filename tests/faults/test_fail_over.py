"""The primary dies and a synchronous standby takes its place: real servers, one URL with both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from faults.harness.storm import open_storm
from support.database import Database
from support.ledger import Ledger
from support.server import OwnServer
from support.workers import CALM


@pytest.fixture
def pair(own_server: OwnServer) -> Iterator[tuple[OwnServer, OwnServer]]:
    """A primary and its standby. (``own_server``, only so that it is left out where no server can be started.)"""
    primary = OwnServer()
    standby = OwnServer(primary)
    yield primary, standby
    standby.close()
    primary.close()


@pytest.mark.thorough
def test_a_standby_takes_over(pair: tuple[OwnServer, OwnServer], ledger: Ledger, tmp_path: Path) -> None:
    primary, standby = pair
    with open_storm("a synchronous standby takes over", primary, ledger, tmp_path) as storm:
        name = storm.database.name
        storm.url = f"postgresql://plait@/{name}?host={primary.folder},{standby.folder}&target_session_attrs=read-write"
        workers = list(storm.start_workers(3, work_ms=5, timings=CALM))
        storm.start_probe()
        client = storm.start_client()
        storm.wait_for_ends(100)
        primary.stop(immediate=True)
        storm.note_fault()
        with psycopg.connect(standby.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        standby.promote()
        storm.database.close()
        storm.database = Database(standby, name, template=None)
        goal = len(client.acknowledged) + 50
        storm.wait(lambda: len(client.acknowledged) >= goal, "triggers go through", seconds=60)
        storm.wait_for_ends(100)
        storm.settle()  # nothing ran again: every result that was acknowledged is there, and no lease was lost
        assert [worker.process.poll() for worker in workers] == [None] * 3
