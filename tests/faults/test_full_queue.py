"""The queue of notifications is full, because somebody who listens stays in a transaction: PostgreSQL fails every
commit that would notify. Hints only save waiting, so nothing else fails for want of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from plait import Context, EmptyModel, Plait
from support.database import Database
from support.server import OwnServer
from support.workers import serve

SMALLEST_QUEUE = 64


@pytest.fixture
def cramped(own_server: OwnServer) -> Iterator[Database]:
    """A database on a server with a small queue. (``own_server``, only so that it is left out where none can be
    started.)"""
    server = OwnServer()
    try:
        if server.run("SHOW server_version_num")[0][0] < "170000":
            pytest.skip("the size of the queue can be set from PostgreSQL 17 on")
        server.run(f"ALTER SYSTEM SET max_notify_queue_pages = {SMALLEST_QUEUE}")
        server.disconnect()
        server.stop()
        server.start()
        database = Database(server, "cramped")
        yield database
        database.close()
    finally:
        server.close()


@pytest.fixture
def full(cramped: Database) -> Iterator[Database]:
    """The queue full for the time of the test."""
    with psycopg.connect(cramped.url) as listener, psycopg.connect(cramped.url, autocommit=True) as sender:
        listener.execute("LISTEN other")
        listener.commit()
        listener.execute("SELECT 1")  # in a transaction from here on
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            fill(sender)
        yield cramped


def fill(sender: psycopg.Connection[Any]) -> None:
    """Notify until that fails."""
    for _ in range(10 * SMALLEST_QUEUE):
        sender.execute("SELECT pg_notify('other', repeat('x', 7900))")


def test_triggers_events_and_schedules_are_stored_and_carried_out_all_the_same(full: Database) -> None:
    with Plait(full.url) as plait:

        @plait.task(on_events=["go"])
        async def sample(input: EmptyModel, ctx: Context) -> int:
            return 7

        first = sample.run_no_wait()  # one that carries its hint in its own commit
        with psycopg.connect(full.url) as own:
            second = sample.run_no_wait(connection=own)
            plait.event.push("go", {}, connection=own)
            sample.schedule(datetime.now(UTC), connection=own)
        worker = serve(plait, sample)
        assert [first.result(60), second.result(60)] == [7, 7]
        full.wait_ended(4)
        worker.stop()


def test_where_there_is_room_a_trigger_carries_its_hint(plait: Plait, database: Database) -> None:
    @plait.task()
    async def sample(input: EmptyModel, ctx: Context) -> int:
        return 7

    with psycopg.connect(database.url, autocommit=True) as listener:
        listener.execute("LISTEN plait_ready")
        sample.run_no_wait()
        assert [notice.channel for notice in listener.notifies(timeout=30, stop_after=1)] == ["plait_ready"]
