"""Hours and days pass in a moment: outcomes, and the virtual times that were recorded."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, Plait, RunCancelledError
from plait.testing import PlaitTest


def test_retries_hours_apart_happen_at_their_times(plait_test: PlaitTest) -> None:
    plait = Plait()
    flow = plait.workflow(name="Patient")

    @flow.task(retries=3, backoff_factor=3600, backoff_max_seconds=86_400)
    def fetch(input: EmptyModel, ctx: Context) -> int:
        if ctx.retry_count < 2:
            raise ConnectionError("not yet")
        return ctx.attempt_number

    plait_test.use(plait)
    began = plait_test.clock.now()
    assert plait_test.run(flow) == {"fetch": 3}

    (run,) = plait.runs.list()
    first, second, third = plait.runs.get_details(run.id).tasks["fetch"].attempts
    assert [first.outcome, second.outcome, third.outcome] == ["RETRIED", "RETRIED", "COMPLETED"]
    assert first.started_at is not None
    assert second.started_at is not None
    assert third.started_at is not None
    assert timedelta(hours=1) <= second.started_at - first.started_at < timedelta(hours=1, minutes=1)
    assert timedelta(hours=24) <= third.started_at - second.started_at < timedelta(hours=24, minutes=1)
    assert timedelta(hours=25) <= plait_test.clock.now() - began < timedelta(hours=25, minutes=2)


def test_a_schedule_timeout_of_a_day_ends_a_task_that_nobody_takes(plait_test: PlaitTest) -> None:
    plait = Plait()
    served, unserved = plait.workflow(name="Served"), plait.workflow(name="Unserved")

    @served.task()
    def work(input: EmptyModel, ctx: Context) -> None: ...

    @unserved.task(schedule_timeout="1d")
    def wait(input: EmptyModel, ctx: Context) -> None: ...

    plait_test.use(plait, served)
    with pytest.raises(RunCancelledError, match="schedule timeout"):
        plait_test.run(unserved)
    (run,) = plait.runs.list()
    assert run.finished_at is not None
    assert timedelta(days=1) <= run.finished_at - run.created_at < timedelta(days=1, minutes=1)


def test_a_task_that_hangs_is_timed_out_after_its_hour(plait_test: PlaitTest) -> None:
    plait = Plait()
    flow = plait.workflow(name="Hanging")
    release = threading.Event()

    @flow.task(execution_timeout="1h")
    def hang(input: EmptyModel, ctx: Context) -> None:
        release.wait(30)

    plait_test.use(plait)
    ref = flow.run_no_wait()
    plait_test.clock.advance("59m")
    plait_test.clock.advance("2m")
    plait_test.settle()
    with pytest.raises(FailedTaskRunExceptionGroup, match=r"execution_timeout of 3600 s"):
        ref.result(10)
    release.set()
    (attempt,) = plait.runs.get_details(ref.workflow_run_id).tasks["hang"].attempts
    assert attempt.started_at is not None
    assert timedelta(hours=1) < attempt.finished_at - attempt.started_at < timedelta(hours=1, minutes=2)
