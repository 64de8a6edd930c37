"""Attempts: how often, how late, and what ends them early."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from plait import (
    Context,
    EmptyModel,
    FailedTaskRunExceptionGroup,
    NonRetryableException,
    Plait,
    RetryAfterException,
    TaskDefaults,
)
from support.database import Database

Work = Callable[..., Any]


def test_a_task_with_n_retries_is_tried_n_plus_one_times(plait: Plait, work: Work) -> None:
    seen: list[tuple[int, int, int]] = []

    @plait.task(retries=2)
    async def fails(input: EmptyModel, ctx: Context) -> None:
        seen.append((ctx.retry_count, ctx.attempt_number, ctx.max_attempts))
        raise ValueError(f"attempt {ctx.attempt_number}")

    work(fails)
    run = fails.run_no_wait()
    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        run.result()
    assert seen == [(0, 1, 3), (1, 2, 3), (2, 3, 3)]
    assert [error.exc for error in failure.value.exceptions] == ["attempt 3"]
    attempts = plait.runs.get_details(run.workflow_run_id).tasks["fails"].attempts
    assert [attempt.outcome for attempt in attempts] == ["RETRIED", "RETRIED", "FAILED"]
    assert [attempt.error.message for attempt in attempts if attempt.error] == ["attempt 1", "attempt 2", "attempt 3"]
    assert all(attempt.worker_id and attempt.started_at and attempt.finished_at for attempt in attempts)


def test_a_retry_that_succeeds_completes_the_run(plait: Plait, work: Work) -> None:
    @plait.task(retries=5)
    def flaky(input: EmptyModel, ctx: Context) -> int:
        if ctx.retry_count < 3:
            raise OSError("not yet")
        return ctx.retry_count

    work(flaky)
    assert flaky.run() == 3


def test_a_retry_waits_for_its_backoff_in_the_waiting_room(plait: Plait, work: Work, database: Database) -> None:
    @plait.task(retries=2, backoff_factor=1000.0, backoff_max_seconds=500_000.0)
    def fails(input: EmptyModel, ctx: Context) -> None:
        raise ValueError("no")

    work(fails)
    run = fails.run_no_wait()
    delay = (
        "SELECT extract(epoch FROM w.due_at - a.finished_at)::float8 FROM plait.waiting w "
        "JOIN plait.attempt a ON a.run_id = w.run_id AND a.attempt = w.attempt - 1"
    )
    assert 1000 <= database.wait(f"SELECT ({delay})") < 1060
    assert database.query("SELECT attempt, retry, lost FROM plait.waiting") == [(2, 1, 0)]
    details = plait.runs.get_details(run.workflow_run_id).tasks["fails"]
    assert details.status == "PENDING"
    assert details.due_at is not None
    _let_time_pass(database, seconds=1000)
    database.wait("SELECT attempt = 3 FROM plait.waiting")
    assert 500_000 <= database.value(f"SELECT ({delay})") < 500_060  # 1000 ** 2, cut by backoff_max_seconds
    _let_time_pass(database, seconds=500_000)
    with pytest.raises(FailedTaskRunExceptionGroup):
        run.result(20)


def _let_time_pass(database: Database, *, seconds: int) -> None:
    """Move what waits instead of the clock, and say so."""
    database.query(f"UPDATE plait.waiting SET due_at = due_at - interval '{seconds + 60} seconds'")
    database.query("SELECT pg_notify('plait_timer', '')")


def test_retry_after_sets_the_delay_and_adds_no_retry(plait: Plait, work: Work, database: Database) -> None:
    @plait.task(retries=1, backoff_factor=2.0)
    async def limited(input: EmptyModel, ctx: Context) -> None:
        raise RetryAfterException("slow down", after=timedelta(hours=2) if ctx.retry_count == 0 else timedelta(0))

    work(limited)
    run = limited.run_no_wait()
    waits = database.wait("SELECT extract(epoch FROM due_at - plait.now())::int FROM plait.waiting")
    assert 7_100 < waits <= 7_200
    _let_time_pass(database, seconds=7_200)
    with pytest.raises(FailedTaskRunExceptionGroup, match="slow down"):
        run.result(20)


def test_retry_after_zero_runs_again_at_once(plait: Plait, work: Work) -> None:
    @plait.task(retries=1, backoff_factor=1000.0)
    async def again(input: EmptyModel, ctx: Context) -> int:
        if ctx.retry_count == 0:
            raise RetryAfterException(after=timedelta(0))
        return ctx.attempt_number

    work(again)
    assert again.run_no_wait().result(20) == 2


def test_a_non_retryable_error_ends_the_task_at_once(plait: Plait, work: Work) -> None:
    calls: list[int] = []

    @plait.task(retries=5)
    def hopeless(input: EmptyModel, ctx: Context) -> None:
        calls.append(1)
        raise NonRetryableException("never")

    work(hopeless)
    with pytest.raises(FailedTaskRunExceptionGroup, match="never"):
        hopeless.run()
    assert len(calls) == 1


def test_an_explicit_zero_wins_over_the_defaults_of_the_workflow(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="defaults", task_defaults=TaskDefaults(retries=2))
    calls: dict[str, int] = {"default": 0, "explicit": 0}

    @flow.task()
    def default(input: EmptyModel, ctx: Context) -> None:
        calls["default"] += 1
        raise ValueError

    @flow.task(retries=0)
    def explicit(input: EmptyModel, ctx: Context) -> None:
        calls["explicit"] += 1
        raise ValueError

    work(flow)
    with pytest.raises(FailedTaskRunExceptionGroup):
        flow.run()
    assert calls == {"default": 3, "explicit": 1}


def test_an_output_that_cannot_be_stored_is_retried_like_any_failure(plait: Plait, work: Work) -> None:
    @plait.task(retries=1)
    def odd(input: EmptyModel, ctx: Context) -> Any:
        return object() if ctx.retry_count == 0 else "fine"

    work(odd)
    assert odd.run() == "fine"


def test_a_retried_parent_releases_its_child_once(plait: Plait, work: Work, database: Database) -> None:
    flow = plait.workflow(name="once")

    @flow.task(retries=3)
    def parent(input: EmptyModel, ctx: Context) -> int:
        if ctx.retry_count < 3:
            raise ValueError
        return 1

    @flow.task()
    def other(input: EmptyModel, ctx: Context) -> int:
        return 2

    @flow.task(parents=[parent, other])
    def child(input: EmptyModel, ctx: Context) -> int:
        return ctx.task_output(parent) + ctx.task_output(other)

    work(flow)
    assert flow.run()["child"] == 3
    assert database.count("attempt", "task = 2") == 1
