"""Keys that a transaction holds that stays open: who wants the same key waits for a while and is told; nobody else
waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, Plait
from plait.client import get_access
from plait.engine import starts
from plait.errors import KeyHeldError
from plait.ids import new_run_id
from plait.store.store import StartRow
from support.database import Database

Work = Callable[..., Any]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "PATIENCE", 0.3)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A user's, whose transaction stays open until it is ended."""
    with psycopg.connect(database.url) as connection:
        yield connection


def declare(plait: Plait) -> Any:
    @plait.task()
    async def job(input: EmptyModel, ctx: Context) -> None: ...

    return job


@pytest.mark.usefixtures("impatient")
def test_a_held_key_is_told_with_its_workflow_and_holds_up_nobody_who_shares_the_commit(
    plait: Plait, database: Database, connection: psycopg.Connection[Any]
) -> None:
    job = declare(plait)
    first = job.run_no_wait(idempotency_key="order-1", connection=connection)

    async def start() -> list[Any]:
        engine = await get_access(plait).open_engine()
        version = await engine.versions.register(job.definition)
        keys = ["order-1", "order-2", None, "order-3", "order-1"]
        rows = [StartRow(new_run_id(), version.id, b"{}", None, 1, key) for key in keys]
        return await asyncio.gather(*(engine.starts.start_rows([row]) for row in rows), return_exceptions=True)

    answers = get_access(plait).portal.call(start())
    assert [isinstance(answer, KeyHeldError) for answer in answers] == [True, False, False, False, True]
    assert "holds the idempotency key 'order-1' of workflow 'job'" in str(answers[0])
    assert database.count("run") == 3
    connection.commit()
    assert job.run_no_wait(idempotency_key="order-1").workflow_run_id == first.workflow_run_id
    assert database.count("run") == 4


def test_a_trigger_waits_for_a_transaction_that_ends_in_time_and_takes_the_key_if_it_is_given_back(
    plait: Plait, database: Database, connection: psycopg.Connection[Any]
) -> None:
    job = declare(plait)
    given_up = job.run_no_wait(idempotency_key="order-1", connection=connection)
    waiting = get_access(plait).portal.spawn(job.aio_run_no_wait(idempotency_key="order-1"))
    job.run_no_wait()
    assert not waiting.done()
    connection.rollback()
    assert waiting.result(20).workflow_run_id != given_up.workflow_run_id
    assert database.count("run") == 2


def test_a_key_that_is_committed_is_answered_though_an_open_transaction_used_it_again(
    plait: Plait, connection: psycopg.Connection[Any]
) -> None:
    job = declare(plait)
    first = job.run_no_wait(idempotency_key="order-1")
    assert job.run_no_wait(idempotency_key="order-1", connection=connection).workflow_run_id == first.workflow_run_id
    assert job.run_no_wait(idempotency_key="order-1").workflow_run_id == first.workflow_run_id


@pytest.mark.usefixtures("impatient")
def test_a_bulk_says_what_else_of_it_was_started(
    plait: Plait, database: Database, connection: psycopg.Connection[Any]
) -> None:
    job = declare(plait)
    job.run_no_wait(idempotency_key="order-1", connection=connection)
    items = [job.create_bulk_run_item(idempotency_key=key) for key in ("order-0", "order-1", None)]
    with pytest.raises(KeyHeldError, match=r"The 2 other runs of this call were started"):
        job.run_many_no_wait(items)
    assert database.count("run") == 2


@pytest.mark.usefixtures("impatient")
def test_an_attempt_that_hangs_in_its_transaction_fails_the_same_start_of_its_retry_and_holds_up_no_other(
    plait: Plait, work: Work, database: Database
) -> None:
    release = threading.Event()
    child = declare(plait)

    @plait.task(execution_timeout="200ms", retries=1)
    def parent(input: EmptyModel, ctx: Context) -> None:
        if ctx.retry_count == 0:
            with psycopg.connect(database.url) as connection:
                child.run_no_wait(connection=connection)
                assert release.wait(20)
        ctx.refresh_timeout("20s")
        child.run_no_wait()

    @plait.task()
    def other(input: EmptyModel, ctx: Context) -> None:
        child.run()

    work(parent, other, child)
    run = parent.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.attempt WHERE status = -3")
    other.run()
    with pytest.raises(FailedTaskRunExceptionGroup, match="an earlier attempt of the same task started it there"):
        run.result(20)
    release.set()
    database.wait("SELECT count(*) = 1 FROM plait.run WHERE status = 3")
    assert database.count("run", "trigger_kind = 1 AND status = 2") == 1, "that of the other task"


def test_in_their_own_transactions_users_wait_for_each_other(
    plait: Plait, database: Database, connection: psycopg.Connection[Any]
) -> None:
    job = declare(plait)
    first = job.run_no_wait(idempotency_key="order-1", connection=connection)
    answers = list[str]()
    with psycopg.connect(database.url) as second:

        def trigger() -> None:
            answers.append(job.run_no_wait(idempotency_key="order-1", connection=second).workflow_run_id)

        thread = threading.Thread(target=trigger)
        thread.start()
        # For longer than a statement of Plait's own waits.
        waiting = "wait_event_type = 'Lock' AND clock_timestamp() - query_start > interval '100 ms'"
        database.wait(f"SELECT count(*) = 1 FROM pg_stat_activity WHERE {waiting}", seconds=20)
        connection.commit()
        thread.join(20)
        assert second.execute("SHOW lock_timeout").fetchone() == ("0",)
    assert answers == [first.workflow_run_id]
