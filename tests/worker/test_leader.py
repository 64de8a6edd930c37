"""Who runs the maintenance, and who takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait
from plait.ids import new_run_id
from plait.maintenance import leader
from plait.store.store import Store
from support.database import Database
from support.workers import WorkerThread

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
