"""execution_timeout bounds an attempt, schedule_timeout the time in the queue. Both to ±100 ms; here only that they
come, that they come from Plait's clock, and that nothing waits for the next poll."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, Plait, RunCancelledError
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]


def test_an_async_task_over_its_time_fails_and_is_cancelled(plait: Plait, work: Work) -> None:
    stopped: list[BaseException] = []

    @plait.task(execution_timeout="200ms")
    async def slow(input: EmptyModel, ctx: Context) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            stopped.append(error)
            raise

    work(slow)
    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        slow.run()
    assert failure.value.exceptions[0].exc_type == "TaskTimeoutError"
    assert "execution_timeout of 0.2 s" in failure.value.exceptions[0].exc
    eventually(lambda: stopped, "the code was told")


def test_a_sync_task_over_its_time_fails_and_sees_that_it_is_cancelled(plait: Plait, work: Work) -> None:
    saw = threading.Event()

    @plait.task(execution_timeout="200ms")
    def slow(input: EmptyModel, ctx: Context) -> None:
        eventually(lambda: ctx.is_cancelled)
        saw.set()

    work(slow)
    with pytest.raises(FailedTaskRunExceptionGroup, match="TaskTimeoutError"):
        slow.run()
    assert saw.wait(20)


def test_a_task_that_blocks_the_loop_still_times_out(plait: Plait, work: Work) -> None:
    gate = threading.Event()

    @plait.task(execution_timeout="200ms")
    async def blocks(input: EmptyModel, ctx: Context) -> bool:
        return gate.wait(60)

    work(blocks)
    with pytest.raises(FailedTaskRunExceptionGroup, match="TaskTimeoutError"):
        blocks.run_no_wait().result(20)
    gate.set()


def test_a_timed_out_attempt_frees_its_slot_though_its_thread_goes_on(plait: Plait, work: Work) -> None:
    gate = threading.Event()

    @plait.task(execution_timeout="200ms")
    def stuck(input: EmptyModel, ctx: Context) -> bool:
        return gate.wait(60)

    @plait.task()
    def quick(input: EmptyModel, ctx: Context) -> int:
        return 1

    work(slots=1)
    first = stuck.run_no_wait()
    assert quick.run_no_wait().result(20) == 1
    gate.set()
    with pytest.raises(FailedTaskRunExceptionGroup, match="TaskTimeoutError"):
        first.result(20)


def test_a_timed_out_attempt_is_retried_and_its_late_result_discarded(plait: Plait, work: Work) -> None:
    gate = threading.Event()

    @plait.task(execution_timeout="300ms", retries=1)
    def slow_once(input: EmptyModel, ctx: Context) -> str:
        if ctx.retry_count == 0:
            gate.wait(60)
            return "late"
        gate.set()
        return "in time"

    work(slow_once)
    assert slow_once.run() == "in time"


def test_refresh_timeout_lets_an_attempt_run_longer(plait: Plait, work: Work) -> None:
    @plait.task(execution_timeout="300ms")
    async def longer(input: EmptyModel, ctx: Context) -> bool:
        ctx.refresh_timeout(timedelta(seconds=30))
        await asyncio.sleep(0.6)
        return ctx.is_cancelled

    work(longer)
    assert longer.run() is False


@pytest.fixture
def sleepy_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers that would sleep for an hour if nobody told them of a new one."""
    monkeypatch.setattr("plait.maintenance.timers.LONGEST_SLEEP", 3600.0)


def _wait_until_timers_sleep(database: Database) -> None:
    """Until well after the first hints of a new connection, which make every loop look once."""
    database.wait(
        "SELECT now() - backend_start > interval '800 ms' FROM pg_stat_activity "
        "WHERE application_name = 'plait listener' AND datname = current_database()"
    )


@pytest.mark.usefixtures("sleepy_timers")
def test_a_task_nobody_takes_in_time_is_cancelled_with_the_reason(plait: Plait, work: Work, database: Database) -> None:
    flow = plait.workflow(name="impatient")
    gate = threading.Event()

    @flow.task()
    def busy(input: EmptyModel, ctx: Context) -> bool:
        return gate.wait(60)

    other = plait.workflow(name="other")

    @other.task(schedule_timeout="300ms")
    def late(input: EmptyModel, ctx: Context) -> None:
        raise AssertionError("it must not run")

    @other.task(parents=[late])
    def after(input: EmptyModel, ctx: Context) -> None: ...

    work(slots=1)
    first = flow.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.running")
    _wait_until_timers_sleep(database)
    run = other.run_no_wait()
    with pytest.raises(RunCancelledError, match="schedule timeout") as failure:
        run.result(20)
    assert "0.3 s" in failure.value.reason
    details = plait.runs.get_details(run.workflow_run_id)
    assert details.tasks["late"].status == "CANCELLED"
    assert details.tasks["after"].status == "CANCELLED"
    assert details.tasks["after"].reason == "parent 'late' was cancelled"
    gate.set()
    assert first.result(20) == {"busy": True}


def test_the_schedule_timeout_of_a_child_begins_when_it_is_queued(plait: Plait, work: Work, database: Database) -> None:
    flow = plait.workflow(name="later")
    begun, gate = threading.Event(), threading.Event()

    @flow.task()
    def parent(input: EmptyModel, ctx: Context) -> bool:
        begun.set()
        return gate.wait(60)

    @flow.task(parents=[parent], schedule_timeout="100ms")
    def child(input: EmptyModel, ctx: Context) -> int:
        return 1

    work(flow)
    run = flow.run_no_wait()
    assert begun.wait(20)
    database.wait("SELECT plait.now() - started_at > interval '300 ms' FROM plait.running")
    gate.set()
    assert run.result(20)["child"] == 1


def test_without_a_schedule_timeout_a_backlog_cancels_nothing(plait: Plait, work: Work, database: Database) -> None:
    @plait.task()
    def patient(input: EmptyModel, ctx: Context) -> int:
        return 1

    run = patient.run_no_wait()
    assert database.value("SELECT expires_at FROM plait.ready") is None
    database.query("UPDATE plait.ready SET queued_at = queued_at - interval '1 year'")
    work(patient)
    assert run.result(20) == 1


def test_a_worker_in_the_way_does_not_time_out_a_retry_that_waits(plait: Plait, work: Work, database: Database) -> None:
    @plait.task(retries=1, backoff_factor=3600.0, schedule_timeout="100ms")
    def fails(input: EmptyModel, ctx: Context) -> int:
        if ctx.retry_count == 0:
            raise ValueError
        return ctx.attempt_number

    work(fails)
    run = fails.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.waiting")
    database.query("UPDATE plait.waiting SET due_at = plait.now()")
    database.query("SELECT pg_notify('plait_timer', '')")
    assert run.result(20) == 2


@pytest.mark.usefixtures("sleepy_timers")
def test_a_child_nobody_takes_in_time_is_cancelled_too(plait: Plait, work: Work, database: Database) -> None:
    blocker = plait.workflow(name="blocker")
    gate, begun = threading.Event(), threading.Event()

    @blocker.task()
    def busy(input: EmptyModel, ctx: Context) -> bool:
        return gate.wait(60)

    flow = plait.workflow(name="family")

    @flow.task()
    def parent(input: EmptyModel, ctx: Context) -> bool:
        return begun.wait(60)

    for number in range(2):
        flow.task(name=f"child_{number}", parents=[parent], schedule_timeout="300ms")(lambda input, ctx: gate.wait(60))
    work(slots=1)
    run = flow.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.running")
    _wait_until_timers_sleep(database)
    begun.set()
    database.wait("SELECT count(*) = 1 FROM plait.attempt WHERE status = 3")
    gate.set()
    with pytest.raises(RunCancelledError, match="schedule timeout"):
        run.result(20)
