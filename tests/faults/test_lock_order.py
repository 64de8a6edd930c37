"""Every pair of statements that lock rows, in both orders, each stuck in the middle of its work: no deadlock.

Three runs are touched by both statements. A third session holds a lock on something of the middle one, so that the
first statement stops there, holding what it took before; then the second begins; then the middle is let go. Had the
two taken their rows in opposite orders, each would now wait for the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from plait.engine.transaction import render_rows
from plait.graph.attempt import Report
from plait.graph.definition import Status
from plait.ids import new_run_id
from plait.store.statements import load_sql
from plait.store.store import StartRow
from plait.worker.assignment import Assignment
from support.database import Database
from support.driver import Driver, make_definition, settle
from support.oracle import check_log

GRAPH = make_definition(
    "pairs", left=[], right=[], third=[], one=["left", "right", "third"], two=["left", "right"], three=["left", "third"]
)


@dataclass
class Scene:
    """Three runs; worker ``one`` holds all their lefts, ``two`` their rights; the thirds are ready."""

    one: Driver
    two: Driver
    runs: list[UUID]
    left: list[Assignment]
    right: list[Assignment]


OpenDriver = Callable[..., Coroutine[Any, Any, Driver]]
Statement = Callable[[Scene, Driver], Coroutine[Any, Any, Any]]


async def finish_left(scene: Scene, driver: Driver) -> Any:
    return await driver.connection.fetchrow(load_sql("finish_tasks"), scene.one.id, *scene.one.plan(scene.left))


async def finish_right(scene: Scene, driver: Driver) -> Any:
    return await driver.connection.fetchrow(load_sql("finish_tasks"), scene.two.id, *scene.two.plan(scene.right))


async def fail_right(scene: Scene, driver: Driver) -> Any:
    plan = scene.two.plan(scene.right, Report(Status.FAILED, error=b"{}"))
    return await driver.connection.fetchrow(load_sql("finish_tasks"), scene.two.id, *plan)


async def retry_left(scene: Scene, driver: Driver) -> Any:
    plan = scene.one.plan(scene.left, Report(Status.RETRIED, error=b"{}", retry_us=0))
    return await driver.connection.fetchrow(load_sql("finish_tasks"), scene.one.id, *plan)


async def reap(scene: Scene, driver: Driver) -> Any:
    return await driver.run("reap_workers", 1000, 0, None, 0)


async def claim(scene: Scene, driver: Driver) -> Any:
    return await driver.run("claim_tasks", driver.id, *driver.actions, 1000, 25, 25, 1 << 20, [0])


async def claim_expired(scene: Scene, driver: Driver) -> Any:
    return await driver.run("claim_expired", driver.id, 1000)


async def wake(scene: Scene, driver: Driver) -> Any:
    return await driver.run("wake_tasks", 1000)


async def beat(scene: Scene, driver: Driver) -> Any:
    return await driver.run("beat_worker", scene.one.id, None, 0.0, None)


async def end(scene: Scene, driver: Driver) -> Any:
    return await driver.run("end_worker", scene.one.id)


async def cancel(scene: Scene, driver: Driver) -> Any:
    return await driver.run("cancel_runs", scene.runs[::-1], "why")


async def cancel_children(scene: Scene, driver: Driver) -> Any:
    return await driver.run("carry_out_cancellations", 1000)


async def cancel_one_task(scene: Scene, driver: Driver) -> Any:
    return await driver.run("cancel_task", scene.runs[1], 5)


async def park_left(scene: Scene, driver: Driver) -> Any:
    held = sorted(scene.left, key=lambda assignment: assignment.key)
    runs = [assignment.run.id for assignment in held]
    same = ([0] * 3, [1] * 3, [driver.version.id] * 3, [-1] * 3, [None] * 3, [0] * 3, ["{}"] * 3)
    return await driver.run("park_tasks", scene.one.id, runs, *same, ['[[0, "go", null]]'] * 3)


async def deliver(scene: Scene, driver: Driver) -> Any:
    events = await driver.connection.fetch("SELECT event_id FROM plait.event_inbox")
    ids = [row["event_id"] for row in events]
    return await driver.deliver(ids)


async def start_children(scene: Scene, driver: Driver) -> Any:
    rows = ([new_run_id() for _ in range(3)], [driver.version.id] * 3, [b"{}"] * 3, [None] * 3, [1] * 3)
    parents = ([1] * 3, scene.runs[::-1], [0] * 3, [1] * 3)
    return await driver.run("start_runs", *rows, None, False, *parents, ["a", "b", "c"])


async def sweep(scene: Scene, driver: Driver) -> Any:
    return await driver.run("sweep_ended", 1000)


OBSTACLES: dict[str, tuple[str, list[Statement]]] = {
    "run": (
        "SELECT 1 FROM plait.run WHERE id = $1 FOR UPDATE",
        [
            finish_left,
            finish_right,
            fail_right,
            retry_left,
            reap,
            claim,
            cancel,
            cancel_children,
            cancel_one_task,
            park_left,
            start_children,
        ],
    ),
    "running": (
        "SELECT 1 FROM plait.running WHERE run_id = $1 FOR UPDATE",
        [finish_left, finish_right, fail_right, retry_left, reap, cancel, cancel_children, park_left, sweep],
    ),
    "ready": (
        "SELECT 1 FROM plait.ready WHERE run_id = $1 FOR UPDATE",
        [
            claim,
            claim_expired,
            finish_left,
            retry_left,
            reap,
            wake,
            cancel,
            cancel_children,
            cancel_one_task,
            park_left,
            deliver,
        ],
    ),
    "waiting": (
        "SELECT 1 FROM plait.waiting WHERE run_id = $1 FOR UPDATE",
        [wake, finish_left, retry_left, cancel, cancel_children, cancel_one_task, park_left, deliver],
    ),
    "worker": ("SELECT 1 FROM plait.worker WHERE $1::uuid <> id FOR UPDATE", [reap, beat, end, finish_left]),
}
"""What the third session locks, and the statements that could meet there."""

# Not by TRUNCATE, after which all sessions would plan all statements again.
TABLES = (
    "ready", "waiting", "running", "run", "attempt", "worker", "event", "event_inbox", "awaited_event", "wait", "child",
    "cancellation", "delivery",
)  # fmt: skip
"""What is emptied for every scene."""


async def set_scene(one: Driver, two: Driver) -> Scene:
    """A fresh scene in the place of the last one."""
    sql = one.connection.execute
    await sql("; ".join(f"DELETE FROM plait.{table}" for table in TABLES))
    for driver in (one, two):
        await driver.register()
    runs = sorted(await one.start(3))
    left, right = await one.claim("left"), await two.claim("right")
    # Something for every statement: the lefts' worker is dead to the reaper, the thirds have expired, one is due.
    await sql("UPDATE plait.worker SET watched_us = -1000000000000 WHERE id = $1", one.id)
    await sql("UPDATE plait.ready SET expires_at = plait.now()")
    await sql(
        "INSERT INTO plait.waiting "
        "(run_id, position, due_at, schedule_us, action_id, task, attempt, retry, lost, priority) "
        "SELECT run_id, position, plait.now(), -1, action_id, 5, 1, 0, 0, 1 FROM plait.ready"
    )
    # The three are to be cancelled with a run that started them, listed in another order than that of their ids.
    above = new_run_id()
    await sql("INSERT INTO plait.cancellation (run_id, asked_id, reason) VALUES ($1, $1, 'why')", above)
    await sql(
        "INSERT INTO plait.child (parent_run_id, run_id, parent_task, key) "
        "SELECT $1, run_id, 0, 3 - row_number() OVER (ORDER BY run_id) "
        "FROM (SELECT DISTINCT run_id FROM plait.ready) r",
        above,
    )
    # What is due waits for an event as well, which has been pushed.
    await sql(
        "INSERT INTO plait.awaited_event (run_id, position, version_id, task, condition, key) "
        "SELECT run_id, 0, 0, task, 0, 'due' FROM plait.waiting"
    )
    await one.run("push_events", [new_run_id()], ["due"], [b"{}"], [None], [None], [None])
    return Scene(one, two, runs, left, right)


async def run_stuck_together(scene: Scene, watcher: Driver, obstacle: str, *statements: Statement) -> bool:
    """Returns whether both had to wait: only then did the pair mean anything."""
    transaction = watcher.connection.transaction()
    await transaction.start()
    await watcher.connection.execute(obstacle, scene.runs[1])
    tasks: list[asyncio.Task[Any]] = []
    for statement, driver in zip(statements, (scene.one, scene.two), strict=True):
        tasks.append(asyncio.create_task(statement(scene, driver)))
        await settle(tasks[-1], driver.pid, watcher.connection)
    waited = not any(task.done() for task in tasks)
    await transaction.commit()
    await asyncio.wait_for(asyncio.gather(*tasks), 20)
    return waited


@pytest.mark.parametrize("room", OBSTACLES)
async def test_no_pair_of_statements_deadlocks_in_either_order(
    database: Database, open_driver: OpenDriver, room: str
) -> None:
    obstacle, statements = OBSTACLES[room]
    one, two, watcher = [await open_driver(GRAPH) for _ in range(3)]
    waited = []
    for first, second in product(statements, repeat=2):
        scene = await set_scene(one, two)
        if await run_stuck_together(scene, watcher, obstacle, first, second):
            waited.append((first.__name__, second.__name__))
    check_log(database)
    # The pairs that wait for one another are finishes, cancellations and their like; others step over what is locked.
    if room in ("run", "running"):
        assert ("finish_left", "finish_right") in waited
        assert ("finish_right", "finish_left") in waited
        assert ("cancel", "finish_left") in waited
        assert ("finish_right", "cancel") in waited
        assert ("cancel_children", "finish_left") in waited
    if room in ("ready", "waiting"):
        patient = {"cancel", "cancel_children", "cancel_one_task"}
        assert [pair for pair in waited if patient.isdisjoint(pair)] == []


async def start_with_keys(driver: Driver, keys: list[str]) -> Any:
    """As in a transaction of the user's: Plait's own statements do not wait for keys."""
    rows = [StartRow(new_run_id(), driver.version.id, b"{}", None, 1, key) for key in keys]
    return await driver.connection.fetchval("SELECT plait.enqueue($1)", render_rows(rows))


async def test_starts_with_the_same_keys_in_opposite_orders_do_not_deadlock(
    database: Database, open_driver: OpenDriver
) -> None:
    one, two, holder = [await open_driver(GRAPH) for _ in range(3)]
    transaction = holder.connection.transaction()
    await transaction.start()
    await holder.connection.execute(
        "INSERT INTO plait.idempotency_key (workflow, key, run_id) VALUES ('pairs', 'b', $1)", new_run_id()
    )
    tasks = []
    for driver, keys in ((one, ["a", "b", "c"]), (two, ["c", "b", "a"])):
        tasks.append(asyncio.create_task(start_with_keys(driver, keys)))
        await settle(tasks[-1], driver.pid, holder.connection)
    await transaction.rollback()
    first, second = await asyncio.wait_for(asyncio.gather(*tasks), 20)
    assert first == second[::-1]
    assert database.count("run") == 3
    check_log(database)


async def test_registering_versions_with_shared_tasks_in_opposite_orders_does_not_deadlock(
    database: Database, open_driver: OpenDriver
) -> None:
    one, two, holder = [await open_driver(GRAPH) for _ in range(3)]
    forward = make_definition("shared", **{name: [] for name in "abcdefgh"})
    backward = make_definition("shared", **{name: [] for name in "hgfedcba"})
    transaction = holder.connection.transaction()
    await transaction.start()
    await holder.connection.execute("INSERT INTO plait.action (workflow, task) VALUES ('shared', 'd')")
    tasks = []
    blocked = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for driver, definition in ((one, forward), (two, backward)):
        tasks.append(asyncio.create_task(driver.store.register_version(definition)))
        await asyncio.to_thread(database.wait, f"SELECT count(*) = {len(tasks)} {blocked}")
    await transaction.rollback()
    first, second = await asyncio.wait_for(asyncio.gather(*tasks), 20)
    assert first.actions == second.actions[::-1]
    check_log(database)
