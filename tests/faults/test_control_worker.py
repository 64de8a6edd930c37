"""Orders, events and children that cross one another, with workers: no slot is lost, nobody fails for another, nothing
that was stopped goes on, and what was told is true."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from plait import (
    Context,
    EmptyModel,
    FailedTaskRunExceptionGroup,
    Plait,
    UserEventCondition,
    WorkflowRunStatus,
)
from plait.client import get_access
from plait.errors import DatabaseUnavailableError
from plait.features.event import BulkPushEventWithMetadata
from plait.maintenance import deliverer
from plait.store.store import Store
from plait.worker import claimer
from plait.worker.conditions import ConditionReader
from plait.worker.revoker import Revoker
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]

COMPLETED, FAILED = WorkflowRunStatus.COMPLETED, WorkflowRunStatus.FAILED


class Item(BaseModel):
    n: int


@pytest.fixture
def never_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers do not look by themselves at what they hold: what they notice, they were told."""
    monkeypatch.setattr(claimer, "LOOK_SECONDS", 3600.0)


def declare_hanging(plait: Plait) -> tuple[Any, list[int], list[int]]:
    """A task without an end, the attempts that began, and those that were told to stop."""
    begun, told = list[int](), list[int]()

    @plait.task()
    async def hang(input: EmptyModel, ctx: Context) -> None:
        begun.append(ctx.attempt_number)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            told.append(ctx.attempt_number)
            raise

    return hang, begun, told


def declare_meeting(plait: Plait, parties: int) -> Any:
    """A task that completes only while this many of it run at once."""
    barrier = threading.Barrier(parties)

    @plait.task()
    def meet(input: EmptyModel, ctx: Context) -> None:
        barrier.wait(20)

    return meet


def run_many(task: Any, count: int) -> list[Any]:
    return list(task.run_many_no_wait([task.create_bulk_run_item() for _ in range(count)]))


# children and idempotency keys


@pytest.mark.usefixtures("never_look")
def test_a_cancellation_that_is_told_before_the_claims_reply_stops_the_code(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, claim = threading.Event(), Store.claim_tasks

    async def claim_slowly(self: Store, *arguments: Any, **options: Any) -> Any:
        claimed = await claim(self, *arguments, **options)
        if claimed.rows:
            await asyncio.to_thread(arrived.wait, 20)
        return claimed

    monkeypatch.setattr(Store, "claim_tasks", claim_slowly)
    hang, begun, told = declare_hanging(plait)
    session = work(hang).worker._session
    eventually(lambda: get_access(plait).engine.hub.is_listening("cancel"))
    run = hang.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.running")
    hints = session.revoker.hints
    assert run.cancel()
    eventually(lambda: session.revoker.hints > hints)
    arrived.set()
    eventually(lambda: not session.holdings.assignments and not session.holdings.occupied)
    eventually(lambda: len(told) == len(begun), "what had begun is told")


@pytest.mark.usefixtures("never_look")
def test_a_task_that_comes_back_by_a_replay_before_its_worker_noticed_the_cancellation_takes_one_slot(
    plait: Plait, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Revoker, "_receive", lambda self, subjects: None)  # hints are lost
    hang, begun, told = declare_hanging(plait)
    meet = declare_meeting(plait, 2)
    work(hang, meet, slots=3)
    run = hang.run_no_wait()
    for attempt in (1, 2, 3):
        eventually(lambda: len(begun) == attempt)  # noqa: B023 - called at once
        if attempt < 3:
            assert run.cancel()
            plait.runs.replay(run.workflow_run_id)
    eventually(lambda: told == [1, 2])
    for ref in run_many(meet, 2):  # the two slots that the third attempt leaves
        ref.result(25)


@pytest.mark.usefixtures("never_look")
def test_an_outcome_that_was_to_be_stored_when_its_task_came_back_by_a_replay_gives_its_slot_back(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Revoker, "_receive", lambda self, subjects: None)
    gates, begun = [threading.Event(), threading.Event()], list[int]()

    @plait.task()
    def slow(input: EmptyModel, ctx: Context) -> int:
        begun.append(ctx.attempt_number)
        assert gates[len(begun) - 1].wait(20)
        return ctx.attempt_number

    meet = declare_meeting(plait, 2)
    session = work(slow, meet, slots=2).worker._session
    run = slow.run_no_wait()
    eventually(lambda: begun)
    get_access(plait).portal.call(session.flusher.lock.acquire())  # nothing is stored for now
    gates[0].set()
    eventually(lambda: all(one.concluded for one in session.holdings.assignments.values()))
    assert run.cancel()
    plait.runs.replay(run.workflow_run_id)
    eventually(lambda: len(begun) == 2)
    get_access(plait).portal.loop.call_soon_threadsafe(session.flusher.lock.release)
    gates[1].set()
    assert run.result(20) == begun[1]
    for ref in run_many(meet, 2):
        ref.result(25)


def test_the_result_of_a_replayed_run_is_its_new_one_while_somebody_still_waits_for_a_batch_with_the_old(
    plait: Plait, work: Work
) -> None:
    first, rest, calls = threading.Event(), threading.Event(), list[int]()

    @plait.task(input_validator=Item)
    def step(input: Item, ctx: Context) -> str:
        if input.n:
            assert rest.wait(20)
            return "slow"
        assert first.wait(20)
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("not yet")
        return "new"

    work(step)
    refs = step.run_many_no_wait([step.create_bulk_run_item(Item(n=n)) for n in range(2)])
    batch = get_access(plait).portal.spawn(get_access(plait).wait_runs([UUID(ref.workflow_run_id) for ref in refs], 30))
    first.set()
    with pytest.raises(FailedTaskRunExceptionGroup, match="not yet"):
        refs[0].result(20)
    assert not batch.done()
    assert plait.runs.replay(refs[0].workflow_run_id)
    eventually(lambda: refs[0].status() is COMPLETED)
    assert refs[0].result(20) == "new"
    rest.set()
    batch.result(20)


def test_orders_whose_reply_was_lost_are_known_to_have_been_carried_out(plait: Plait) -> None:
    @plait.task()
    async def one(input: EmptyModel, ctx: Context) -> None: ...

    run, lost = one.run_no_wait(), list[str]()
    control = get_access(plait).portal.call(get_access(plait).open_engine()).store.control

    def lose_first_reply(name: str) -> None:
        real = getattr(control, name)

        async def send(*arguments: Any) -> Any:
            answer = await real(*arguments)
            if name not in lost:
                lost.append(name)
                raise DatabaseUnavailableError("the reply was lost")
            return answer

        setattr(control, name, send)

    lose_first_reply("cancel_runs")
    lose_first_reply("replay_runs")
    assert run.cancel() is True
    assert run.cancel() is False
    plait.runs.replay(run.workflow_run_id)
    assert run.status() is not WorkflowRunStatus.CANCELLED
    assert lost == ["cancel_runs", "replay_runs"]


# events and conditions


def test_an_event_that_cannot_be_planned_is_set_aside_and_others_are_delivered(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would start a workflow whose definition this process cannot read, as a newer Plait may have stored it."""
    monkeypatch.setattr(deliverer, "SICK_SECONDS", 0.5)
    hang, _, _ = declare_hanging(plait)

    @plait.task(on_events=["known"])
    async def handle(input: EmptyModel, ctx: Context) -> None: ...

    work(handle, hang)
    database.query(
        "WITH stored AS (INSERT INTO plait.workflow_version "
        "(workflow, digest, definition, actions, roots, schedules_us, pending) "
        "VALUES ('newer', 'd', '{\"future\": 1}', '{1}', '{0}', '{-1}', '{}') RETURNING id) "
        "INSERT INTO plait.workflow (name, version_id, on_events) SELECT 'newer', id, '{new}' FROM stored"
    )
    plait.event.push("new", {})
    known = plait.event.push("known", {})
    database.wait("SELECT count(*) = 1 FROM plait.run WHERE trigger_id = %s AND status = 2", known.id)
    assert database.query("SELECT key FROM plait.event_inbox JOIN plait.event ON id = event_id") == [("new",)]
    database.query("DELETE FROM plait.workflow WHERE name = 'newer'")
    database.wait("SELECT count(*) = 0 FROM plait.event_inbox")
    assert database.count("run") == 1


def test_large_payloads_for_many_workflows_are_delivered_in_several_commits(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverer, "START_BYTES", 100_000)
    flows = [plait.workflow(name=f"flow-{n}", on_events=["large"]) for n in range(4)]
    for flow in flows:

        @flow.task()
        async def handle(input: EmptyModel, ctx: Context) -> None: ...

    items = [BulkPushEventWithMetadata(key="large", payload={"pad": "x" * 10_000}) for _ in range(10)]
    plait.event.bulk_push(items)
    work(*flows, slots=4)
    database.wait("SELECT count(*) = 0 FROM plait.event_inbox")
    database.wait_ended(40)
    assert database.count("run") == 40
    # Two events a commit: with a third it would be 120,000 bytes of input.
    commits = "SELECT count(*)::int FROM plait.run GROUP BY created_at ORDER BY 1"
    assert database.query(commits) == [(8,)] * 5


def test_a_failing_look_at_conditions_fails_that_task_alone_and_keeps_no_slot(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ConditionReader.read

    async def fail_for_one(self: ConditionReader, looks: Any) -> Any:
        if any(b"3" in look.assignment.run.input for look in looks):
            raise RuntimeError("something unforeseen")
        return await read(self, looks)

    monkeypatch.setattr(ConditionReader, "read", fail_for_one)

    @plait.task(input_validator=Item, wait_for=[UserEventCondition("go")])
    async def waits(input: Item, ctx: Context) -> int:
        return input.n

    meet = declare_meeting(plait, 5)
    refs = waits.run_many_no_wait([waits.create_bulk_run_item(Item(n=n)) for n in range(5)])
    work(waits, meet, slots=5)
    with pytest.raises(FailedTaskRunExceptionGroup, match=r"conditions could not be read.*something unforeseen"):
        refs[3].result(20)
    database.wait("SELECT count(*) = 4 FROM plait.waiting")
    plait.event.push("go", {})
    assert [ref.result(20) for ref in (*refs[:3], refs[4])] == [0, 1, 2, 4]
    for ref in run_many(meet, 5):
        ref.result(25)


def test_a_cancelled_task_is_not_logged_as_failed(plait: Plait, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    hang, begun, told = declare_hanging(plait)
    worker = work(hang)
    with caplog.at_level(logging.INFO, logger="plait"):
        cancelled = hang.run_no_wait()
        eventually(lambda: len(begun) == 1, "it runs")
        cancelled.cancel()
        eventually(lambda: len(told) == 1, "it was told to stop")
        hang.run_no_wait()
        eventually(lambda: len(begun) == 2, "the next runs")
        worker.stop()  # hands it back
    assert len(told) == 2
    assert [record.getMessage() for record in caplog.records if "failed" in record.getMessage()] == []
