"""Hints save waiting, polling guarantees: without any hint everything comes to its end all the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from faults.test_control_worker import declare_hanging
from plait import Context, EmptyModel, Plait, RunCancelledError, SleepCondition, UserEventCondition
from plait.store.hints import Hub
from plait.worker import claimer
from support.database import Database
from support.waiting import eventually
from support.workers import QUICK

Work = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever publishes, and whatever the server notifies of: nobody hears of it."""
    monkeypatch.setattr(Hub, "_deliver", lambda self, kind, subjects: None)
    monkeypatch.setattr(claimer, "LOOK_SECONDS", 1.0)


@pytest.mark.long
def test_retries_joins_waits_events_and_schedules_come_to_their_end(
    plait: Plait, work: Work, database: Database
) -> None:
    flow = plait.workflow(name="flow")

    @flow.task(retries=1, backoff_factor=0.1)
    def flaky(input: EmptyModel, ctx: Context) -> str:
        if ctx.retry_count == 0:
            raise ValueError("not yet")
        return "at last"

    @flow.task(wait_for=[UserEventCondition("go")])
    def released(input: EmptyModel, ctx: Context) -> str:
        return "released"

    @flow.task(wait_for=[SleepCondition("200ms")])
    def slept(input: EmptyModel, ctx: Context) -> str:
        return "slept"

    @plait.task(on_events=["go"])
    async def child(input: EmptyModel, ctx: Context) -> str:
        return "child"

    @flow.task(parents=[flaky, released, slept])
    def join(input: EmptyModel, ctx: Context) -> Any:
        return child.run()

    run = flow.run_no_wait()
    work(flow, child, slots=2, timings=QUICK)
    database.wait("SELECT count(*) = 1 FROM plait.awaited_event")
    child.schedule(datetime.now(UTC) + timedelta(milliseconds=100))
    plait.event.push("go", {})
    assert run.result(30) == {"flaky": "at last", "released": "released", "slept": "slept", "join": "child"}
    database.wait_ended(4)  # the flow, its child, that of the event, the scheduled one
    assert database.count("run", "status = 2") == 4


@pytest.mark.long
def test_what_is_cancelled_is_stopped_with_all_that_it_started(plait: Plait, work: Work, database: Database) -> None:
    hang, begun, told = declare_hanging(plait)
    flow, release = plait.workflow(name="flow"), threading.Event()

    @flow.task()
    async def parent(input: EmptyModel, ctx: Context) -> None:
        await hang.aio_run()

    @flow.task()
    def other(input: EmptyModel, ctx: Context) -> None:
        release.wait(60)

    work(flow, hang, timings=QUICK)
    by_task, whole = flow.run_no_wait(), flow.run_no_wait()
    eventually(lambda: len(begun) == 2)
    plait.runs.cancel_task(by_task.workflow_run_id, "parent")
    assert whole.cancel()
    eventually(lambda: len(told) == 2)
    release.set()
    with pytest.raises(RunCancelledError):
        by_task.result(30)
    database.wait_ended(4)
    assert database.count("run", "status = 3") == 4
    assert database.count("cancellation") == 0
