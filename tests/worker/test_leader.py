"""Who runs the maintenance, and who takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from plait import Context, EmptyModel, Plait
from plait.ids import new_run_id
from plait.maintenance import leader
from plait.store.store import Store
from support.database import Database
from support.workers import CALM, WorkerThread

Work = Callable[..., WorkerThread]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the lease by itself."""
    monkeypatch.setattr(leader, "LEASE_SECONDS", 1000.0)
    monkeypatch.setattr(leader, "RENEW_SECONDS", 500.0)


HOLDER = "SELECT holder = %s FROM plait.lease"


def declare(plait: Plait) -> Any:
    @plait.task()
    def sample(input: EmptyModel, ctx: Context) -> int:
        return 7

    return sample


@pytest.mark.usefixtures("patient")
def test_when_the_leader_stops_another_leads_at_once(plait: Plait, work: Work, database: Database) -> None:
    sample = declare(plait)
    first = work(sample)
    database.wait(HOLDER, first.worker.id)
    other = Plait(database.url)
    second = WorkerThread(other.worker("second", workflows=[declare(other)]))
    first.stop()
    database.wait(HOLDER, second.worker.id)
    second.stop()
    other.close()


def test_a_heartbeat_does_not_wait_for_the_lease_of_the_leader(plait: Plait, work: Work, database: Database) -> None:
    worker = work(declare(plait), timings=replace(CALM, heartbeat=0.1)).worker
    database.wait(HOLDER, worker.id)
    with psycopg.connect(database.url) as other:
        other.execute("UPDATE plait.lease SET expires_at = expires_at")
        database.wait(
            "SELECT bool_or(w.heartbeat_at > a.query_start) FROM plait.worker w, pg_stat_activity a "
            "WHERE w.id = %s AND a.wait_event_type = 'Lock' AND a.query LIKE '%%plait.lease%%' "
            "AND plait.now() < a.query_start + interval '5 s'",
            worker.id,
        )


def test_what_the_leader_does_is_not_in_the_way_of_its_lease(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "RENEW_SECONDS", 0.1)
    worker = work(declare(plait)).worker
    database.wait(HOLDER, worker.id)
    session: Any = worker._session
    done = asyncio.Event()

    async def use_up_the_pool() -> None:
        pool = session.store.pool
        async with pool.borrow(), pool.borrow(), pool.borrow():
            await done.wait()

    using = asyncio.run_coroutine_threadsafe(use_up_the_pool(), session._loop)
    before = database.value("SELECT expires_at FROM plait.lease")
    database.wait("SELECT expires_at > %s + interval '0.5 s' FROM plait.lease WHERE holder = %s", before, worker.id)
    session._loop.call_soon_threadsafe(done.set)
    using.result(20)


async def test_who_does_not_lead_keeps_no_connection_for_it(database: Database) -> None:
    first, second = Store(database.url), Store(database.url)
    holder, other = new_run_id(), new_run_id()
    assert await first.take_lease("maintenance", holder, 100)
    assert not await second.take_lease("maintenance", other, 100)
    assert (first.lead.is_open, second.lead.is_open) == (True, False)
    await first.drop_lease("maintenance", holder)
    assert await second.take_lease("maintenance", other, 100)
    assert not await first.take_lease("maintenance", holder, 100)
    assert (first.lead.is_open, second.lead.is_open) == (False, True)
    await first.close()
    await second.close()


@pytest.mark.usefixtures("patient")
def test_when_a_killed_leader_is_replaced_another_leads_at_once(plait: Plait, work: Work, database: Database) -> None:
    worker = work(declare(plait)).worker
    database.wait(HOLDER, worker.id)
    killed = new_run_id()
    database.query("UPDATE plait.lease SET holder = %s", killed)
    session: Any = worker._session
    # As the process does that takes the place of the killed one; it does not want to lead.
    asyncio.run_coroutine_threadsafe(session._register(killed), session._loop).result(20)
    database.wait(HOLDER, worker.id)


async def test_who_does_not_lead_costs_no_transaction_ids(database: Database) -> None:
    store = Store(database.url)
    holder, other = new_run_id(), new_run_id()
    assert await store.take_lease("maintenance", holder, 100)
    before = database.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8")
    for _ in range(5):
        assert not await store.take_lease("maintenance", other, 100)
    assert database.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8") == before
    assert await store.take_lease("maintenance", holder, 0)
    assert await store.take_lease("maintenance", other, 100)
    await store.close()
