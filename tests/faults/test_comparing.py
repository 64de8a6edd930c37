"""What a worker holds is compared with what the database says it holds: that holds up nobody and doubles nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait
from plait.client import get_access
from plait.store.store import Store
from support.database import Database
from support.workers import serve


def test_results_are_stored_while_a_comparison_is_due_and_the_pool_is_busy(plait: Plait, database: Database) -> None:
    @plait.task()
    async def job(input: EmptyModel, ctx: Context) -> int:
        return 1

    worker = serve(plait, job)
    job.run()
    session, portal = worker.worker._session, get_access(plait).portal
    assert session is not None
    stack = AsyncExitStack()

    async def take_all() -> None:
        for _ in range(3):
            await stack.enter_async_context(session.store.pool.borrow())
        session.holdings.doubt()  # compare at once

    portal.call(take_all())
    try:
        for _ in range(3):
            assert job.run_no_wait().result(20) == 1
    finally:
        portal.call(stack.aclose())
    worker.stop()


def test_what_a_late_answer_to_a_flush_brings_is_not_taken_up_before(
    plait: Plait, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, begun = 0, Counter[str]()
    finish, read_held = Store.finish_tasks, Store.read_held

    async def count_looks(self: Store, *arguments: Any) -> Any:
        nonlocal looks
        held = await read_held(self, *arguments)
        looks += 1
        return held

    async def answer_late(self: Store, *arguments: Any, **options: Any) -> Any:
        finished = await finish(self, *arguments, **options)
        if finished.continued:
            goal = looks + 4
            while looks < goal:
                session.holdings.doubt()
                await asyncio.sleep(0.01)
        return finished

    monkeypatch.setattr(Store, "read_held", count_looks)
    flow = plait.workflow(name="chain")

    @flow.task()
    async def first(input: EmptyModel, ctx: Context) -> int:
        begun["first"] += 1
        return 1

    @flow.task(parents=[first])
    async def second(input: EmptyModel, ctx: Context) -> int:
        begun["second"] += 1
        return 1

    worker = serve(plait, flow)
    session: Any = worker.worker._session
    monkeypatch.setattr(Store, "finish_tasks", answer_late)
    assert flow.run() == {"first": 1, "second": 1}
    worker.stop()
    assert begun == {"first": 1, "second": 1}
