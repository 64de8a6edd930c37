"""Conditions: branches, sleeps, events and their combinations, on the virtual clock; all together on the real one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from plait import (
    Context,
    EmptyModel,
    FailedTaskRunExceptionGroup,
    ParentCondition,
    Plait,
    RunCancelledError,
    SleepCondition,
    UserEventCondition,
    or_,
)
from plait.features.run_views import TaskDetails
from plait.testing import PlaitTest
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]


class Number(BaseModel):
    n: int
    document: str = "d1"


@pytest.fixture
def app(plait_test: PlaitTest) -> Plait:
    return Plait(plait_test.url)


def read_task(app: Plait, run_id: str, task: str) -> TaskDetails:
    return app.runs.get_details(run_id).tasks[task]


def wait_waiting(app: Plait, run_id: str, task: str) -> TaskDetails:
    return eventually(lambda: (found := read_task(app, run_id, task)).waits_for and found, f"{task} waits")


def test_a_branch_is_taken_by_what_a_parent_put_out(app: Plait, plait_test: PlaitTest) -> None:
    flow = app.workflow(name="branch", input_validator=Number)

    @flow.task()
    async def decide(input: Number, ctx: Context) -> dict[str, int]:
        return {"n": input.n}

    @flow.task(parents=[decide], skip_if=[ParentCondition(decide, "output.n < 10")])
    async def large(input: Number, ctx: Context) -> str:
        return "large"

    @flow.task(parents=[decide], wait_for=[ParentCondition(decide, "output.n < 10")])
    async def small(input: Number, ctx: Context) -> str:
        return "small"

    @flow.task(parents=[large, small])
    async def join(input: Number, ctx: Context) -> str:
        return ctx.task_output(small if ctx.was_skipped(large) else large)

    plait_test.use(app)
    few = flow.run_no_wait(Number(n=3))
    assert few.result() == {"decide": {"n": 3}, "large": {"skipped": True}, "small": "small", "join": "small"}
    assert flow.run(Number(n=30))["join"] == "large"
    assert read_task(app, few.workflow_run_id, "large").reason == "skip_if holds: parent 'decide': output.n < 10"


def test_a_wait_that_can_never_hold_is_skipped_with_the_reason(app: Plait, plait_test: PlaitTest) -> None:
    flow = app.workflow(name="never")

    @flow.task()
    async def first(input: EmptyModel, ctx: Context) -> bool:
        return False

    @flow.task(parents=[first], wait_for=[ParentCondition(first, "output"), UserEventCondition("go")])
    async def second(input: EmptyModel, ctx: Context) -> None: ...

    @flow.task(parents=[second])
    async def third(input: EmptyModel, ctx: Context) -> None: ...

    plait_test.use(app)
    run = flow.run_no_wait()
    assert run.result() == {"first": False, "second": {"skipped": True}, "third": {"skipped": True}}
    assert "wait_for can never hold" in (read_task(app, run.workflow_run_id, "second").reason or "")


def test_a_sleep_counts_from_when_the_parents_were_done_and_holds_no_slot(app: Plait, plait_test: PlaitTest) -> None:
    flow = app.workflow(name="sleeper")

    @flow.task()
    async def first(input: EmptyModel, ctx: Context) -> None: ...

    @flow.task(parents=[first], wait_for=[SleepCondition(timedelta(days=3))])
    async def later(input: EmptyModel, ctx: Context) -> str:
        return "awake"

    @app.task()
    async def quick(input: EmptyModel, ctx: Context) -> str:
        return "meanwhile"

    plait_test.use(app, slots=1)
    run = flow.run_no_wait()
    waiting = wait_waiting(app, run.workflow_run_id, "later")
    assert waiting.status == "PENDING"
    assert waiting.waits_for == ("3 d after its parents",)
    assert quick.run() == "meanwhile"
    plait_test.clock.advance(timedelta(days=3) - timedelta(hours=1))
    plait_test.settle()
    assert read_task(app, run.workflow_run_id, "later").status == "PENDING"
    plait_test.clock.advance("1h")
    assert run.result(20)["later"] == "awake"
    tasks = app.runs.get_details(run.workflow_run_id).tasks
    assert tasks["later"].started_at - tasks["first"].finished_at >= timedelta(days=3)  # type: ignore[operator]


@pytest.mark.parametrize("event", [True, False])
def test_wait_for_an_event_or_a_timeout(app: Plait, plait_test: PlaitTest, event: bool) -> None:
    flow = app.workflow(name="approval", input_validator=Number)

    @flow.task(wait_for=[or_(UserEventCondition("approved", "input.by != ''"), SleepCondition("1d"))])
    async def proceed(input: Number, ctx: Context) -> dict[str, Any]:
        return ctx.trigger_data

    plait_test.use(app)
    run = flow.run_no_wait(Number(n=1))
    wait_waiting(app, run.workflow_run_id, "proceed")
    if event:
        app.event.push("approved", {"by": ""})
        app.event.push("approved", {"by": "Ada"})
        assert run.result(20) == {"proceed": {"approved": {"by": "Ada"}}}
    else:
        plait_test.clock.advance("1d")
        assert run.result(20) == {"proceed": {}}


def test_an_event_between_the_trigger_and_the_wait_counts_and_an_earlier_one_does_not(
    app: Plait, plait_test: PlaitTest
) -> None:
    flow = app.workflow(name="early")

    @flow.task()
    async def first(input: EmptyModel, ctx: Context) -> None: ...

    @flow.task(parents=[first], wait_for=[UserEventCondition("signal")])
    async def second(input: EmptyModel, ctx: Context) -> dict[str, Any]:
        return ctx.trigger_data

    app.event.push("signal", {"n": 1})
    run = flow.run_no_wait()
    app.event.push("signal", {"n": 2})
    plait_test.use(app)
    assert run.result(20)["second"] == {"signal": {"n": 2}}
    late = flow.run_no_wait()
    wait_waiting(app, late.workflow_run_id, "second")


def test_all_groups_of_a_wait_must_hold_and_one_condition_of_each_does(app: Plait, plait_test: PlaitTest) -> None:
    flow = app.workflow(name="groups")

    @flow.task()
    async def root(input: EmptyModel, ctx: Context) -> int:
        return 5

    @flow.task(
        parents=[root],
        wait_for=[
            or_(UserEventCondition("a"), UserEventCondition("b", "input.n > 3")),
            or_(SleepCondition("2h"), UserEventCondition("c"), ParentCondition(root, "output == 6")),
            ParentCondition(root, "output == 5"),
        ],
    )
    async def both(input: EmptyModel, ctx: Context) -> list[str]:
        return sorted(ctx.trigger_data)

    plait_test.use(app)
    run = flow.run_no_wait()
    wait_waiting(app, run.workflow_run_id, "both")
    app.event.push("c", {})
    eventually(lambda: len(wait_waiting(app, run.workflow_run_id, "both").waits_for) == 2, "c was seen")
    app.event.push("b", {"n": 3})
    app.event.push("b", {"other": 1})
    plait_test.clock.advance("3h")
    plait_test.settle()
    assert read_task(app, run.workflow_run_id, "both").status == "PENDING"
    app.event.push("b", {"n": 4})
    assert run.result(20)["both"] == ["b", "c"]


def test_skip_and_cancel_on_an_event_while_waiting_skip_first(app: Plait, plait_test: PlaitTest) -> None:
    flow = app.workflow(name="withdrawn")

    @flow.task(
        wait_for=[SleepCondition("10d")],
        skip_if=[UserEventCondition("skip")],
        cancel_if=[or_(UserEventCondition("stop"), SleepCondition("5d"))],
    )
    async def send(input: EmptyModel, ctx: Context) -> None:
        raise AssertionError("nothing is sent")

    plait_test.use(app)
    skipped, cancelled, late = flow.run_no_wait(), flow.run_no_wait(), flow.run_no_wait()
    for run in (skipped, cancelled, late):
        wait_waiting(app, run.workflow_run_id, "send")
    # Events reach every run that waits for them, so each run is taken in turn.
    app.runs.cancel(cancelled.workflow_run_id)
    app.event.push("skip", {})
    assert skipped.result(20) == {"send": {"skipped": True}}
    assert late.result(20) == {"send": {"skipped": True}}
    assert read_task(app, skipped.workflow_run_id, "send").reason == "skip_if holds: event 'skip'"
    stopped = flow.run_no_wait()
    wait_waiting(app, stopped.workflow_run_id, "send")
    app.event.push("stop", {})
    with pytest.raises(RunCancelledError, match="cancel_if holds: event 'stop'"):
        stopped.result(20)
    timed = flow.run_no_wait()
    wait_waiting(app, timed.workflow_run_id, "send")
    plait_test.clock.advance("5d")
    with pytest.raises(RunCancelledError, match="cancel_if holds: 5 d after"):
        timed.result(20)


def test_an_event_key_of_the_runs_own_reaches_that_run_alone(app: Plait, plait_test: PlaitTest) -> None:
    flow = app.workflow(name="documents", input_validator=Number)

    @flow.task(wait_for=[UserEventCondition("approved:{input.document}", scope="{metadata.tenant}")])
    async def publish(input: Number, ctx: Context) -> str:
        return input.document

    plait_test.use(app)
    one = flow.run_no_wait(Number(n=1, document="one"), additional_metadata={"tenant": "acme"})
    two = flow.run_no_wait(Number(n=2, document="two"), additional_metadata={"tenant": "acme"})
    for run in (one, two):
        wait_waiting(app, run.workflow_run_id, "publish")
    app.event.push("approved:two", {}, scope="other")
    app.event.push("approved:two", {}, scope="acme")
    assert two.result(20) == {"publish": "two"}
    assert read_task(app, one.workflow_run_id, "publish").status == "PENDING"
    app.event.push("approved:one", {}, scope="acme")
    assert one.result(20) == {"publish": "one"}


def test_a_retry_is_not_judged_again_and_keeps_its_trigger_data(app: Plait, plait_test: PlaitTest) -> None:
    flow = app.workflow(name="retried")
    seen: list[dict[str, Any]] = []

    @flow.task(
        wait_for=[UserEventCondition("go")], skip_if=[UserEventCondition("skip")], retries=1, backoff_factor=7200.0
    )
    async def work_hard(input: EmptyModel, ctx: Context) -> int:
        seen.append(ctx.trigger_data)
        if ctx.retry_count == 0:
            raise ValueError("once more")
        return ctx.retry_count

    plait_test.use(app)
    run = flow.run_no_wait()
    wait_waiting(app, run.workflow_run_id, "work_hard")
    app.event.push("go", {"n": 1})
    eventually(lambda: read_task(app, run.workflow_run_id, "work_hard").attempts, "the first attempt")
    app.event.push("skip", {})
    plait_test.run_until_idle()
    assert run.result(20) == {"work_hard": 1}
    assert seen == [{"go": {"n": 1}}, {"go": {"n": 1}}]


def test_what_cannot_be_evaluated_fails_the_task_with_the_expression(app: Plait, plait_test: PlaitTest) -> None:
    flow = app.workflow(name="broken", input_validator=Number)

    @flow.task()
    async def first(input: Number, ctx: Context) -> dict[str, int]:
        return {}

    @flow.task(parents=[first], skip_if=[ParentCondition(first, "output.missing > 3")])
    async def second(input: Number, ctx: Context) -> None: ...

    @flow.task(wait_for=[UserEventCondition("x:{metadata.nothing}")])
    async def third(input: Number, ctx: Context) -> None: ...

    plait_test.use(app)
    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        flow.run(Number(n=1))
    messages = {error.task_name: str(error) for error in failure.value.exceptions}
    assert "output.missing > 3" in messages["second"]
    assert "metadata.nothing" in messages["third"]


def test_a_waiting_run_is_cancelled_and_waits_anew_in_its_replay(app: Plait, plait_test: PlaitTest) -> None:
    flow = app.workflow(name="repeat")

    @flow.task(wait_for=[SleepCondition("1h")])
    async def nap(input: EmptyModel, ctx: Context) -> str:
        return "rested"

    plait_test.use(app)
    run = flow.run_no_wait()
    wait_waiting(app, run.workflow_run_id, "nap")
    plait_test.clock.advance("50m")
    run.cancel()
    app.runs.replay(run.workflow_run_id)
    wait_waiting(app, run.workflow_run_id, "nap")
    plait_test.clock.advance("50m")
    plait_test.settle()
    assert read_task(app, run.workflow_run_id, "nap").status == "PENDING"
    plait_test.clock.advance("10m")
    assert run.result(20) == {"nap": "rested"}


def test_all_kinds_together_on_the_real_clock(plait: Plait, work: Work, database: Database) -> None:
    flow = plait.workflow(name="real", input_validator=Number)

    @flow.task()
    async def start(input: Number, ctx: Context) -> int:
        return input.n

    @flow.task(parents=[start], wait_for=[SleepCondition("50ms")], skip_if=[ParentCondition(start, "output > 100")])
    async def nap(input: Number, ctx: Context) -> str:
        return "rested"

    @flow.task(
        parents=[start],
        wait_for=[or_(UserEventCondition("go:{input.document}", "input.n == 2"), SleepCondition("1h"))],
        cancel_if=[UserEventCondition("stop:{input.document}")],
    )
    async def signalled(input: Number, ctx: Context) -> dict[str, Any]:
        return ctx.trigger_data

    @flow.task(parents=[nap, signalled])
    async def join(input: Number, ctx: Context) -> bool:
        return ctx.was_skipped(nap)

    work(flow)
    run = flow.run_no_wait(Number(n=1))
    plait.event.push("go:d1", {"n": 1})
    plait.event.push("go:d1", {"n": 2})
    assert run.result(20) == {
        "start": 1,
        "nap": "rested",
        "signalled": {"go:{input.document}": {"n": 2}},
        "join": False,
    }
    skipping = flow.run_no_wait(Number(n=200, document="d2"))
    eventually(lambda: read_task(plait, skipping.workflow_run_id, "signalled").waits_for, "it waits")
    plait.event.push("stop:d2", {})
    with pytest.raises(RunCancelledError, match="cancel_if holds: event 'stop:"):
        skipping.result(20)
    for room in ("ready", "waiting", "running", "awaited_event"):
        assert database.count(room) == 0
