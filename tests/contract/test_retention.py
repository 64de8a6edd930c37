"""Retention: what goes when it is old, and what stays however old it is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait, UserEventCondition
from plait.client import get_access
from plait.errors import NotFoundError
from plait.features.event import BulkPushEventWithMetadata
from plait.maintenance.pruner import Pruned, prune
from support.database import Database

Work = Callable[..., Any]

OF_RUNS = ("run", "attempt", "log", "wait", "idempotency_key", "child", "ready", "waiting", "running")


def prune_before(plait: Plait, moment: datetime) -> Pruned:
    """Delete what is older than a moment, to the end."""
    return get_access(plait).portal.call(prune(get_access(plait).engine.store.retention, moment))


def read_now(database: Database) -> datetime:
    moment: datetime = database.value("SELECT clock_timestamp()")
    return moment


@pytest.fixture
def flow(plait: Plait, work: Work) -> Any:
    """A workflow that leaves rows in every table that belongs to a run."""
    flow = plait.workflow(name="flow")

    @plait.task(name="child")
    async def child(input: EmptyModel, ctx: Context) -> int:
        return 1

    @flow.task(wait_for=[UserEventCondition("go:{input.id}")])
    async def first(input: dict[str, Any], ctx: Context) -> int:
        ctx.log("a line")
        return await child.aio_run()

    @flow.task(parents=[first], retries=1)
    async def second(input: dict[str, Any], ctx: Context) -> int:
        if ctx.retry_count == 0:
            raise ValueError("once")
        return 2

    work(flow, child)
    return flow


def run_to_its_end(plait: Plait, database: Database, flow: Any, name: str) -> str:
    ref = flow.run_no_wait({"id": name}, idempotency_key=name)
    waits = "SELECT count(*) = 1 FROM plait.waiting WHERE run_id = %s AND due_at = 'infinity'"
    database.wait(waits, ref.workflow_run_id)  # so that it has a row in plait.wait, too
    plait.event.push(f"go:{name}", {})
    assert ref.result(timeout=60) == {"first": 1, "second": 2}
    return str(ref.workflow_run_id)


def test_an_old_run_goes_with_all_that_belongs_to_it_and_a_newer_one_stays(
    plait: Plait, database: Database, flow: Any
) -> None:
    old = run_to_its_end(plait, database, flow, "old")
    database.wait("SELECT count(*) = 1 FROM plait.log")
    moment = read_now(database)
    new = run_to_its_end(plait, database, flow, "new")
    database.wait("SELECT count(*) = 2 FROM plait.log")
    newer = {table: database.count(table) for table in OF_RUNS}
    pruned = prune_before(plait, moment)
    assert (pruned.runs, pruned.events) == (2, 1)  # with its child
    with pytest.raises(NotFoundError):
        plait.runs.get_status(old)
    assert plait.runs.get_status(new) == "COMPLETED"
    assert {table: database.count(table) * 2 for table in OF_RUNS} == newer
    assert run_to_its_end(plait, database, flow, "old") != old  # its key is free
    pruned = prune_before(plait, datetime.now(UTC) + timedelta(hours=1))
    assert (pruned.runs, pruned.events) == (4, 2)


def test_what_has_not_ended_stays_with_the_events_it_may_look_at(plait: Plait, database: Database, flow: Any) -> None:
    waits = flow.run_no_wait({"id": "late"})
    database.wait("SELECT count(*) = 1 FROM plait.waiting")
    run_to_its_end(plait, database, flow, "done")
    pruned = prune_before(plait, datetime.now(UTC) + timedelta(hours=1))
    assert (pruned.runs, pruned.events) == (2, 0)
    plait.event.push("go:late", {})
    assert waits.result(timeout=60) == {"first": 1, "second": 2}


def test_a_child_stays_as_long_as_its_parent_so_that_the_parent_finds_it_again(
    plait: Plait, work: Work, database: Database
) -> None:
    release = threading.Event()
    children: list[str] = []

    @plait.task(name="child")
    async def child(input: EmptyModel, ctx: Context) -> str:
        children.append(ctx.workflow_run_id)
        return ctx.workflow_run_id

    @plait.task(name="parent", retries=1)
    async def parent(input: EmptyModel, ctx: Context) -> str:
        found: str = await child.aio_run()
        if ctx.retry_count == 0:
            await asyncio.to_thread(release.wait, 60)
            raise ValueError("once more")
        return found

    work(parent, child)
    ref = parent.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.run WHERE status = 2")
    assert prune_before(plait, datetime.now(UTC) + timedelta(hours=1)).runs == 0
    release.set()
    assert ref.result(timeout=60) == children[0]
    assert len(children) == 1


def test_more_than_one_statement_deletes_is_deleted_all_the_same(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SCANNED", 4), ("TASKS", 3), ("LIMIT", 2)):
        monkeypatch.setattr(f"plait.maintenance.pruner.{name}", value)

    @plait.task(name="task")
    async def task(input: EmptyModel, ctx: Context) -> None:
        for number in range(5):
            ctx.log(f"line {number}")

    work(task)
    task.run_many([task.create_bulk_run_item() for _ in range(11)])
    plait.event.bulk_push([BulkPushEventWithMetadata(key="a", payload={}) for _ in range(5)])
    database.wait("SELECT count(*) = 55 FROM plait.log")
    database.wait("SELECT count(*) = 0 FROM plait.event_inbox")
    pruned = prune_before(plait, datetime.now(UTC) + timedelta(hours=1))
    assert (pruned.runs, pruned.events) == (11, 5)
    assert [database.count(table) for table in ("run", "attempt", "log", "event")] == [0, 0, 0, 0]


def test_a_worker_with_a_retention_deletes_by_itself(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    @plait.task(name="task")
    async def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    work(task).stop()
    task_ref = task.run_no_wait()
    monkeypatch.setenv("PLAIT_RETENTION", "1ms")
    monkeypatch.setattr("plait.maintenance.pruner.PAUSE_SECONDS", 0.1)
    work(task)
    database.wait("SELECT count(*) = 0 FROM plait.run")
    with pytest.raises(NotFoundError):
        plait.runs.get_status(task_ref.workflow_run_id)


def test_started_schedules_and_ended_workers_go_and_future_ones_and_living_ones_stay(
    plait: Plait, work: Work, database: Database
) -> None:
    @plait.task(name="task")
    async def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    work(task).stop()
    work(task)
    task.schedule(datetime.now(UTC))
    task.schedule(datetime.now(UTC) + timedelta(days=1))
    database.wait("SELECT count(*) = 1 FROM plait.run WHERE status = 2")
    pruned = prune_before(plait, datetime.now(UTC) + timedelta(hours=1))
    assert (pruned.runs, pruned.scheduled, pruned.workers) == (1, 1, 1)
    assert database.value("SELECT run_id IS NULL FROM plait.scheduled") is True
    assert database.value("SELECT ended_at IS NULL FROM plait.worker") is True
