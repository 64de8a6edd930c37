"""Replaying: what did not complete runs again, what completed is kept."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from plait import (
    Context,
    EmptyModel,
    FailedTaskRunExceptionGroup,
    Plait,
    RunCancelledError,
    Workflow,
    WorkflowRunStatus,
)
from plait.errors import InvalidInputError, NotFoundError, ReplayError
from plait.features.runs import RunFilter
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]


class Six:
    """a -> (b, c) -> d -> e, and a hook; ``broken`` tasks fail."""

    def __init__(self, plait: Plait) -> None:
        self.begun: Counter[str] = Counter()
        self.broken = {"d"}
        self.flow: Workflow[EmptyModel] = plait.workflow(name="six")
        declared: dict[str, Any] = {}
        for name, parents in {"a": "", "b": "a", "c": "a", "d": "bc", "e": "d"}.items():
            declared[name] = self.flow.task(name=name, parents=[declared[parent] for parent in parents])(
                self._body(name)
            )
        self.flow.on_failure_task(name="hook")(self._body("hook"))

    def _body(self, name: str) -> Callable[[EmptyModel, Context], Any]:
        async def body(input: EmptyModel, ctx: Context) -> str:
            self.begun[name] += 1
            if name in self.broken:
                raise ValueError(f"{name} is broken")
            return f"{name}{self.begun[name]}"

        return body


def test_a_replay_runs_what_failed_and_what_depends_on_it_and_nothing_else(plait: Plait, work: Work) -> None:
    six = Six(plait)
    work(six.flow)
    run = six.flow.run_no_wait()
    with pytest.raises(FailedTaskRunExceptionGroup):
        run.result()
    assert six.begun == {"a": 1, "b": 1, "c": 1, "d": 1, "hook": 1}
    six.broken.clear()
    assert plait.runs.replay(run.workflow_run_id).workflow_run_id == run.workflow_run_id
    assert run.result() == {"a": "a1", "b": "b1", "c": "c1", "d": "d2", "e": "e1"}
    assert six.begun == {"a": 1, "b": 1, "c": 1, "d": 2, "e": 1, "hook": 1}
    tasks = plait.runs.get_details(run.workflow_run_id).tasks
    assert [(attempt.outcome, attempt.superseded) for attempt in tasks["d"].attempts] == [
        ("FAILED", True),
        ("COMPLETED", False),
    ]
    assert tasks["e"].attempts[0].reason == "parent 'd' failed"
    numbers = [attempt.attempt for attempt in tasks["d"].attempts]
    assert numbers == sorted(set(numbers))


def test_a_replay_that_fails_again_can_be_replayed_again(plait: Plait, work: Work) -> None:
    six = Six(plait)
    work(six.flow)
    run = six.flow.run_no_wait()
    for _ in range(3):
        with pytest.raises(FailedTaskRunExceptionGroup, match="d is broken"):
            run.result()
        plait.runs.replay(run.workflow_run_id)
    with pytest.raises(FailedTaskRunExceptionGroup):
        run.result()
    assert six.begun["d"] == 4
    assert six.begun["hook"] == 4
    assert six.begun["a"] == 1


def test_from_start_and_tasks_widen_a_replay(plait: Plait, work: Work) -> None:
    six = Six(plait)
    six.broken.clear()
    work(six.flow)
    run = six.flow.run_no_wait()
    assert run.result()["e"] == "e1"
    with pytest.raises(ReplayError, match=r"every task .* completed: pass from_start=True or tasks=\[...\]"):
        plait.runs.replay(run.workflow_run_id)
    plait.runs.replay(run.workflow_run_id, tasks=["c"])
    assert run.result() == {"a": "a1", "b": "b1", "c": "c2", "d": "d2", "e": "e2"}
    plait.runs.replay(run.workflow_run_id, from_start=True)
    assert run.result() == {"a": "a2", "b": "b2", "c": "c3", "d": "d3", "e": "e3"}
    with pytest.raises(NotFoundError, match="has no task 'x'"):
        plait.runs.replay(run.workflow_run_id, tasks=["x"])


def test_a_cancelled_run_goes_on_where_it_was(plait: Plait, work: Work) -> None:
    begun, seen = threading.Event(), Counter[str]()
    flow = plait.workflow(name="cancelled")

    @flow.task()
    async def first(input: EmptyModel, ctx: Context) -> int:
        seen["first"] += 1
        return 1

    @flow.task(parents=[first])
    async def second(input: EmptyModel, ctx: Context) -> int:
        seen["second"] += 1
        if seen["second"] == 1:
            begun.set()
            await asyncio.sleep(3600)
        return ctx.task_output(first) + 1

    @flow.task(parents=[first, second])
    async def third(input: EmptyModel, ctx: Context) -> int:
        return ctx.task_output(first) + ctx.task_output(second)

    work(flow)
    run = flow.run_no_wait()
    assert begun.wait(20)
    run.cancel()
    plait.runs.replay(run.workflow_run_id)
    assert run.result() == {"first": 1, "second": 2, "third": 3}
    assert seen == {"first": 1, "second": 2}


def test_an_active_run_is_refused(plait: Plait) -> None:
    @plait.task()
    async def one(input: EmptyModel, ctx: Context) -> None: ...

    run = one.run_no_wait()
    with pytest.raises(ReplayError, match="is active: wait for its end, or cancel it"):
        plait.runs.replay(run.workflow_run_id)


class Order(BaseModel):
    number: int


def test_an_edited_input_makes_a_new_run_that_remembers_its_origin(plait: Plait, work: Work) -> None:
    @plait.task(input_validator=Order)
    async def check(input: Order, ctx: Context) -> int:
        if input.number < 0:
            raise ValueError("negative")
        return input.number

    work(check)
    run = check.run_no_wait(Order(number=-1), additional_metadata={"user": 7})
    with pytest.raises(FailedTaskRunExceptionGroup):
        run.result()
    with pytest.raises(InvalidInputError, match="number"):
        plait.runs.replay(run.workflow_run_id, input={"number": "x"})
    again = plait.runs.replay(run.workflow_run_id, input={"number": 5})
    assert again.workflow_run_id != run.workflow_run_id
    assert again.result() == {"check": 5}
    summary = plait.runs.get(again.workflow_run_id)
    assert (summary.trigger, summary.trigger_id) == ("REPLAY", run.workflow_run_id)
    assert summary.metadata == {"user": 7}
    assert [found.id for found in plait.runs.list(triggered_by=run.workflow_run_id)] == [again.workflow_run_id]
    assert run.status() is WorkflowRunStatus.FAILED


def test_many_are_replayed_by_filter_after_a_dry_run(plait: Plait, work: Work, database: Database) -> None:
    broken = True

    @plait.task()
    async def flaky(input: EmptyModel, ctx: Context) -> str:
        if broken:
            raise ValueError("broken")
        return "mended"

    work(flaky)
    refs = flaky.run_many_no_wait([flaky.create_bulk_run_item() for _ in range(5)])
    database.wait_ended(5)
    broken = False
    assert plait.runs.bulk_replay(filter=RunFilter(), dry_run=True).matched == 5
    result = plait.runs.bulk_replay(filter=RunFilter(statuses=[WorkflowRunStatus.FAILED], workflow_names=["flaky"]))
    assert (result.matched, result.done) == (5, 5)
    assert [ref.result() for ref in refs] == ["mended"] * 5


def test_retries_begin_anew_after_a_replay(plait: Plait, work: Work) -> None:
    seen: list[tuple[int, int]] = []

    @plait.task(retries=1)
    async def fails(input: EmptyModel, ctx: Context) -> None:
        seen.append((ctx.retry_count, ctx.attempt_number))
        raise ValueError("no")

    work(fails)
    run = fails.run_no_wait()
    with pytest.raises(FailedTaskRunExceptionGroup):
        run.result()
    plait.runs.replay(run.workflow_run_id)
    with pytest.raises(FailedTaskRunExceptionGroup):
        run.result()
    assert seen == [(0, 1), (1, 2), (0, 3), (1, 4)]


def test_a_task_cancelled_by_order_runs_in_a_replay(plait: Plait, work: Work) -> None:
    go = threading.Event()
    flow = plait.workflow(name="ordered")

    @flow.task()
    def first(input: EmptyModel, ctx: Context) -> None:
        assert go.wait(20)

    @flow.task(parents=[first])
    def second(input: EmptyModel, ctx: Context) -> str:
        return "ran"

    work(flow)
    run = flow.run_no_wait()
    plait.runs.cancel_task(run.workflow_run_id, "second")
    go.set()
    with pytest.raises(RunCancelledError):
        run.result()
    plait.runs.replay(run.workflow_run_id)
    assert run.result()["second"] == "ran"
    eventually(lambda: run.status() is WorkflowRunStatus.COMPLETED, "it completed")
