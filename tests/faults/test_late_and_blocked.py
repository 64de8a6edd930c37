"""Claims that are committed after they were given up, neighbours of a task that blocks, errors that are broken."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from plait import (
    Context,
    DefaultFilter,
    EmptyModel,
    FailedTaskRunExceptionGroup,
    Plait,
    RetryAfterException,
    UserEventCondition,
)
from support.database import Database
from support.oracle import check_at_rest
from support.waiting import eventually
from support.workers import QUICK, serve

Work = Callable[..., Any]

_CLAIM_FOR_LIVING_WORKER = """
WITH taken AS (DELETE FROM plait.ready RETURNING *)
INSERT INTO plait.running (run_id, task, attempt, retry, lost, priority, action_id, worker_id, queued_at, started_at)
SELECT t.run_id, t.task, t.attempt, t.retry, t.lost, t.priority, t.action_id, w.id, t.queued_at, plait.now()
FROM taken t, plait.worker w WHERE w.ended_at IS NULL
"""


def test_a_claim_committed_after_it_was_given_up_is_taken_up(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.worker.claimer.LOOK_SECONDS", 0.2)

    @plait.task()
    def stranded(input: EmptyModel, ctx: Context) -> int:
        return 7

    work(stranded)
    with psycopg.connect(database.url) as connection:
        run = stranded.run_no_wait(connection=connection)
        connection.execute(_CLAIM_FOR_LIVING_WORKER)

    assert run.result(20) == 7
    check_at_rest(database)


def test_a_blocked_loop_costs_its_neighbours_none_of_their_time(plait: Plait, work: Work) -> None:
    begun: list[str] = []

    @plait.task(execution_timeout="30s")
    async def hog(input: EmptyModel, ctx: Context) -> int:
        begun.append("hog")
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            pass
        return 1

    @plait.task(execution_timeout="1s")
    async def victim(input: EmptyModel, ctx: Context) -> int:
        return 2

    first = hog.run_no_wait(priority=3)
    others = [victim.run_no_wait() for _ in range(3)]
    work(hog, victim)

    assert [other.result(20) for other in others] == [2, 2, 2]
    assert first.result(20) == 1
    assert begun == ["hog"]


def test_an_error_that_lacks_its_own_fields_is_reported_as_what_it_is(plait: Plait, work: Work) -> None:
    class Busy(RetryAfterException):
        def __init__(self) -> None:
            Exception.__init__(self, "try later")  # and so: no `after`

    @plait.task(execution_timeout=timedelta(seconds=20))
    async def task(input: EmptyModel, ctx: Context) -> int:
        raise Busy

    work(task)
    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        task.run()
    assert failure.value.exceptions[0].exc_type == "Busy"


def test_an_expression_that_takes_for_ever_holds_up_nobody(plait: Plait, work: Work, database: Database) -> None:
    quadratic = "input.xs.all(x, input.xs.exists(y, y == x + 0))"
    by_event = plait.workflow(
        name="by_event", on_events=["doc"], default_filters=[DefaultFilter(expression=quadratic, scope="s", payload={})]
    )

    @by_event.task()
    def started(input: EmptyModel, ctx: Context) -> int:
        return 1

    @plait.task(wait_for=[UserEventCondition("doc", expression=quadratic), UserEventCondition("go")])
    def waits(input: EmptyModel, ctx: Context) -> int:
        return 2

    @plait.task()
    def quick(input: EmptyModel, ctx: Context) -> int:
        return 3

    work(by_event, waits, quick, timings=QUICK)
    waiting = waits.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.waiting")
    plait.event.push("doc", {"xs": list(range(12_000))}, scope="s")
    plait.event.push("go", {})
    assert quick.run_no_wait().result(20) == 3
    database.wait("SELECT count(*) = 0 FROM plait.event_inbox")
    assert database.count("run") == 2, "a filter that cannot be evaluated lets nothing through"
    assert database.count("attempt", "status = -2") == 0, "no lease was lost"
    waiting.cancel()


def test_what_a_cancelled_task_raises_before_its_worker_hears_of_it_is_not_told_as_a_failure(
    plait: Plait, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("plait.worker.revoker.Revoker.look", lambda self: None)
    monkeypatch.setattr("plait.worker.claimer.LOOK_SECONDS", 3600.0)
    caplog.set_level(logging.INFO)
    gate, begun = threading.Event(), threading.Event()

    @plait.task()
    async def parent(input: EmptyModel, ctx: Context) -> int:
        begun.set()
        await asyncio.to_thread(gate.wait)
        raise ValueError("its child was cancelled")

    worker = serve(plait, parent)
    cancelled, failed = parent.run_no_wait(), parent.run_no_wait()
    database.wait("SELECT count(*) = 2 FROM plait.running")
    plait.runs.cancel(cancelled.workflow_run_id)
    gate.set()
    with pytest.raises(FailedTaskRunExceptionGroup):
        failed.result(30)
    session: Any = worker.worker._session
    eventually(lambda: not session.holdings.assignments, "both have ended here")
    worker.stop()
    told = [message for message in caplog.messages if "failed in attempt" in message]
    assert len(told) == 1
    assert failed.workflow_run_id in told[0]
