"""Whoever waits for a run that is gone is told so; whoever waits for one that is there, or soon will be, goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from plait import Context, EmptyModel, Plait
from plait.client import get_access
from plait.errors import NotFoundError
from plait.ids import bound_run_id
from plait.maintenance.pruner import prune
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]


@pytest.fixture
def task(plait: Plait) -> Any:
    @plait.task(name="task")
    async def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    return task


@pytest.fixture
def looks(plait: Plait, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs were looked for, each time, by the waiter, which polls often and looks whenever it does."""
    store = get_access(plait).portal.call(get_access(plait).open_engine()).store.retention
    looks: list[int] = []

    async def list_kept(runs: list[UUID]) -> set[UUID]:
        kept = await type(store).list_kept(store, runs)
        looks.append(len(runs))
        return kept

    monkeypatch.setattr(store, "list_kept", list_kept)
    monkeypatch.setattr("plait.engine.waiter.POLL_SECONDS", 0.02)
    monkeypatch.setattr("plait.engine.waiter.LOOK_SECONDS", 0.001)
    return looks


def test_the_result_of_a_run_that_was_deleted_is_not_found(
    plait: Plait, work: Work, database: Database, task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.engine.waiter.STORED_SECONDS", 0.0)  # as if it were an hour ago
    work(task)
    ref = task.run_no_wait(idempotency_key="old")
    assert ref.result(timeout=60) == 1
    key = database.query("SELECT workflow, key, run_id FROM plait.idempotency_key")[0]
    later = datetime.now(UTC) + timedelta(hours=1)
    assert get_access(plait).portal.call(prune(get_access(plait).engine.store.retention, later)).runs == 1
    with pytest.raises(NotFoundError, match=ref.workflow_run_id):
        ref.result(timeout=60)
    with pytest.raises(NotFoundError, match="retention"):
        asyncio.run(ref.aio_result(timeout=60))
    database.query("INSERT INTO plait.idempotency_key VALUES (%s, %s, %s)", *key)  # found again, then deleted
    with pytest.raises(NotFoundError):
        task.run(idempotency_key="old")


def test_a_run_that_is_deleted_while_somebody_waits_for_it_is_not_found(
    database: Database, task: Any, looks: list[int]
) -> None:
    ref = task.run_no_wait()
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(ref.result, timeout=60)
        eventually(lambda: looks, "it was seen")
        assert not waits.done()
        database.query("DELETE FROM plait.ready")
        database.query("DELETE FROM plait.run")
        with pytest.raises(NotFoundError):
            waits.result(60)


@pytest.mark.usefixtures("looks")
def test_a_run_that_is_not_there_is_not_waited_for_until_the_time_of_its_id_has_come(
    plait: Plait, task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.engine.waiter.STORED_SECONDS", 0.1)
    tomorrow = bound_run_id(datetime.now(UTC) + timedelta(days=1))  # by a client whose clock is a day ahead
    ref = plait.runs.get_run_ref(str(tomorrow))
    with pytest.raises(NotFoundError):
        ref.result(timeout=60)


def test_a_run_of_a_transaction_that_is_still_open_is_waited_for(
    work: Work, database: Database, task: Any, looks: list[int]
) -> None:
    work(task)
    with ThreadPoolExecutor() as pool:
        with psycopg.connect(database.url) as connection:
            ref = task.run_no_wait(connection=connection)
            waits = pool.submit(ref.result, timeout=60)
            eventually(lambda: len(looks) > 2, "it was looked for")
            assert not waits.done()
        assert waits.result(60) == 1


def test_many_runs_that_go_on_for_long_are_looked_for_together_and_seldom(
    plait: Plait, work: Work, database: Database, task: Any, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.engine.waiter.STORED_SECONDS", 0.0)
    monkeypatch.setattr("plait.engine.waiter.LOOK_SECONDS", 1e9)
    polls = threading.Semaphore(0)
    store = get_access(plait).engine.store
    read = store.read_ended

    async def read_ended(*arguments: Any) -> Any:
        polls.release()
        return await read(*arguments)

    monkeypatch.setattr(store, "read_ended", read_ended)
    refs = task.run_many_no_wait([task.create_bulk_run_item() for _ in range(600)])
    with ThreadPoolExecutor() as pool:
        access = get_access(plait)
        waits = pool.submit(access.portal.call, access.wait_runs([UUID(ref.workflow_run_id) for ref in refs], 60))
        for _ in range(10):
            assert polls.acquire(timeout=60)
        assert sorted(looks) == [100, 500]
        work(task)
        assert len(waits.result(60)) == 600
