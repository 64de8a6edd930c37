"""A failure cancels what depends on it and nothing else; the hooks see how the run ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, Plait, TaskRunError
from support.database import Database
from support.oracle import check_at_rest

Work = Callable[..., Any]


def statuses(plait: Plait, run: Any) -> dict[str, str]:
    details = plait.runs.get_details(run.workflow_run_id)
    return {name: str(task.status) for name, task in details.tasks.items()}


@pytest.mark.parametrize("slots", [1, 10])
def test_a_failure_cancels_its_descendants_and_leaves_other_branches_alone(
    plait: Plait, work: Work, database: Database, slots: int
) -> None:
    flow = plait.workflow(name="branches")
    ran: list[str] = []

    def good(input: EmptyModel, ctx: Context) -> str:
        ran.append(ctx.task_name)
        return ctx.task_name

    def bad(input: EmptyModel, ctx: Context) -> str:
        raise ValueError("broken")

    root = flow.task(name="root")(good)
    broken = flow.task(name="broken", parents=[root])(bad)
    child = flow.task(name="child", parents=[broken])(good)
    flow.task(name="grandchild", parents=[child])(good)
    fine = flow.task(name="fine", parents=[root])(good)
    flow.task(name="mixed", parents=[fine, broken])(good)
    flow.task(name="leaf", parents=[fine])(good)
    work(flow, slots=slots)
    run = flow.run_no_wait()
    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        run.result(20)
    assert [error.task_name for error in failure.value.exceptions] == ["broken"]
    assert sorted(ran) == ["fine", "leaf", "root"]
    assert statuses(plait, run) == {
        "root": "COMPLETED",
        "broken": "FAILED",
        "child": "CANCELLED",
        "grandchild": "CANCELLED",
        "fine": "COMPLETED",
        "mixed": "CANCELLED",
        "leaf": "COMPLETED",
    }
    tasks = plait.runs.get_details(run.workflow_run_id).tasks
    assert tasks["child"].reason == tasks["mixed"].reason == "parent 'broken' failed"
    assert tasks["grandchild"].reason == "parent 'child' was cancelled"
    assert run.status() == "FAILED"
    check_at_rest(database)


def test_a_branch_that_runs_on_ends_before_the_run_ends(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="runs_on")
    gate = threading.Event()

    @flow.task()
    def fails(input: EmptyModel, ctx: Context) -> None:
        raise ValueError

    @flow.task()
    def slow(input: EmptyModel, ctx: Context) -> bool:
        return gate.wait(20)

    work(flow)
    run = flow.run_no_wait()
    with pytest.raises(TimeoutError):
        run.result(timeout=0.5)
    assert run.status() == "RUNNING"
    gate.set()
    with pytest.raises(FailedTaskRunExceptionGroup):
        run.result(20)
    assert statuses(plait, run)["slow"] == "COMPLETED"


@pytest.mark.parametrize("slots", [1, 10])
def test_on_failure_runs_once_after_all_else_and_sees_every_error(plait: Plait, work: Work, slots: int) -> None:
    flow = plait.workflow(name="hooked")
    gate = threading.Event()
    order: list[str] = []
    seen: list[dict[str, TaskRunError]] = []

    @flow.task()
    def fails_first(input: EmptyModel, ctx: Context) -> None:
        order.append(ctx.task_name)
        raise ValueError("one")

    @flow.task()
    def fails_last(input: EmptyModel, ctx: Context) -> None:
        if slots > 1:
            gate.wait(20)
        order.append(ctx.task_name)
        raise KeyError("two")

    @flow.task(parents=[fails_first])
    def cancelled(input: EmptyModel, ctx: Context) -> None:
        order.append(ctx.task_name)

    @flow.on_failure_task()
    def mourn(input: EmptyModel, ctx: Context) -> int:
        order.append(ctx.task_name)
        seen.append(dict(ctx.task_run_errors))
        assert ctx.get_task_run_error(fails_last) is not None
        assert ctx.get_task_run_error(cancelled) is None
        return len(ctx.task_run_errors)

    work(flow, slots=slots)
    run = flow.run_no_wait()
    if slots > 1:
        with pytest.raises(TimeoutError):
            run.result(timeout=0.5)
        assert seen == []  # not before every other task is terminal
        gate.set()
    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        run.result(20)
    assert order == ["fails_first", "fails_last", "mourn"]
    assert {name: (error.exc_type, error.exc) for name, error in seen[0].items()} == {
        "fails_first": ("ValueError", "one"),
        "fails_last": ("KeyError", "'two'"),
    }
    assert "def fails_first" not in seen[0]["fails_first"].trace
    assert 'raise ValueError("one")' in seen[0]["fails_first"].trace
    assert len(failure.value.exceptions) == 2
    assert run.status() == "FAILED"
    assert statuses(plait, run)["mourn"] == "COMPLETED"
    assert len(seen) == 1


def test_on_failure_does_not_run_when_the_run_succeeds(plait: Plait, work: Work, database: Database) -> None:
    flow = plait.workflow(name="happy")

    @flow.task()
    def fine(input: EmptyModel, ctx: Context) -> int:
        return 1

    @flow.on_failure_task()
    def mourn(input: EmptyModel, ctx: Context) -> None:
        raise AssertionError

    work(flow)
    run = flow.run_no_wait()
    assert run.result(20) == {"fine": 1}
    assert statuses(plait, run)["mourn"] == "SKIPPED"
    check_at_rest(database)


def test_on_success_runs_when_every_leaf_completed(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="success")

    @flow.task()
    def left(input: EmptyModel, ctx: Context) -> int:
        return 1

    @flow.task()
    def right(input: EmptyModel, ctx: Context) -> int:
        return 2

    @flow.on_success_task()
    def celebrate(input: EmptyModel, ctx: Context) -> int:
        return ctx.task_output(left) + ctx.task_output(right)

    @flow.on_failure_task()
    def mourn(input: EmptyModel, ctx: Context) -> None: ...

    work(flow)
    assert flow.run() == {"left": 1, "right": 2, "celebrate": 3}


def test_on_success_does_not_run_when_a_leaf_failed(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="half")

    @flow.task()
    def fine(input: EmptyModel, ctx: Context) -> int:
        return 1

    @flow.task()
    def fails(input: EmptyModel, ctx: Context) -> int:
        raise ValueError

    @flow.on_success_task()
    def celebrate(input: EmptyModel, ctx: Context) -> None:
        raise AssertionError

    work(flow)
    run = flow.run_no_wait()
    with pytest.raises(FailedTaskRunExceptionGroup):
        run.result(20)
    assert statuses(plait, run)["celebrate"] == "SKIPPED"


def test_a_failing_on_success_task_fails_the_run_and_wakes_on_failure(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="bitter")
    seen: list[str] = []

    @flow.task()
    def fine(input: EmptyModel, ctx: Context) -> int:
        return 1

    @flow.on_success_task()
    def celebrate(input: EmptyModel, ctx: Context) -> None:
        raise ValueError("too early")

    @flow.on_failure_task()
    def mourn(input: EmptyModel, ctx: Context) -> None:
        seen.extend(ctx.task_run_errors)

    work(flow)
    with pytest.raises(FailedTaskRunExceptionGroup):
        flow.run()
    assert seen == ["celebrate"]


def test_a_failing_on_failure_task_ends_the_run_too(plait: Plait, work: Work, database: Database) -> None:
    flow = plait.workflow(name="worse")

    @flow.task()
    def fails(input: EmptyModel, ctx: Context) -> None:
        raise ValueError("first")

    @flow.on_failure_task(retries=1)
    def mourn(input: EmptyModel, ctx: Context) -> None:
        raise ValueError("second")

    work(flow)
    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        flow.run()
    assert [error.exc for error in failure.value.exceptions] == ["first", "second"]
    check_at_rest(database)


def test_a_failing_standalone_raises_with_its_error(plait: Plait, work: Work) -> None:
    @plait.task()
    async def fails(input: EmptyModel, ctx: Context) -> int:
        raise LookupError("nothing there")

    work(fails)
    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        fails.run()
    error = failure.value.exceptions[0]
    assert (error.exc_type, error.exc, error.task_name) == ("LookupError", "nothing there", "fails")
    assert 'raise LookupError("nothing there")' in error.trace
