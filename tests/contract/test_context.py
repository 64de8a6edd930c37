"""What a task knows of its run, what is injected, and what the worker's lifespan lends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from plait import Context, Depends, EmptyModel, FailedTaskRunExceptionGroup, Plait, Priority
from support.database import Database

Work = Callable[..., Any]


class Order(BaseModel):
    number: int


events: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    events.clear()


def plain(input: Order, ctx: Context) -> int:
    return input.number


@contextmanager
def managed(input: Order, ctx: Context) -> Iterator[str]:
    events.append("open managed")
    yield f"managed {input.number}"
    events.append("close managed")


def generated(input: Order, ctx: Context) -> Iterator[str]:
    events.append("open generated")
    try:
        yield f"generated {ctx.attempt_number}"
    finally:
        events.append("close generated")


async def awaited(input: Order, ctx: Context) -> str:
    await asyncio.sleep(0)
    return "awaited"


@asynccontextmanager
async def async_managed(input: Order, ctx: Context) -> AsyncIterator[str]:
    yield "async managed"
    events.append("close async managed")


def nested(input: Order, ctx: Context, inner: Annotated[int, Depends(plain)]) -> int:
    return inner * 2


def test_a_task_knows_who_it_is(plait: Plait, work: Work, database: Database) -> None:
    flow = plait.workflow(name="who", default_additional_metadata={"team": "a", "kept": 1})

    @flow.task(retries=4)
    def me(input: EmptyModel, ctx: Context) -> dict[str, Any]:
        return {
            "run": ctx.workflow_run_id,
            "task_run": ctx.task_run_id,
            "workflow": ctx.workflow_name,
            "task": ctx.task_name,
            "retry": ctx.retry_count,
            "attempt": ctx.attempt_number,
            "most": ctx.max_attempts,
            "metadata": ctx.additional_metadata,
            "priority": ctx.priority,
            "worker": ctx.worker_id,
            "cancelled": ctx.is_cancelled,
            "lifespan": ctx.lifespan,
        }

    work(flow)
    run = flow.run_no_wait(additional_metadata={"team": "b"}, priority=Priority.HIGH)
    assert run.result(20)["me"] == {
        "run": run.workflow_run_id,
        "task_run": f"{run.workflow_run_id}:0",
        "workflow": "who",
        "task": "me",
        "retry": 0,
        "attempt": 1,
        "most": 5,
        "metadata": {"team": "b", "kept": 1},
        "priority": 3,
        "worker": str(database.value("SELECT id FROM plait.worker")),
        "cancelled": False,
        "lifespan": None,
    }


def test_dependencies_of_a_sync_task_are_opened_and_closed_for_each_attempt(plait: Plait, work: Work) -> None:
    @plait.task(input_validator=Order, retries=1)
    def use(
        input: Order,
        ctx: Context,
        number: Annotated[int, Depends(plain)],
        managed: Annotated[str, Depends(managed)],
        generated: Annotated[str, Depends(generated)],
        nested: Annotated[int, Depends(nested)],
    ) -> list[Any]:
        events.append("body")
        if ctx.retry_count == 0:
            raise ValueError("again")
        return [number, managed, generated, nested]

    work(use)
    assert use.run(Order(number=4)) == [4, "managed 4", "generated 2", 8]
    second = ["open managed", "open generated", "body", "close generated", "close managed"]
    assert events[-5:] == second
    assert events.count("close generated") == 2


def test_dependencies_of_an_async_task_may_be_async(plait: Plait, work: Work) -> None:
    @plait.task(input_validator=Order)
    async def use(
        input: Order,
        ctx: Context,
        number: Annotated[int, Depends(plain)],
        awaited: Annotated[str, Depends(awaited)],
        managed: Annotated[str, Depends(async_managed)],
    ) -> list[Any]:
        events.append("body")
        return [number, awaited, managed]

    work(use)
    assert use.run(Order(number=1)) == [1, "awaited", "async managed"]
    assert events == ["body", "close async managed"]


def test_a_failing_dependency_fails_the_attempt(plait: Plait, work: Work) -> None:
    def broken(input: EmptyModel, ctx: Context) -> int:
        raise ConnectionError("no database")

    @plait.task()
    def use(input: EmptyModel, ctx: Context, value: Annotated[int, Depends(broken)]) -> int:
        return value

    work(use)
    with pytest.raises(FailedTaskRunExceptionGroup, match="no database"):
        use.run()


def test_the_lifespan_is_opened_once_per_worker_and_closed_at_its_end(plait: Plait, work: Work) -> None:
    async def lifespan() -> AsyncGenerator[dict[str, int], None]:
        events.append("open")
        yield {"answer": 42}
        events.append("close")

    @plait.task()
    def first(input: EmptyModel, ctx: Context) -> int:
        return ctx.lifespan["answer"]  # type: ignore[no-any-return]

    @plait.task()
    async def second(input: EmptyModel, ctx: Context) -> int:
        return ctx.lifespan["answer"] + 1  # type: ignore[no-any-return]

    worker = work(lifespan=lifespan)
    assert (first.run(), second.run()) == (42, 43)
    assert events == ["open"]
    worker.stop()
    assert events == ["open", "close"]


def test_async_tasks_and_the_lifespan_share_one_loop(plait: Plait, work: Work) -> None:
    loops: list[Any] = []

    async def lifespan() -> AsyncGenerator[None, None]:
        loops.append(asyncio.get_running_loop())
        yield

    @plait.task()
    async def where(input: EmptyModel, ctx: Context) -> None:
        loops.append(asyncio.get_running_loop())

    work(where, lifespan=lifespan)
    where.run()
    where.run()
    assert len(loops) == 3
    assert len(set(map(id, loops))) == 1


def test_a_log_line_carries_the_ids_of_its_run(plait: Plait, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    @plait.task()
    def talk(input: EmptyModel, ctx: Context) -> None:
        ctx.log("hello")

    work(talk)
    with caplog.at_level(logging.INFO, "plait.task"):
        run = talk.run_no_wait()
        run.result(20)
    record = next(record for record in caplog.records if record.name == "plait.task")
    assert record.message == "hello"
    assert record.run_id == run.workflow_run_id  # type: ignore[attr-defined]
