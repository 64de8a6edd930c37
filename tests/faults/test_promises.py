"""Promises of the documentation, each where a small mistake would break it and nothing else would show that."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait
from plait.errors import DatabaseUnavailableError
from plait.graph.definition import WorkflowDefinition
from plait.ids import new_run_id
from plait.maintenance.reaper import Reaper
from plait.maintenance.timers import Timers
from plait.store.control import ControlStore
from plait.store.hints import Hub
from plait.store.store import StartRow
from support.database import Database
from support.driver import Driver, make_definition
from support.waiting import eventually
from support.workers import serve

OpenDriver = Callable[[WorkflowDefinition], Awaitable[Driver]]
Work = Callable[..., Any]

ONE = make_definition("one", only=[])
TWO = make_definition("two", a=[], b=[])


def test_events_are_delivered_in_the_order_in_which_they_were_pushed(
    plait: Plait, database: Database, work: Work
) -> None:
    @plait.task(name="listen", on_events=["e*"])
    async def listen(input: EmptyModel, ctx: Context) -> None: ...

    pushed = [f"e{number}" for number in range(20)]
    for key in pushed:
        plait.event.push(key, {})
    work(listen)
    database.wait("SELECT count(*) = 0 FROM plait.event_inbox")
    database.wait_ended(len(pushed))
    assert [key for (key,) in database.query("SELECT key FROM plait.event ORDER BY position")] == pushed
    order = "SELECT e.key FROM plait.run r JOIN plait.event e ON e.id = r.trigger_id ORDER BY r.id"
    assert [key for (key,) in database.query(order)] == pushed


async def test_what_is_still_held_of_a_run_that_has_ended_is_dropped(
    database: Database, open_driver: OpenDriver, hub: Hub
) -> None:
    worker = await open_driver(ONE)
    await worker.start(1)
    assert await worker.claim("only")
    database.query("UPDATE plait.run SET status = 3, finished_at = plait.now()")  # by a cancellation that it crossed
    await Reaper(worker.store, hub, every=5.0).run_once()
    assert database.count("running") == 0


async def test_timers_sleep_no_longer_than_until_the_next_of_them_is_due(
    database: Database, open_driver: OpenDriver, hub: Hub
) -> None:
    worker = await open_driver(ONE)
    await worker.start(1)

    async def cancel_expired(_limit: int) -> int:
        return 0

    timers = Timers(worker.store, hub, cancel_expired)
    database.query(
        "WITH taken AS (DELETE FROM plait.ready RETURNING *) "
        "INSERT INTO plait.waiting "
        "(run_id, position, due_at, schedule_us, action_id, task, attempt, retry, lost, priority) "
        "SELECT run_id, position, plait.now() + interval '3 s', -1, action_id, task, attempt, retry, lost, priority "
        "FROM taken"
    )
    left = "SELECT extract(epoch FROM due_at - plait.now())::float8 FROM plait.waiting"
    before = database.value(left)
    pause = await timers.run_once()
    if pause > 0.001:  # else the machine was so slow that it fell due meanwhile
        assert database.value(left) <= pause <= before
    database.query("UPDATE plait.waiting SET due_at = plait.now()")
    await timers.run_once()
    assert database.count("waiting") == 0


def test_a_deployment_leaves_the_next_time_of_a_cron_that_is_the_same(
    plait: Plait, work: Work, database: Database
) -> None:
    def declare(plait: Plait, description: str) -> Any:
        @plait.task(name="report", description=description, on_crons=["@daily"])
        async def report(input: EmptyModel, ctx: Context) -> None: ...

        return report

    work(declare(plait, "old"))
    served = database.wait("SELECT crons_of FROM plait.workflow")
    # What is computed anew shows.
    [(due,)] = database.query("UPDATE plait.cron SET next_at = next_at + interval '1 hour' RETURNING next_at")
    newer = Plait(database.url)
    worker = serve(newer, declare(newer, "new"))
    database.wait("SELECT crons_of > %s FROM plait.workflow", served)
    assert database.query("SELECT next_at FROM plait.cron") == [(due,)]
    worker.stop()
    newer.close()


async def test_workers_that_claim_one_after_the_other_get_the_most_urgent_then_the_oldest(
    database: Database, open_driver: OpenDriver
) -> None:
    first, second = await open_driver(TWO), await open_driver(TWO)
    priorities = [1, 3, 2, 3, 1, 2, 3, 2, 1, 3, 1, 2]
    rows = [StartRow(new_run_id(), first.version.id, b"{}", None, priority, None) for priority in priorities]
    await first.store.start_runs(rows)
    claimed = [one for turn in range(8) for one in await (first, second)[turn % 2].claim("a", "b", limit=3)]
    wanted = [
        (row.run_id, task) for row in sorted(rows, key=lambda row: (-row.priority, row.run_id)) for task in (0, 1)
    ]
    told = [sorted((one.run.id, one.task) for one in claimed[begin : begin + 3]) for begin in range(0, 24, 3)]
    assert told == [sorted(wanted[begin : begin + 3]) for begin in range(0, 24, 3)]


async def test_who_claims_beside_another_takes_nothing_less_urgent_in_place_of_what_that_one_holds(
    open_driver: OpenDriver, database: Database
) -> None:
    flow = make_definition("two", x=[], y=[])
    first, second = await open_driver(flow), await open_driver(flow)
    for priority in (3, 2, 1):
        rows = [StartRow(new_run_id(), first.version.id, b"{}", None, priority, None) for _ in range(10)]
        await first.store.start_runs(rows)
    x, y = (first.version.actions[flow.index_by_name[name]] for name in "xy")
    database.query(
        "DELETE FROM plait.ready WHERE (action_id = %s AND priority = 3) OR (action_id = %s AND priority = 2)", y, x
    )
    async with first.connection.transaction():
        assert {task.run.priority for task in await first.claim("x", "y", limit=10)} == {3}
        assert {task.run.priority for task in await second.claim("x", "y", limit=10)} <= {3}
    assert {task.run.priority for task in await second.claim("x", "y", limit=10)} == {2}


def test_a_cancellation_of_a_large_family_whose_reply_was_lost_is_whole(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel, lost = ControlStore.cancel_runs, threading.Event()

    async def lose_reply(self: ControlStore, *arguments: Any) -> Any:
        answer = await cancel(self, *arguments)
        if not lost.is_set():
            lost.set()
            raise DatabaseUnavailableError("the reply was lost")
        return answer

    @plait.task(name="child")
    async def child(input: EmptyModel, ctx: Context) -> None: ...

    @plait.task(name="parent")
    async def parent(input: EmptyModel, ctx: Context) -> None:
        await child.aio_run_many([child.create_bulk_run_item() for _ in range(30)])

    work(parent)
    run = parent.run_no_wait()
    eventually(lambda: database.count("run") == 31, "its children are there")
    monkeypatch.setattr(ControlStore, "cancel_runs", lose_reply)
    plait.runs.cancel(run.workflow_run_id)
    assert lost.is_set()
    assert database.query("SELECT status, count(*) FROM plait.run GROUP BY 1") == [(3, 31)]
