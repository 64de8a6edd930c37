"""Who goes first: priority over everything ready; then workflows take turns; then age."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from plait import Context, EmptyModel, Plait, Priority
from plait.store.store import Store
from plait.worker.holdings import MIXED_CAP
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]


class Number(BaseModel):
    n: int


def test_priorities_order_the_ready_tasks_of_all_workflows(plait: Plait, work: Work) -> None:
    order: list[tuple[str, int]] = []
    workflows = []
    for name in ("alpha", "beta", "gamma"):

        def body(input: Number, ctx: Context) -> None:
            order.append((ctx.workflow_name, ctx.priority))

        workflows.append(plait.task(name=name, input_validator=Number)(body))
    runs = [
        workflow.run_no_wait(Number(n=n), priority=priority)
        for n in range(4)
        for priority, workflow in zip((1, 3, 2), workflows, strict=True)
    ]
    work(slots=1)
    for run in runs:
        run.result(20)
    assert order == [("beta", 3)] * 4 + [("gamma", 2)] * 4 + [("alpha", 1)] * 4


def test_within_a_priority_the_oldest_run_goes_first_whatever_its_workflow(plait: Plait, work: Work) -> None:
    order: list[int] = []

    def body(input: Number, ctx: Context) -> None:
        order.append(input.n)

    one = plait.task(name="one", input_validator=Number)(body)
    two = plait.task(name="two", input_validator=Number)(body)
    runs = [(one, two)[n % 2].run_no_wait(Number(n=n)) for n in range(30)]
    work(slots=1)
    for run in runs:
        run.result(20)
    assert order == list(range(30))


def test_a_workflow_does_not_wait_behind_the_queue_of_another(plait: Plait, work: Work) -> None:
    order: list[str] = []

    def body(input: EmptyModel, ctx: Context) -> None:
        order.append(ctx.workflow_name)

    crowd, few = plait.task(name="crowd")(body), plait.task(name="few")(body)
    crowd.run_many_no_wait([crowd.create_bulk_run_item() for _ in range(300)])
    later = few.run_many_no_wait([few.create_bulk_run_item() for _ in range(20)])
    work(slots=1)
    for run in later:
        run.result(30)
    assert order.count("crowd") < 60


def test_statements_are_small_while_something_more_urgent_is_held(
    plait: Plait, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    finish = Store.finish_tasks

    async def note(self: Store, worker_id: Any, arrays: Any, **options: Any) -> Any:
        sizes.append(len(arrays.run_ids))
        return await finish(self, worker_id, arrays, **options)

    monkeypatch.setattr(Store, "finish_tasks", note)
    gates = {"crowd": threading.Event(), "pressing": threading.Event()}

    async def body(input: EmptyModel, ctx: Context) -> None:
        while not gates[ctx.workflow_name].is_set():
            await asyncio.sleep(0.02)

    crowd, pressing = plait.task(name="crowd")(body), plait.task(name="pressing")(body)
    runs = crowd.run_many_no_wait([crowd.create_bulk_run_item() for _ in range(300)])
    urgent = pressing.run_no_wait(priority=3)
    worker = work(slots=301)
    session = eventually(lambda: worker.worker._session, "the worker has a session")
    eventually(lambda: session.holdings.free == 0, "all of them run")
    gates["crowd"].set()
    for run in runs:
        run.result(20)
    gates["pressing"].set()
    urgent.result(20)
    assert max(sizes) <= MIXED_CAP


def test_the_default_priority_of_a_workflow_holds_unless_the_call_says_otherwise(
    plait: Plait, database: Database
) -> None:
    @plait.task(default_priority=2)
    def task(input: EmptyModel, ctx: Context) -> None: ...

    task.run_no_wait()
    task.run_no_wait(priority=Priority.HIGH)
    assert database.query("SELECT priority FROM plait.ready ORDER BY run_id") == [(2,), (3,)]


def test_an_urgent_run_does_not_wait_for_a_long_chain_that_one_worker_continues(plait: Plait, work: Work) -> None:
    chain = plait.workflow(name="chain")
    order: list[str] = []
    begun, gate = threading.Event(), threading.Event()

    def step(input: EmptyModel, ctx: Context) -> None:
        order.append(ctx.task_name)
        if ctx.task_name == "step_0":
            begun.set()
            gate.wait(20)

    previous: list[Any] = []
    for number in range(300):
        previous = [chain.task(name=f"step_{number}", parents=previous)(step)]

    @plait.task()
    def urgent(input: EmptyModel, ctx: Context) -> None:
        order.append("urgent")

    worker = work(slots=1)
    run = chain.run_no_wait()
    assert begun.wait(20)
    pressing = urgent.run_no_wait(priority=3)
    # The only slot is taken; meanwhile the worker looks for something more urgent than what it would continue.
    session = worker.worker._session
    assert session is not None
    eventually(lambda: session.flusher.least_priority == 3, "the worker knows of the urgent task")
    gate.set()
    pressing.result(20)
    run.result(60)
    assert order.index("urgent") == 1
