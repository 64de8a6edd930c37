"""Statements that PostgreSQL ends for reasons of its own: an operator's cancel, a lock nobody gives back, a poison."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, Plait
from plait.client import get_access
from plait.engine.waiter import RunOutcome
from support.database import Database
from support.oracle import check_at_rest
from support.waiting import eventually
from support.workers import STEADY

Work = Callable[..., Any]


@contextmanager
def locked(database: Database, sql: str) -> Iterator[None]:
    with psycopg.connect(database.url) as connection:
        connection.execute(sql)  # type: ignore[call-overload]
        yield
        connection.rollback()


def cancel(database: Database, application: str) -> None:
    """What `pg_cancel_backend`, a statement_timeout or a lock_timeout of the role do to a waiting statement."""
    waiting = (
        "FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock' "
        "AND datname = current_database()"
    )
    database.wait(f"SELECT count(*) > 0 {waiting}", application)
    database.query(f"SELECT pg_cancel_backend(pid) {waiting}", application)


def test_a_cancelled_finish_is_sent_again_and_fails_no_task(plait: Plait, work: Work, database: Database) -> None:
    gate = threading.Event()

    @plait.task()
    def precious(input: EmptyModel, ctx: Context) -> int:
        gate.wait(20)
        return 42

    worker = work(precious)
    run = precious.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.running")
    with locked(database, "SELECT 1 FROM plait.run FOR UPDATE"):
        gate.set()
        cancel(database, "plait finishes")
        cancel(database, "plait finishes")
    assert run.result(20) == 42
    assert worker.error is None
    check_at_rest(database)


def test_a_cancelled_claim_is_sent_again_and_ends_no_worker(plait: Plait, work: Work, database: Database) -> None:
    @plait.task()
    def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    worker = work(task)
    assert task.run() == 1
    with locked(database, "LOCK TABLE plait.ready IN ACCESS EXCLUSIVE MODE"):
        cancel(database, "plait claims")
        cancel(database, "plait claims")
    assert task.run_no_wait().result(20) == 1
    assert worker.error is None


def test_a_cancelled_heartbeat_ends_no_worker(plait: Plait, work: Work, database: Database) -> None:
    @plait.task()
    def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    worker = work(task, timings=STEADY)
    assert task.run() == 1
    with locked(database, "LOCK TABLE plait.worker IN ACCESS EXCLUSIVE MODE"):
        cancel(database, "plait heartbeat")
    assert task.run_no_wait().result(20) == 1
    database.wait("SELECT heartbeat_at > plait.now() - interval '1 second' FROM plait.worker")
    assert worker.error is None


def test_one_outcome_the_database_refuses_does_not_take_its_batch_with_it(
    plait: Plait, work: Work, database: Database
) -> None:
    """A value that no check foresaw: a constraint stands for it."""
    database.query("ALTER TABLE plait.attempt ADD CONSTRAINT poison CHECK (output <> '13'::bytea)")
    barrier = threading.Barrier(50, timeout=20)

    @plait.task()
    def task(input: EmptyModel, ctx: Context) -> int:
        barrier.wait()
        return int(ctx.additional_metadata["n"])

    work(task, slots=50)
    items = [task.create_bulk_run_item(additional_metadata={"n": n}) for n in range(50)]
    results = task.run_many(items, return_exceptions=True)
    poisoned = results.pop(13)
    assert isinstance(poisoned, FailedTaskRunExceptionGroup)
    assert poisoned.exceptions[0].exc_type == "OutcomeRefused"
    assert results == [n for n in range(50) if n != 13]
    check_at_rest(database)


def test_a_run_whose_stored_input_cannot_be_read_fails_alone(plait: Plait, work: Work, database: Database) -> None:
    @plait.task()
    def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    runs = task.run_many_no_wait([task.create_bulk_run_item() for _ in range(5)])
    database.query("UPDATE plait.run SET input = '\\xff00' WHERE id = %s", runs[2].workflow_run_id)
    work(task)
    with pytest.raises(FailedTaskRunExceptionGroup):
        runs[2].result(20)
    assert [run.result(20) for run in runs if run is not runs[2]] == [1] * 4


def test_a_stored_output_that_cannot_be_read_harms_no_other_waiter(
    plait: Plait, work: Work, database: Database
) -> None:
    @plait.task()
    def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    worker = work(task)
    broken = task.run_no_wait()
    assert broken.result(20) == 1
    worker.stop()
    database.query("UPDATE plait.attempt SET status = 4, output = NULL, error = '\\xff'")
    database.query("UPDATE plait.run SET status = 4")
    fine = task.run_no_wait()
    told = threading.Event()

    async def wait_for_both() -> list[RunOutcome]:
        """At one moment, so that both are read together."""
        of_broken, of_fine = [
            asyncio.create_task(get_access(plait).wait_runs([UUID(run.workflow_run_id)], 30)) for run in (broken, fine)
        ]
        with pytest.raises(Exception):  # noqa: B017, PT011 - any error, but neither a hang nor somebody else's
            await of_broken
        told.set()
        return await of_fine

    waiting = get_access(plait).portal.spawn(wait_for_both())
    assert told.wait(30)
    work(task)
    [outcome] = waiting.result(30)
    assert [one.output for one in outcome.tasks] == [b"1"]
    eventually(lambda: database.count("run", "status <> 0") == 2)
