"""Child runs and cancellations that cross one another, with workers: no child is lost, doubled or outlives its task."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from faults.test_control_worker import declare_hanging
from plait import (
    Context,
    EmptyModel,
    FailedTaskRunExceptionGroup,
    Plait,
    RunCancelledError,
    WorkflowRunStatus,
)
from plait.client import get_access
from plait.errors import DatabaseUnavailableError, ParentEndedError, ReplayError
from plait.graph.triggers import RunTrigger, TriggerKind
from plait.ids import new_run_id
from plait.store.hints import Hub
from plait.store.store import StartRow, Store
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]

COMPLETED, FAILED = WorkflowRunStatus.COMPLETED, WorkflowRunStatus.FAILED


def test_a_bulk_of_one_child_key_and_a_taken_idempotency_key_is_answered_with_the_run_that_has_it(
    plait: Plait, work: Work, database: Database
) -> None:
    @plait.task()
    async def child(input: EmptyModel, ctx: Context) -> str:
        return "known"

    @plait.task()
    async def parent(input: EmptyModel, ctx: Context) -> list[str]:
        items = [child.create_bulk_run_item(child_key="k", idempotency_key="i") for _ in range(2)]
        return await child.aio_run_many(items)

    work(child, parent)
    child.run(idempotency_key="i")
    assert parent.run_no_wait().result(20) == ["known", "known"]
    assert database.count("run") == 2


def test_a_run_that_an_idempotency_key_finds_inside_a_task_is_neither_replayed_nor_cancelled_with_it(
    plait: Plait, work: Work, database: Database
) -> None:
    calls = list[int]()
    hang, begun, told = declare_hanging(plait)

    @plait.task()
    async def failing(input: EmptyModel, ctx: Context) -> None:
        calls.append(1)
        raise ValueError("it failed")

    asked = threading.Event()

    @plait.task()
    async def parent(input: EmptyModel, ctx: Context) -> None:
        await failing.aio_run_no_wait(idempotency_key="f")
        await hang.aio_run_no_wait(idempotency_key="h")
        asked.set()
        await asyncio.sleep(3600)

    work(hang, failing, parent)
    failed, alive = failing.run_no_wait(idempotency_key="f"), hang.run_no_wait(idempotency_key="h")
    with pytest.raises(FailedTaskRunExceptionGroup):
        failed.result()
    eventually(lambda: begun)
    run = parent.run_no_wait()
    assert asked.wait(20)
    assert failed.status() is FAILED
    assert run.cancel()
    assert (alive.status(), told) == (WorkflowRunStatus.RUNNING, [])
    assert calls == [1]
    assert plait.runs.list_children(run.workflow_run_id) == []
    assert database.count("run") == 3


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
def test_a_task_that_was_ended_gets_no_further_children(plait: Plait, work: Work, database: Database, how: str) -> None:
    hang, begun, _ = declare_hanging(plait)
    flow, go, finish = plait.workflow(name="flow"), threading.Event(), threading.Event()
    answers = list[object]()

    @flow.task(execution_timeout="1s" if how == "timed out" else "1h")
    def stubborn(input: EmptyModel, ctx: Context) -> None:
        hang.run_no_wait()
        assert go.wait(20)
        try:
            answers.append(hang.run_no_wait())
        except BaseException as error:
            answers.append(error)

    @flow.task()
    def other(input: EmptyModel, ctx: Context) -> None:
        finish.wait(20)

    work(flow, hang)
    run = flow.run_no_wait()
    eventually(lambda: begun)
    if how == "cancelled":
        plait.runs.cancel_task(run.workflow_run_id, "stubborn")
    database.wait("SELECT count(*) = 1 FROM plait.attempt WHERE run_id = %s AND status > 0", run.workflow_run_id)
    go.set()
    [answer] = eventually(lambda: answers)
    assert isinstance(answer, ParentEndedError)
    assert run.status() is WorkflowRunStatus.RUNNING
    finish.set()
    assert database.count("run", "trigger_kind = 1") == 1


@pytest.mark.parametrize("how", ["between", "in the user's transaction"])
def test_a_child_that_starts_while_its_cancelled_task_ends_is_cancelled_too(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    begun, decided, started, finish = (threading.Event() for _ in range(4))
    hang, _, _ = declare_hanging(plait)
    flow, store = plait.workflow(name="flow"), Store.finish_tasks

    async def finish_slowly(self: Store, *arguments: Any, **options: Any) -> Any:
        decided.set()
        await asyncio.to_thread(started.wait, 20)
        return await store(self, *arguments, **options)

    monkeypatch.setattr(Store, "finish_tasks", finish_slowly)
    with psycopg.connect(database.url, autocommit=how == "between") as connection:

        @flow.task()
        def stubborn(input: EmptyModel, ctx: Context) -> None:
            begun.set()
            assert decided.wait(20)
            hang.run_no_wait(connection=connection)
            started.set()

        @flow.task()
        def other(input: EmptyModel, ctx: Context) -> None:
            finish.wait(20)

        work(flow, hang)
        run = flow.run_no_wait()
        assert begun.wait(20)
        plait.runs.cancel_task(run.workflow_run_id, "stubborn")
        database.wait("SELECT count(*) = 1 FROM plait.attempt WHERE run_id = %s AND status = 3", run.workflow_run_id)
    database.wait("SELECT status = 3 FROM plait.run WHERE trigger_kind = 1")
    finish.set()
    with pytest.raises(RunCancelledError):
        run.result(20)
    database.wait("SELECT count(*) = 0 FROM plait.cancellation")


def test_the_child_of_an_ended_parent_is_refused_without_failing_what_shares_its_commit(
    plait: Plait, database: Database
) -> None:
    @plait.task()
    async def one(input: EmptyModel, ctx: Context) -> None: ...

    ended = one.run_no_wait()
    ended.cancel()
    trigger = RunTrigger(TriggerKind.PARENT, UUID(ended.workflow_run_id), 0, 1, "k")

    async def start() -> list[Any]:
        engine = await get_access(plait).open_engine()
        version = await engine.versions.register(one.definition)
        triggers = [*[None] * 11, trigger, *[None] * 10]
        # All have keys: those without would go in a commit of their own.
        keys = [None if one else f"i{number}" for number, one in enumerate(triggers)]
        rows = [
            StartRow(new_run_id(), version.id, b"{}", None, 1, key, one)
            for key, one in zip(keys, triggers, strict=True)
        ]
        return await asyncio.gather(*(engine.starts.start_rows([row]) for row in rows), return_exceptions=True)

    answers = get_access(plait).portal.call(start())
    [refused] = [answer for answer in answers if isinstance(answer, BaseException)]
    assert isinstance(refused, ParentEndedError)
    assert answers.index(refused) == 11
    assert database.count("run", "status = 0") == 21
    assert database.value("SELECT count(DISTINCT created_at)::int FROM plait.run WHERE status = 0") == 1


def test_cancelling_a_completed_task_leaves_its_children_alone(plait: Plait, work: Work, database: Database) -> None:
    hang, begun, told = declare_hanging(plait)
    flow, finish = plait.workflow(name="flow"), threading.Event()

    @flow.task()
    async def first(input: EmptyModel, ctx: Context) -> None:
        await hang.aio_run_no_wait()

    @flow.task(parents=[first])
    def second(input: EmptyModel, ctx: Context) -> None:
        finish.wait(20)

    work(flow, hang)
    run = flow.run_no_wait()
    eventually(lambda: begun)
    eventually(lambda: plait.runs.get_details(run.workflow_run_id).tasks["first"].status == "COMPLETED")
    plait.runs.cancel_task(run.workflow_run_id, "first")
    assert database.count("cancellation") == 0
    [child] = plait.runs.list_children(run.workflow_run_id)
    assert child.run.status is WorkflowRunStatus.RUNNING
    finish.set()
    assert run.result() == {"first": None, "second": None}
    assert told == []


def test_a_cancellation_leaves_a_child_in_the_users_transaction_to_the_workers_who_cancel_it_when_it_comes(
    plait: Plait, work: Work, database: Database
) -> None:
    started, finish = threading.Event(), threading.Event()
    hang, begun, _ = declare_hanging(plait)

    with psycopg.connect(database.url) as connection:

        @plait.task()
        def parent(input: EmptyModel, ctx: Context) -> None:
            hang.run_no_wait(connection=connection)
            started.set()
            finish.wait(20)

        work(parent, hang)
        run = parent.run_no_wait()
        assert started.wait(20)
        assert run.cancel() is True
        assert run.status() is WorkflowRunStatus.CANCELLED
        with pytest.raises(ReplayError, match="still being cancelled"):
            plait.runs.replay(run.workflow_run_id)
        assert database.query("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == []
    database.wait("SELECT count(*) = 2 AND bool_and(status = 3) FROM plait.run")
    database.wait("SELECT count(*) = 0 FROM plait.cancellation")
    finish.set()
    assert begun == []
    plait.runs.replay(run.workflow_run_id)


def test_a_child_that_an_attempt_starts_in_a_transaction_that_outlasts_its_timeout_does_not_run(
    plait: Plait, work: Work, database: Database
) -> None:
    hang, begun, _ = declare_hanging(plait)
    release = threading.Event()

    @plait.task(execution_timeout="200ms")
    def parent(input: EmptyModel, ctx: Context) -> None:
        with psycopg.connect(database.url) as connection:
            hang.run_no_wait(connection=connection)
            assert release.wait(20)

    work(parent, hang)
    run = parent.run_no_wait()
    with pytest.raises(FailedTaskRunExceptionGroup):
        run.result(20)
    assert database.count("cancellation") == 1
    release.set()
    database.wait("SELECT status = 3 FROM plait.run WHERE trigger_kind = 1")
    assert begun == []
    [child] = plait.runs.list_children(run.workflow_run_id)
    tasks = plait.runs.get_details(child.run.id).tasks
    assert [task.status for task in tasks.values()] == ["CANCELLED"]


# orders


@pytest.mark.parametrize("how", ["lost reply", "dead worker"])
def test_children_of_a_cancelled_task_are_cancelled_whoever_hears_that_it_was(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The commit that stores the cancellation stores the order to cancel the children."""
    hang, begun, told = declare_hanging(plait)
    flow, finish, lost = plait.workflow(name="flow"), Store.finish_tasks, threading.Event()
    release = threading.Event()
    monkeypatch.setattr(Hub, "publish", lambda *arguments, **options: None)  # and hints are lost, too

    async def lose_reply(self: Store, *arguments: Any, **options: Any) -> Any:
        finished = await finish(self, *arguments, **options)
        if finished.cancels and not lost.is_set():
            lost.set()
            if how == "dead worker":
                await asyncio.Event().wait()
            raise DatabaseUnavailableError("the reply was lost")
        return finished

    monkeypatch.setattr(Store, "finish_tasks", lose_reply)

    @flow.task()
    async def parent(input: EmptyModel, ctx: Context) -> None:
        await hang.aio_run()

    @flow.task()
    def other(input: EmptyModel, ctx: Context) -> None:
        release.wait(60)

    work(flow, hang)
    run = flow.run_no_wait()
    eventually(lambda: begun, "the child runs")
    plait.runs.cancel_task(run.workflow_run_id, "parent")
    assert lost.wait(20)
    database.wait("SELECT status = 3 FROM plait.run WHERE trigger_kind = 1")
    if how == "lost reply":
        eventually(lambda: told, "the child was told to stop")
    release.set()
