"""When time is skipped and when it is not: children, crossing timeouts, what nothing brings about."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from plait import Context, DefinitionError, EmptyModel, FailedTaskRunExceptionGroup, InvalidInputError, Plait
from plait.errors import ResultTimeoutError
from plait.testing import PlaitTest, StalledError
from plait.worker.identity import Timings

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOON = timedelta(minutes=1)


def declare_slow_child(plait: Plait, *, seconds: int) -> object:
    """A standalone that completes at its second attempt, which comes ``seconds`` after the first."""

    @plait.task(name="child", retries=1, backoff_factor=seconds, backoff_max_seconds=seconds)
    def child(input: EmptyModel, ctx: Context) -> int:
        if ctx.retry_count == 0:
            raise ConnectionError
        return 7

    return child


@pytest.mark.parametrize("is_async", [False, True])
def test_time_is_skipped_while_a_task_waits_for_its_child_run(plait_test: PlaitTest, is_async: bool) -> None:
    plait = Plait()
    child = declare_slow_child(plait, seconds=86_400)

    @plait.task(name="sync", execution_timeout="30d")
    def parent(input: EmptyModel, ctx: Context) -> int:
        return child.run() + 1

    @plait.task(name="async", execution_timeout="30d")
    async def aio_parent(input: EmptyModel, ctx: Context) -> int:
        one, other = await asyncio.gather(child.aio_run(), child.aio_run())
        return one + other

    plait_test.use(plait)
    began = plait_test.clock.now()
    if is_async:
        assert plait_test.run(aio_parent) == 14
    else:
        assert plait_test.run(parent) == 8
    assert DAY <= plait_test.clock.now() - began < DAY + SOON


def test_the_timeout_of_a_waiting_parent_is_not_skipped_over(plait_test: PlaitTest) -> None:
    plait = Plait()
    child = declare_slow_child(plait, seconds=86_400)

    @plait.task(name="parent", execution_timeout="1h")
    async def parent(input: EmptyModel, ctx: Context) -> int:
        return await child.aio_run()

    plait_test.use(plait)
    began = plait_test.clock.now()
    with pytest.raises(FailedTaskRunExceptionGroup, match="execution_timeout of 3600 s"):
        plait_test.run(parent)
    assert HOUR <= plait_test.clock.now() - began < HOUR + SOON


def test_a_task_that_works_keeps_time_from_being_skipped(plait_test: PlaitTest) -> None:
    plait = Plait()
    child = declare_slow_child(plait, seconds=3600)
    seen = []

    @plait.task(name="works")
    def works(input: EmptyModel, ctx: Context) -> None:
        before = plait_test.clock.now()
        time.sleep(0.2)
        seen.append(plait_test.clock.now() - before)

    plait_test.use(plait)
    child.run_no_wait()
    works.run_no_wait()
    plait_test.run_until_idle()
    assert len(seen) == 1
    assert seen[0] < SOON


def test_inline_tasks_run_one_at_a_time_and_lend_their_slot_to_their_children(plait_test: PlaitTest) -> None:
    plait = Plait()
    flow = plait.workflow(name="Fan")
    child = declare_slow_child(plait, seconds=60)
    steps: list[str] = []
    active: list[str] = []

    async def work(name: str) -> None:
        active.append(name)
        await asyncio.sleep(0.01)
        assert active == [name]
        active.remove(name)
        steps.append(name)

    @flow.task()
    async def a(input: EmptyModel, ctx: Context) -> None:
        await work("a")

    @flow.task(parents=[a])
    async def b(input: EmptyModel, ctx: Context) -> None:
        await work("b")

    @flow.task(parents=[a])
    async def c(input: EmptyModel, ctx: Context) -> None:
        await work("c")

    @flow.task(parents=[b, c], execution_timeout="1h")
    async def d(input: EmptyModel, ctx: Context) -> int:
        await work("d")
        return await child.aio_run()

    plait_test.use(plait, inline=True)
    assert plait_test.run(flow)["d"] == 7
    assert steps == ["a", "b", "c", "d"]


def test_a_jump_of_years_leaves_the_worker_alive(plait_test: PlaitTest) -> None:
    plait = Plait()
    flow = plait.workflow(name="W")
    release = threading.Event()

    @flow.task(execution_timeout="3650d")
    def hold(input: EmptyModel, ctx: Context) -> str:
        release.wait(30)
        return ctx.worker_id

    serving = plait_test.use(plait)
    worker_id = str(serving.worker.id)
    ref = flow.run_no_wait()
    for _ in range(20):
        plait_test.clock.advance("50d")
        time.sleep(0.01)  # heartbeats, reapings and the maintenance's lease come in between
    release.set()
    assert plait_test.run(flow)["hold"] == worker_id
    assert ref.result(10) == {"hold": worker_id}
    (attempt,) = plait.runs.get_details(ref.workflow_run_id).tasks["hold"].attempts
    assert attempt.outcome == "COMPLETED"
    assert str(serving.worker.id) == worker_id


def test_a_heartbeat_in_the_moment_of_a_jump_is_not_taken_for_an_old_one(
    plait_test: PlaitTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.testing.harness.PATIENT", Timings(heartbeat=0.005, lease=60, margin=4, grace=1))
    plait = Plait()
    flow = plait.workflow(name="W")

    @flow.task()
    def work(input: EmptyModel, ctx: Context) -> str:
        return ctx.worker_id

    serving = plait_test.use(plait)
    worker_id = str(serving.worker.id)
    for _ in range(300):
        plait_test.clock.advance("2h")
    assert plait_test.run(flow)["work"] == worker_id == str(serving.worker.id)


def test_one_jump_is_one_jump_and_until_stops_on_the_way(plait_test: PlaitTest) -> None:
    plait = Plait()

    @plait.task(name="always", retries=100, backoff_factor=3600, backoff_max_seconds=3600)
    def always(input: EmptyModel, ctx: Context) -> None:
        raise ConnectionError

    def count_attempts() -> int:
        return len(plait.runs.get_details(ref.workflow_run_id).tasks["always"].attempts)

    plait_test.use(plait)
    ref = always.run_no_wait()
    plait_test.settle()
    assert count_attempts() == 1
    plait_test.clock.advance("5h")
    plait_test.settle()
    assert count_attempts() == 2
    until = plait_test.clock.now() + timedelta(hours=5, minutes=30)
    plait_test.run_until_idle(until=until)
    assert count_attempts() == 7
    assert until <= plait_test.clock.now() < until + SOON
    plait_test.run_until_idle(until="1h")
    assert count_attempts() == 8
    with pytest.raises(StalledError, match=r"max_virtual .*: always.always is in 'waiting'"):
        plait_test.run_until_idle(max_virtual="1d")


def test_the_clock_goes_on_and_never_back(plait_test: PlaitTest) -> None:
    clock = plait_test.clock
    assert abs(clock.now() - datetime.now(UTC)) < SOON
    clock.advance(timedelta(days=2))
    assert DAY < clock.now() - datetime.now(UTC) < 3 * DAY
    new_year = datetime(2100, 1, 1, tzinfo=UTC)
    clock.advance_to(new_year)
    assert new_year <= clock.now() < new_year + SOON
    with pytest.raises(InvalidInputError, match=r"is in the past \(it is 2100-01-01"):
        clock.advance_to(datetime(2099, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidInputError, match="has no time zone"):
        clock.advance_to(datetime(2101, 1, 1))
    with pytest.raises(DefinitionError, match="greater than zero"):
        clock.advance("-1h")


def test_a_run_that_nothing_brings_on_is_told_at_once(plait_test: PlaitTest) -> None:
    plait = Plait()
    served, unserved = plait.workflow(name="Served"), plait.workflow(name="Unserved")

    @served.task()
    def work(input: EmptyModel, ctx: Context) -> None: ...

    @unserved.task()
    def rest(input: EmptyModel, ctx: Context) -> None: ...

    plait_test.use(plait, served)
    with pytest.raises(StalledError, match=r"does not go on by itself: Unserved.rest is in 'ready'"):
        plait_test.run(unserved, timeout=3600)


def test_a_task_that_hangs_is_told_when_the_real_time_is_over(plait_test: PlaitTest) -> None:
    plait = Plait()
    release = threading.Event()

    @plait.task(name="hangs")
    def hangs(input: EmptyModel, ctx: Context) -> None:
        release.wait(30)

    plait_test.use(plait)
    with pytest.raises(ResultTimeoutError, match=r"hangs.hangs is in 'running'.*clock.advance"):
        plait_test.run(hangs, timeout=0.3)
    release.set()


async def test_async_tests_use_the_same_with_aio(plait_test: PlaitTest) -> None:
    plait = Plait()
    child = declare_slow_child(plait, seconds=3600)
    plait_test.use(plait)
    assert await plait_test.aio_run(child) == 7
    ref = await child.aio_run_no_wait()
    await plait_test.aio_settle()
    assert await ref.aio_status() == "RUNNING"
    await plait_test.aio_run_until_idle()
    assert await ref.aio_result(10) == 7
