"""Child runs: started by a task, linked to it, cancelled with it, found again instead of doubled."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from pydantic import BaseModel

from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, Plait, RunCancelledError
from plait.errors import InvalidInputError, NotFoundError
from support.database import Database

Work = Callable[..., Any]


class Item(BaseModel):
    n: int


def declare_square(plait: Plait, seen: Counter[int]) -> Any:
    @plait.task(input_validator=Item)
    async def square(input: Item, ctx: Context) -> int:
        seen[input.n] += 1
        return input.n**2

    return square


def test_children_are_linked_and_take_over_metadata(plait: Plait, work: Work, database: Database) -> None:
    square = declare_square(plait, Counter())
    flow = plait.workflow(name="parent")

    @flow.task()
    async def async_fan(input: EmptyModel, ctx: Context) -> list[int]:
        one = await square.aio_run(Item(n=3))
        many = await square.aio_run_many([square.create_bulk_run_item(Item(n=n)) for n in range(4)])
        return [one, *many]

    @flow.task(parents=[async_fan])
    def sync_one(input: EmptyModel, ctx: Context) -> int:
        return square.run(Item(n=5), additional_metadata={"step": "last"})

    work(flow, square)
    run = flow.run_no_wait(additional_metadata={"tenant": "acme"}, priority=3)
    assert run.result() == {"async_fan": [9, 0, 1, 4, 9], "sync_one": 25}
    children = plait.runs.list_children(run.workflow_run_id)
    assert [child.task for child in children] == ["async_fan"] * 5 + ["sync_one"]
    assert {(child.run.trigger, child.run.trigger_id) for child in children} == {("PARENT", run.workflow_run_id)}
    assert children[0].run.metadata == {"tenant": "acme"}
    assert children[-1].run.metadata == {"tenant": "acme", "step": "last"}
    assert {child.run.priority for child in children} == {3}


def test_a_task_that_runs_again_finds_its_children_by_the_order_of_its_calls(plait: Plait, work: Work) -> None:
    seen = Counter[int]()
    square = declare_square(plait, seen)

    @plait.task(retries=1)
    async def parent(input: EmptyModel, ctx: Context) -> list[int]:
        results = [await square.aio_run(Item(n=n)) for n in range(3)]
        results += await square.aio_run_many([square.create_bulk_run_item(Item(n=n)) for n in range(10, 14)])
        if ctx.retry_count == 0:
            raise ValueError("once more")
        return results

    work(parent, square)
    run = parent.run_no_wait()
    assert run.result() == [0, 1, 4, 100, 121, 144, 169]
    assert set(seen.values()) == {1}
    assert len(plait.runs.list_children(run.workflow_run_id)) == 7


def test_a_child_key_finds_a_child_whatever_the_order(plait: Plait, work: Work) -> None:
    seen = Counter[int]()
    square = declare_square(plait, seen)

    @plait.task(retries=1)
    async def parent(input: EmptyModel, ctx: Context) -> dict[str, int]:
        numbers = [1, 2, 3] if ctx.retry_count == 0 else [3, 1, 2]
        found = {}
        for n in numbers:
            found[str(n)] = await square.aio_run(Item(n=n), child_key=f"item-{n}")
        items = [square.create_bulk_run_item(Item(n=n), child_key=f"bulk-{n}") for n in numbers]
        await square.aio_run_many(items)
        if ctx.retry_count == 0:
            raise ValueError("once more")
        return found

    work(parent, square)
    assert parent.run() == {"1": 1, "2": 4, "3": 9}
    assert set(seen.values()) == {2}


def test_a_child_that_failed_is_replayed_when_its_parent_tries_again(plait: Plait, work: Work) -> None:
    seen = Counter[str]()
    child = plait.workflow(name="child")

    @child.task()
    async def steady(input: EmptyModel, ctx: Context) -> int:
        seen["steady"] += 1
        return 1

    @child.task(parents=[steady])
    async def flaky(input: EmptyModel, ctx: Context) -> int:
        seen["flaky"] += 1
        if seen["flaky"] == 1:
            raise ValueError("not yet")
        return ctx.task_output(steady) + 1

    @plait.task(retries=1)
    async def parent(input: EmptyModel, ctx: Context) -> int:
        return int((await child.aio_run())["flaky"])

    work(parent, child)
    run = parent.run_no_wait()
    assert run.result() == 2
    assert seen == {"steady": 1, "flaky": 2}
    assert len(plait.runs.list_children(run.workflow_run_id)) == 1


def test_children_are_cancelled_with_their_parents(plait: Plait, work: Work, database: Database) -> None:
    begun = threading.Event()

    @plait.task()
    async def leaf(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        await asyncio.sleep(3600)

    @plait.task()
    async def middle(input: EmptyModel, ctx: Context) -> None:
        await leaf.aio_run()

    @plait.task()
    async def top(input: EmptyModel, ctx: Context) -> None:
        await middle.aio_run()

    work(top, middle, leaf)
    run = top.run_no_wait()
    assert begun.wait(20)
    assert run.cancel() is True
    assert database.query("SELECT status, count(*)::int FROM plait.run GROUP BY status") == [(3, 3)]
    assert [database.count(room) for room in ("ready", "waiting", "running")] == [0, 0, 0]


def test_cancelling_a_task_cancels_the_children_it_started(plait: Plait, work: Work, database: Database) -> None:
    begun = threading.Event()

    @plait.task()
    async def child(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        await asyncio.sleep(3600)

    flow = plait.workflow(name="parent")

    @flow.task()
    async def fans(input: EmptyModel, ctx: Context) -> None:
        await child.aio_run()

    work(flow, child)
    run = flow.run_no_wait()
    assert begun.wait(20)
    plait.runs.cancel_task(run.workflow_run_id, "fans")
    with pytest.raises(RunCancelledError):
        run.result()
    [found] = plait.runs.list_children(run.workflow_run_id)
    with pytest.raises(RunCancelledError, match="the task that started it, 'fans', was cancelled"):
        plait.runs.get_run_ref(found.run.id).result(20)


def test_a_cancelled_run_gets_no_more_children(plait: Plait, work: Work, database: Database) -> None:
    begun, asked, errors = threading.Event(), threading.Event(), list[BaseException]()

    @plait.task()
    async def child(input: EmptyModel, ctx: Context) -> None: ...

    @plait.task()
    def stubborn(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        assert asked.wait(20)
        try:
            child.run()
        except BaseException as error:
            errors.append(error)
        asked.clear()

    work(stubborn, child)
    run = stubborn.run_no_wait()
    assert begun.wait(20)
    run.cancel()
    asked.set()
    database.wait("SELECT count(*) = 0 FROM plait.running")
    while not errors:
        threading.Event().wait(0.01)
    assert "no child run was started" in str(errors[0])
    assert database.count("run") == 1


def test_parents_that_only_wait_give_their_slots_to_their_children(plait: Plait, work: Work) -> None:
    square = declare_square(plait, Counter())

    @plait.task(input_validator=Item)
    async def parent(input: Item, ctx: Context) -> int:
        ctx.release_slot()
        return await square.aio_run(Item(n=input.n))

    work(parent, square, slots=2)
    results = parent.run_many([parent.create_bulk_run_item(Item(n=n)) for n in range(20)])
    assert results == [n**2 for n in range(20)]


def test_a_fan_out_of_a_thousand_is_one_bulk_statement(plait: Plait, work: Work, database: Database) -> None:
    square = declare_square(plait, Counter())

    @plait.task()
    async def fan(input: EmptyModel, ctx: Context) -> int:
        ctx.release_slot()
        return sum(await square.aio_run_many([square.create_bulk_run_item(Item(n=n)) for n in range(1000)]))

    work(fan, square, slots=100)
    assert fan.run() == sum(n**2 for n in range(1000))
    assert database.value("SELECT count(DISTINCT created_at)::int FROM plait.run WHERE trigger_kind = 1") == 1


def test_a_child_in_the_tasks_own_transaction_is_linked_too(plait: Plait, work: Work, database: Database) -> None:
    seen = Counter[int]()
    square = declare_square(plait, seen)

    @plait.task(retries=1)
    def parent(input: EmptyModel, ctx: Context) -> int:
        with psycopg.connect(database.url) as connection:
            ref = square.run_no_wait(Item(n=6), connection=connection)
        if ctx.retry_count == 0:
            raise ValueError("once more")
        return ref.result()

    work(parent, square)
    run = parent.run_no_wait()
    assert run.result() == 36
    assert len(plait.runs.list_children(run.workflow_run_id)) == 1


def test_a_failed_child_fails_its_parent_with_its_error(plait: Plait, work: Work) -> None:
    @plait.task()
    async def child(input: EmptyModel, ctx: Context) -> None:
        raise ValueError("the child is ill")

    @plait.task()
    async def parent(input: EmptyModel, ctx: Context) -> None:
        await child.aio_run()

    work(parent, child)
    with pytest.raises(FailedTaskRunExceptionGroup, match="the child is ill"):
        parent.run()


def test_a_child_key_outside_of_a_task_is_refused(plait: Plait) -> None:
    square = declare_square(plait, Counter())
    with pytest.raises(InvalidInputError, match="child_key 'x' was given outside of a task"):
        square.run_no_wait(Item(n=1), child_key="x")


def test_a_child_that_the_order_finds_with_another_input_is_refused(plait: Plait, work: Work) -> None:
    square = declare_square(plait, Counter())

    @plait.task(retries=1)
    async def parent(input: EmptyModel, ctx: Context) -> list[int]:
        numbers = [1, 2] if ctx.retry_count == 0 else [2, 1]
        results = [await square.aio_run(Item(n=n)) for n in numbers]
        if ctx.retry_count == 0:
            raise ValueError("once more")
        return results

    work(parent, square)
    with pytest.raises(FailedTaskRunExceptionGroup, match=r"with another input.* give each a child_key"):
        parent.run()


def test_one_child_key_for_two_inputs_is_refused(plait: Plait, work: Work) -> None:
    square = declare_square(plait, Counter())

    @plait.task()
    async def parent(input: EmptyModel, ctx: Context) -> None:
        items = [square.create_bulk_run_item(Item(n=n), child_key="same") for n in (1, 2)]
        await square.aio_run_many(items)

    @plait.task()
    async def twice(input: EmptyModel, ctx: Context) -> list[int]:
        return [await square.aio_run(Item(n=3), child_key="same") for _ in range(2)]

    work(parent, twice, square)
    with pytest.raises(FailedTaskRunExceptionGroup, match="child_key 'same' was already used with another input"):
        parent.run()
    run = twice.run_no_wait()
    assert run.result() == [9, 9]
    [child] = plait.runs.list_children(run.workflow_run_id)
    assert child.child_key == "same"
    with pytest.raises(InvalidInputError, match="child_key is ''"):
        square.create_bulk_run_item(Item(n=1), child_key="")


def test_a_call_that_would_block_the_loop_of_an_async_task_is_refused(plait: Plait, work: Work) -> None:
    square = declare_square(plait, Counter())

    @plait.task()
    async def blocking(input: EmptyModel, ctx: Context) -> list[str]:
        refused = []
        for call in (
            lambda: square.run(Item(n=1)),
            lambda: square.run_many([square.create_bulk_run_item(Item(n=1))]),
            lambda: square.run_no_wait(Item(n=2)).result(),
        ):
            with pytest.raises(Exception, match="would block the event loop") as error:
                call()
            refused.append(str(error.value))
        return refused

    work(blocking, square)
    messages = blocking.run()
    assert "task 'blocking' is async def, and run() would block" in messages[0]
    assert "await aio_result()" in messages[2]


def test_a_task_that_cancels_itself_cancels_its_children(plait: Plait, work: Work, database: Database) -> None:
    @plait.task()
    async def child(input: EmptyModel, ctx: Context) -> None:
        await asyncio.sleep(3600)

    @plait.task()
    async def parent(input: EmptyModel, ctx: Context) -> None:
        await child.aio_run_no_wait()
        ctx.cancel()
        await asyncio.sleep(3600)

    work(parent, child)
    with pytest.raises(RunCancelledError):
        parent.run()
    database.wait("SELECT bool_and(status = 3) AND count(*) = 2 FROM plait.run")


def test_children_of_a_cancelled_parent_say_why(plait: Plait, work: Work) -> None:
    begun = threading.Event()

    @plait.task()
    async def child(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        await asyncio.sleep(3600)

    @plait.task()
    async def parent(input: EmptyModel, ctx: Context) -> None:
        await child.aio_run()

    work(parent, child)
    run = parent.run_no_wait()
    assert begun.wait(20)
    run.cancel()
    [found] = plait.runs.list_children(run.workflow_run_id)
    with pytest.raises(RunCancelledError, match="the run whose task started it was cancelled"):
        plait.runs.get_result(found.run.id)


def test_what_completed_and_is_replayed_all_the_same_starts_its_children_anew(plait: Plait, work: Work) -> None:
    seen = Counter[int]()
    square = declare_square(plait, seen)
    flow = plait.workflow(name="anew")

    @flow.task()
    async def fans(input: EmptyModel, ctx: Context) -> list[int]:
        return await square.aio_run_many([square.create_bulk_run_item(Item(n=n)) for n in range(3)])

    work(flow, square)
    run = flow.run_no_wait()
    assert run.result() == {"fans": [0, 1, 4]}
    plait.runs.replay(run.workflow_run_id, from_start=True)
    assert run.result() == {"fans": [0, 1, 4]}
    assert set(seen.values()) == {2}
    assert len(plait.runs.list_children(run.workflow_run_id)) == 6


def test_errors_of_a_group_are_told(plait: Plait, work: Work) -> None:
    @plait.task()
    async def grouped(input: EmptyModel, ctx: Context) -> None:
        raise ExceptionGroup("two things", [ValueError("one"), ExceptionGroup("inner", [KeyError("two")])])

    work(grouped)
    with pytest.raises(FailedTaskRunExceptionGroup, match=r"(?s)two things.*ValueError: one.*KeyError: 'two'"):
        grouped.run()


def test_waiting_for_a_run_that_never_was_says_so(plait: Plait) -> None:
    with pytest.raises(NotFoundError, match="there is no run"):
        plait.runs.get_run_ref("0198c0de-7abc-7def-8123-456789abcdef").result()
