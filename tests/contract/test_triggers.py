"""Every way to start a run and to get its result; what a bad call leaves behind: nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, InvalidInputError, Plait, TriggerWorkflowOptions
from plait.errors import NotFoundError, PayloadTooLargeError, ResultTimeoutError
from support.database import Database

Work = Callable[..., Any]


class Number(BaseModel):
    n: int


@pytest.fixture
def double(plait: Plait) -> Any:
    @plait.task(input_validator=Number)
    async def double(input: Number, ctx: Context) -> int:
        if input.n < 0:
            raise ValueError("negative")
        return input.n * 2

    return double


def test_a_result_is_had_from_sync_code(double: Any, work: Work) -> None:
    work()
    assert double.run(Number(n=1)) == 2
    assert double.run({"n": 2}) == 4
    assert double.run_no_wait(Number(n=3)).result() == 6
    assert double.run(Number(n=4), wait_for_result=False).result(timeout=20) == 8


async def test_a_result_is_had_from_async_code(double: Any, work: Work) -> None:
    work()
    assert await double.aio_run(Number(n=1)) == 2
    reference = await double.aio_run_no_wait(Number(n=2))
    assert await reference.aio_result() == 4
    assert await reference.aio_status() == "COMPLETED"
    assert await (await double.aio_run(Number(n=3), wait_for_result=False)).aio_result(timeout=20) == 6


async def test_sync_methods_work_inside_a_running_loop(double: Any, work: Work) -> None:
    work()
    assert double.run(Number(n=1)) == 2
    assert double.run_no_wait(Number(n=2)).result() == 4


async def test_many_coroutines_and_loops_share_one_plait(double: Any, work: Work) -> None:
    work()
    assert await asyncio.gather(*(double.aio_run(Number(n=n)) for n in range(200))) == [2 * n for n in range(200)]
    results = await asyncio.to_thread(lambda: asyncio.run(double.aio_run(Number(n=7))))
    assert results == 14


def test_many_threads_share_one_plait(double: Any, work: Work) -> None:
    work()
    results: dict[int, int] = {}

    def ask(n: int) -> None:
        results[n] = double.run(Number(n=n))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == {n: 2 * n for n in range(20)}


def test_an_async_task_starts_runs_of_other_workflows_and_waits_for_them(plait: Plait, double: Any, work: Work) -> None:
    @plait.task(input_validator=Number)
    async def fan_out(input: Number, ctx: Context) -> int:
        first = await double.aio_run(Number(n=input.n))
        many = await double.aio_run_many([double.create_bulk_run_item(Number(n=n)) for n in range(10)])
        return first + sum(many)

    work()
    assert fan_out.run(Number(n=100)) == 200 + 90


def test_a_sync_task_starts_runs_of_other_workflows_and_waits_for_them(plait: Plait, double: Any, work: Work) -> None:
    @plait.task(input_validator=Number)
    def fan_out(input: Number, ctx: Context) -> int:
        return int(double.run(Number(n=input.n))) + sum(
            reference.result() for reference in double.run_many_no_wait([double.create_bulk_run_item(Number(n=1))])
        )

    work()
    assert fan_out.run(Number(n=5)) == 12


def test_an_async_task_may_even_block_its_loop_with_a_sync_run_of_a_sync_task(plait: Plait, work: Work) -> None:
    @plait.task()
    def inner(input: EmptyModel, ctx: Context) -> int:
        return 1

    @plait.task()
    async def outer(input: EmptyModel, ctx: Context) -> int:
        return inner.run()

    work()
    assert outer.run() == 1


def test_result_gives_up_after_its_timeout_and_the_run_goes_on(double: Any, work: Work) -> None:
    reference = double.run_no_wait(Number(n=1))
    with pytest.raises(ResultTimeoutError, match=r"did not end within 0\.1 s"):
        reference.result(timeout=0.1)
    with pytest.raises(TimeoutError):
        reference.result(timeout=0.1)
    work()
    assert reference.result(20) == 2


def test_a_result_can_be_asked_for_again_and_by_another_process(
    plait: Plait, double: Any, work: Work, database: Database
) -> None:
    work()
    reference = double.run_no_wait(Number(n=1))
    assert [reference.result(), reference.result()] == [2, 2]
    other = Plait(database.url)
    try:
        assert other.runs.get_details(reference.workflow_run_id).tasks["double"].output == 2
        assert other.runs.get_status(reference.workflow_run_id) == "COMPLETED"
    finally:
        other.close()


def test_the_status_follows_the_run(double: Any, work: Work, plait: Plait) -> None:
    reference = double.run_no_wait(Number(n=1))
    assert reference.status() == "QUEUED"
    work()
    reference.result(20)
    assert reference.status() == "COMPLETED"
    with pytest.raises(NotFoundError):
        plait.runs.get_status(str(uuid4()))


def test_run_many_of_five_thousand_keeps_the_order(double: Any, work: Work) -> None:
    work(slots=200)
    items = [double.create_bulk_run_item(Number(n=n)) for n in range(5000)]
    assert double.run_many(items) == [2 * n for n in range(5000)]


async def test_an_empty_bulk_starts_nothing(double: Any, database: Database) -> None:
    assert double.run_many([]) == []
    assert double.run_many_no_wait([]) == []
    assert await double.aio_run_many([]) == []
    assert await double.aio_run_many_no_wait([]) == []
    assert database.count("run") == 0


def test_run_many_raises_the_failure_or_returns_it_in_its_place(double: Any, work: Work) -> None:
    work()
    items = [double.create_bulk_run_item(Number(n=n)) for n in (1, -1, 3)]
    with pytest.raises(FailedTaskRunExceptionGroup, match="negative"):
        double.run_many(items)
    results = double.run_many(items, return_exceptions=True)
    assert [results[0], results[2]] == [2, 6]
    assert isinstance(results[1], FailedTaskRunExceptionGroup)


def test_an_idempotency_key_starts_one_run_whoever_asks(double: Any, work: Work, database: Database) -> None:
    work()
    first = double.run_no_wait(Number(n=1), idempotency_key="order 1")
    again = double.run_no_wait(Number(n=999), TriggerWorkflowOptions(idempotency_key="order 1"))
    assert again.workflow_run_id == first.workflow_run_id
    assert again.result(20) == 2
    other = double.run_no_wait(Number(n=2), idempotency_key="order 2")
    assert other.workflow_run_id != first.workflow_run_id
    assert database.count("run") == 2


def test_an_idempotency_key_is_of_one_workflow(plait: Plait, double: Any, database: Database) -> None:
    @plait.task()
    def other(input: EmptyModel, ctx: Context) -> None: ...

    double.run_no_wait(Number(n=1), idempotency_key="same")
    other.run_no_wait(idempotency_key="same")
    assert database.count("run") == 2


def test_twenty_threads_with_one_key_start_one_run(double: Any, database: Database) -> None:
    barrier = threading.Barrier(20, timeout=30)
    ids: list[str] = []

    def ask() -> None:
        barrier.wait()
        ids.append(double.run_no_wait(Number(n=1), idempotency_key="once").workflow_run_id)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ids) == 20
    assert len(set(ids)) == 1
    assert database.count("run") == database.count("ready") == 1


def test_keys_in_a_bulk_start_one_run_each(double: Any, database: Database) -> None:
    keys = ["a", None, "b", "a", None, "b", "a"]
    items = [double.create_bulk_run_item(Number(n=n), idempotency_key=key) for n, key in enumerate(keys)]
    references = double.run_many_no_wait(items)
    ids = [reference.workflow_run_id for reference in references]
    assert ids[0] == ids[3] == ids[6]
    assert ids[2] == ids[5]
    assert len(set(ids)) == 4
    assert database.count("run") == 4
    again = double.run_many_no_wait(items[2:4])
    assert [reference.workflow_run_id for reference in again] == [ids[2], ids[0]]
    assert database.count("run") == 4


@pytest.mark.parametrize(
    "trigger",
    [
        lambda task: task.run_no_wait({"n": "many"}),
        lambda task: task.run_no_wait(),
        lambda task: task.run(Number(n=1), additional_metadata={"a": float("nan")}),
        lambda task: task.run(Number(n=1), additional_metadata=["no object"]),
        lambda task: task.run(Number(n=1), additional_metadata={"nul": "\0"}),
        lambda task: task.run(Number(n=1), priority=0),
        lambda task: task.run(Number(n=1), priority=4),
        lambda task: task.run(Number(n=1), idempotency_key=""),
        lambda task: task.run(Number(n=1), idempotency_key="k" * 8192),
        lambda task: task.run(Number(n=1), idempotency_key="lone \ud800"),
        lambda task: task.run_many([task.create_bulk_run_item(Number(n=1)), "not an item"]),
        lambda task: [task.create_bulk_run_item(Number(n=1)), task.create_bulk_run_item({"n": None})],
    ],
)
def test_a_bad_call_raises_and_leaves_nothing(double: Any, database: Database, trigger: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidInputError):
        trigger(double)
    for table in ("run", "ready", "idempotency_key"):
        assert database.count(table) == 0


async def test_a_bad_async_call_raises_and_leaves_nothing(double: Any, database: Database) -> None:
    with pytest.raises(InvalidInputError, match=r"input\.n"):
        await double.aio_run({"n": "many"})
    assert database.count("run") == 0


def test_an_input_over_the_limit_is_refused_at_the_call(plait: Plait, database: Database) -> None:
    @plait.task()
    def take(input: EmptyModel, ctx: Context) -> None: ...

    with pytest.raises(PayloadTooLargeError):
        take.run_no_wait(EmptyModel(text="x" * (1 << 20)))  # type: ignore[call-arg]
    assert database.count("run") == 0


def test_one_poison_run_of_a_shared_commit_does_not_take_the_others_with_it(
    plait: Plait, double: Any, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something the checks at the call did not foresee reaches the database among 49 good runs."""
    work()
    monkeypatch.setattr(
        "plait.declaration.runnable.encode_metadata", lambda mapping, **_: mapping["raw"] if mapping else None
    )
    outcomes: dict[int, Any] = {}

    async def ask(n: int) -> None:
        metadata = {"raw": '{"broken'} if n == 17 else None
        try:
            outcomes[n] = await double.aio_run(Number(n=n), additional_metadata=metadata)
        except Exception as error:
            outcomes[n] = error

    async def ask_all() -> None:
        await asyncio.gather(*(ask(n) for n in range(50)))

    asyncio.run(ask_all())
    assert isinstance(outcomes.pop(17), Exception)
    assert outcomes == {n: 2 * n for n in range(50) if n != 17}
