"""Links that are shared: few are opened, and one that is busy holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from plait.store import connection
from plait.store.connection import LinkPool
from support.database import Database

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'shared'"


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[LinkPool]:
    pool = LinkPool(database.url, name="shared")
    await pool.fetch("SELECT 1")
    yield pool
    await pool.close()


async def test_calls_that_are_answered_soon_share_one_connection(
    pool: LinkPool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "GROW_SECONDS", 60.0)
    rows = await asyncio.gather(*(pool.fetchrow("SELECT $1::int8 AS n", n) for n in range(20)))
    assert [row and row["n"] for row in rows] == list(range(20))
    assert database.value(SESSIONS) == 1


async def test_a_call_that_is_not_answered_soon_is_not_waited_for(pool: LinkPool, database: Database) -> None:
    database.query("SELECT pg_advisory_lock(1)")
    slow = asyncio.create_task(pool.fetch("SELECT pg_advisory_lock(1)"))
    await asyncio.to_thread(
        database.wait, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    )
    assert await pool.fetch("SELECT 1")
    assert not slow.done()
    database.query("SELECT pg_advisory_unlock(1)")
    await slow
    assert database.value(SESSIONS) == 2
