"""Independent tasks run at once; only tasks that may start take slots."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from plait import Context, EmptyModel, Plait
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]


def test_independent_async_tasks_run_at_once(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="meeting")
    met: list[asyncio.Event] = []

    async def meet(input: EmptyModel, ctx: Context) -> int:
        met.append(asyncio.Event())
        if len(met) == 3:
            for event in met:
                event.set()
        await asyncio.wait_for(met[-1].wait(), 20)
        return len(met)

    for name in ("first", "second", "third"):
        flow.task(name=name)(meet)
    work(flow)
    assert flow.run() == {"first": 3, "second": 3, "third": 3}


def test_independent_sync_tasks_run_at_once(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="meeting")
    barrier = threading.Barrier(3, timeout=20)

    def meet(input: EmptyModel, ctx: Context) -> bool:
        barrier.wait()
        return True

    for name in ("first", "second", "third"):
        flow.task(name=name)(meet)
    work(flow)
    assert flow.run() == {"first": True, "second": True, "third": True}


def test_branches_of_a_diamond_run_at_once_after_their_parent(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="diamond")
    barrier = threading.Barrier(2, timeout=20)
    done: list[str] = []

    @flow.task()
    def root(input: EmptyModel, ctx: Context) -> None:
        done.append("root")

    def branch(input: EmptyModel, ctx: Context) -> list[str]:
        before = list(done)
        barrier.wait()
        return before

    left = flow.task(name="left", parents=[root])(branch)
    right = flow.task(name="right", parents=[root])(branch)

    @flow.task(parents=[left, right])
    def join(input: EmptyModel, ctx: Context) -> list[list[str]]:
        return [ctx.task_output(left), ctx.task_output(right)]

    work(flow)
    assert flow.run()["join"] == [["root"], ["root"]]


def test_a_hundred_tasks_waiting_for_one_parent_occupy_no_slot(plait: Plait, work: Work, database: Database) -> None:
    flow = plait.workflow(name="wide")
    begun, gate = threading.Event(), threading.Event()

    @flow.task()
    def parent(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        assert gate.wait(20)

    for number in range(100):
        flow.task(name=f"child_{number}", parents=[parent])(lambda input, ctx: 1)
    work(flow, slots=1)
    run = flow.run_no_wait()
    assert begun.wait(20)
    assert database.count("running") == 1
    assert database.count("ready") == database.count("waiting") == 0
    gate.set()
    assert sum(value for name, value in run.result(30).items() if name != "parent") == 100


def test_no_more_tasks_run_than_there_are_slots(plait: Plait, work: Work, database: Database) -> None:
    flow = plait.workflow(name="narrow")
    gate = threading.Event()
    lock = threading.Lock()
    now = most = 0

    def body(input: EmptyModel, ctx: Context) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        gate.wait(20)
        with lock:
            now -= 1

    for number in range(30):
        flow.task(name=f"task_{number}")(body)
    work(flow, slots=3)
    run = flow.run_no_wait()
    database.wait("SELECT count(*) = 3 AND min(plait.now() - started_at) > interval '300 ms' FROM plait.running")
    assert database.count("ready") == 27
    gate.set()
    run.result(20)
    assert most == 3


def test_a_released_slot_is_taken_by_another_task(plait: Plait, work: Work) -> None:
    gate = threading.Event()

    @plait.task()
    def waits(input: EmptyModel, ctx: Context) -> bool:
        ctx.release_slot()
        ctx.release_slot()  # repeating it gives no second slot back
        return gate.wait(20)

    @plait.task()
    def opens(input: EmptyModel, ctx: Context) -> None:
        gate.set()

    worker = work(slots=1)
    first = waits.run_no_wait()
    opens.run()
    assert first.result(20) is True
    session = worker.worker._session
    assert session is not None
    eventually(lambda: session.holdings.occupied == 0, "every slot is free, none twice")
