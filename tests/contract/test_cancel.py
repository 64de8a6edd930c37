"""Cancelling: a run with all that belongs to it, one task of it, many by filter."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait, RunCancelledError, TaskStatus, WorkflowRunStatus
from plait.errors import InvalidInputError, NotFoundError
from plait.features.runs import RunFilter
from support.database import ROOMS, Database
from support.waiting import eventually

Work = Callable[..., Any]


def assert_at_rest(database: Database) -> None:
    assert {room: database.count(room) for room in (*ROOMS, "awaited_event")} == dict.fromkeys(
        (*ROOMS, "awaited_event"), 0
    )


def test_a_cancelled_run_ends_at_once_and_its_async_task_gets_cancelled_error(
    plait: Plait, work: Work, database: Database
) -> None:
    begun, cancelled = threading.Event(), threading.Event()
    flow = plait.workflow(name="long")

    @flow.task()
    async def hang(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    @flow.task(parents=[hang])
    async def after(input: EmptyModel, ctx: Context) -> None: ...

    work(flow)
    run = flow.run_no_wait()
    assert begun.wait(20)
    assert run.cancel() is True
    assert run.status() is WorkflowRunStatus.CANCELLED
    assert cancelled.wait(20)
    with pytest.raises(RunCancelledError, match="the run was cancelled"):
        run.result()
    details = plait.runs.get_details(run.workflow_run_id)
    assert [task.status for task in details.tasks.values()] == [TaskStatus.CANCELLED, TaskStatus.CANCELLED]
    assert details.tasks["hang"].worker_id is not None
    assert_at_rest(database)
    assert run.cancel() is False


def test_sync_code_sees_is_cancelled_and_its_late_result_is_discarded(
    plait: Plait, work: Work, database: Database
) -> None:
    begun, left = threading.Event(), threading.Event()

    @plait.task()
    def stubborn(input: EmptyModel, ctx: Context) -> str:
        begun.set()
        eventually(lambda: ctx.is_cancelled, "the task is told")
        left.set()
        return "too late"

    work(stubborn)
    run = stubborn.run_no_wait()
    assert begun.wait(20)
    assert run.cancel() is True
    assert left.wait(20)
    assert stubborn.run_many([], wait_for_result=False) == []
    assert database.query("SELECT status, output FROM plait.attempt") == [(3, None)]


def test_the_slot_of_a_cancelled_task_is_free_for_others(plait: Plait, work: Work) -> None:
    begun = threading.Event()

    @plait.task()
    async def hang(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        await asyncio.sleep(3600)

    @plait.task()
    async def quick(input: EmptyModel, ctx: Context) -> str:
        return "done"

    work(hang, quick, slots=1)
    run = hang.run_no_wait()
    assert begun.wait(20)
    run.cancel()
    assert quick.run() == "done"


def test_queued_and_sleeping_tasks_are_cancelled_without_a_worker(plait: Plait, database: Database) -> None:
    flow = plait.workflow(name="unserved")

    @flow.task(retries=1)
    async def one(input: EmptyModel, ctx: Context) -> None: ...

    @flow.task()
    async def two(input: EmptyModel, ctx: Context) -> None: ...

    run = flow.run_no_wait()
    assert database.count("ready") == 2
    assert run.cancel() is True
    assert_at_rest(database)
    with pytest.raises(RunCancelledError):
        run.result(20)


def test_a_run_that_had_failed_tasks_is_failed_when_it_is_cancelled(plait: Plait, work: Work) -> None:
    begun = threading.Event()
    flow = plait.workflow(name="half")

    @flow.task()
    async def bad(input: EmptyModel, ctx: Context) -> None:
        raise ValueError("no")

    @flow.task()
    async def hang(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        await asyncio.sleep(3600)

    @flow.on_failure_task()
    async def tell(input: EmptyModel, ctx: Context) -> None:
        raise AssertionError("a cancelled run runs nothing more")

    work(flow)
    run = flow.run_no_wait()
    assert begun.wait(20)
    eventually(lambda: plait.runs.get_details(run.workflow_run_id).tasks["bad"].status == "FAILED", "it failed")
    run.cancel()
    details = plait.runs.get_details(run.workflow_run_id)
    assert details.status is WorkflowRunStatus.FAILED
    assert [task.status.value for task in details.tasks.values()] == ["FAILED", "CANCELLED", "CANCELLED"]


def test_one_task_is_cancelled_and_the_rest_of_the_run_goes_on(plait: Plait, work: Work) -> None:
    begun, go = threading.Event(), threading.Event()
    flow = plait.workflow(name="branches")

    @flow.task()
    async def hang(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        await asyncio.sleep(3600)

    @flow.task(parents=[hang])
    async def below(input: EmptyModel, ctx: Context) -> None: ...

    @flow.task()
    def other(input: EmptyModel, ctx: Context) -> str:
        assert go.wait(20)
        return "kept"

    work(flow)
    run = flow.run_no_wait()
    assert begun.wait(20)
    plait.runs.cancel_task(run.workflow_run_id, "hang")
    eventually(lambda: plait.runs.get_details(run.workflow_run_id).tasks["below"].status == "CANCELLED", "it is told")
    assert run.status() is WorkflowRunStatus.RUNNING
    go.set()
    with pytest.raises(RunCancelledError):
        run.result()
    tasks = plait.runs.get_details(run.workflow_run_id).tasks
    assert tasks["other"].output == "kept"
    assert tasks["hang"].reason == "somebody cancelled this task"
    assert tasks["below"].reason == "parent 'hang' was cancelled"


def test_a_task_that_has_not_come_up_is_cancelled_when_it_does(plait: Plait, work: Work) -> None:
    go = threading.Event()
    flow = plait.workflow(name="later")

    @flow.task()
    def first(input: EmptyModel, ctx: Context) -> None:
        assert go.wait(20)

    @flow.task(parents=[first])
    def second(input: EmptyModel, ctx: Context) -> None:
        raise AssertionError("it was cancelled")

    work(flow)
    run = flow.run_no_wait()
    plait.runs.cancel_task(run.workflow_run_id, "second")
    go.set()
    with pytest.raises(RunCancelledError, match="somebody cancelled this task"):
        run.result()


def test_a_queued_task_nobody_has_code_for_is_cancelled_by_any_worker(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="no code")

    @flow.task()
    def never(input: EmptyModel, ctx: Context) -> None: ...

    @plait.task()
    def other(input: EmptyModel, ctx: Context) -> None: ...

    run = flow.run_no_wait()
    work(other)
    plait.runs.cancel_task(run.workflow_run_id, "never")
    with pytest.raises(RunCancelledError):
        run.result()


def test_a_task_cancels_itself(plait: Plait, work: Work) -> None:
    @plait.task(retries=3)
    async def gives_up(input: EmptyModel, ctx: Context) -> None:
        ctx.cancel()
        await asyncio.sleep(3600)

    work(gives_up)
    with pytest.raises(RunCancelledError, match="cancelled by its own code"):
        gives_up.run()


def test_many_are_cancelled_by_filter_after_a_dry_run(plait: Plait, database: Database) -> None:
    @plait.task()
    async def one(input: EmptyModel, ctx: Context) -> None: ...

    @plait.task()
    async def two(input: EmptyModel, ctx: Context) -> None: ...

    one.run_many_no_wait([one.create_bulk_run_item(additional_metadata={"user": n % 2}) for n in range(6)])
    two.run_many_no_wait([two.create_bulk_run_item() for _ in range(3)])
    wanted = RunFilter(workflow_names=["one"], additional_metadata={"user": 1})
    assert plait.runs.bulk_cancel(filter=wanted, dry_run=True).matched == 3
    assert database.count("run", "status <> 0") == 0
    result = plait.runs.bulk_cancel(filter=wanted)
    assert (result.matched, result.done) == (3, 3)
    assert database.count("run", "status = 3") == 3
    assert plait.runs.bulk_cancel(filter=RunFilter()).done == 6


def test_bad_orders_are_refused(plait: Plait) -> None:
    @plait.task()
    async def one(input: EmptyModel, ctx: Context) -> None: ...

    run = one.run_no_wait()
    with pytest.raises(NotFoundError, match="there is no run 0198c0de"):
        plait.runs.cancel("0198c0de-7abc-7def-8123-456789abcdef")
    with pytest.raises(InvalidInputError, match="is not a valid run id"):
        plait.runs.cancel("nonsense")
    with pytest.raises(NotFoundError, match="has no task 'on' \\(did you mean 'one'\\?\\)"):
        plait.runs.cancel_task(run.workflow_run_id, "on")
    with pytest.raises(InvalidInputError, match=r"either ids=\[...\] or filter="):
        plait.runs.bulk_cancel()
    run.cancel()
    with pytest.raises(InvalidInputError, match="has ended \\(CANCELLED\\)"):
        plait.runs.cancel_task(run.workflow_run_id, "one")
