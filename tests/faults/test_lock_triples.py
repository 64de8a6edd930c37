"""Every triple of statements on one run, in every order, while a child of it is being started or not: no deadlock.

The first is not committed yet, the second waits for it, the third waits behind the second; then the first is committed.
A child that is being started in a transaction that stays open holds the run all the while, by a lock that none of them
waits for; but it changes what the others wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from plait.graph.attempt import Report
from plait.graph.definition import Condition, ConditionKind, Status, TaskDefinition, WorkflowDefinition
from plait.ids import new_run_id
from plait.worker.assignment import Assignment
from support.database import Database
from support.driver import Driver, settle
from support.oracle import check_log

_GO = ((Condition(kind=ConditionKind.EVENT, data_key="go", event_key="go"),),)
TASKS = ("first", "second", "third", "parent")
ROOMS = ("ready", "waiting", "running", "awaited_event")
GRAPH = WorkflowDefinition(
    "triples",
    (*(TaskDefinition(name=name, wait_for=_GO) for name in TASKS), TaskDefinition(name="join", parents=(0, 1, 2, 3))),
)

OpenDriver = Callable[..., Coroutine[Any, Any, Driver]]
Statement = Callable[[Driver, Assignment], Coroutine[Any, Any, Any]]


async def finish(driver: Driver, held: Assignment) -> Any:
    return await driver.finish([held])


async def fail(driver: Driver, held: Assignment) -> Any:
    return await driver.finish([held], Report(Status.FAILED, error=b"{}"))


async def end_cancelled(driver: Driver, held: Assignment) -> Any:
    return await driver.finish([held], Report(Status.CANCELLED, reason="why", elapsed_us=1))


async def retry(driver: Driver, held: Assignment) -> Any:
    return await driver.finish([held], Report(Status.RETRIED, error=b"{}", retry_us=0))


async def park(driver: Driver, held: Assignment) -> Any:
    same = ([held.run.id], [held.task], [1], [driver.version.id], [-1], [None], [0], ["{}"])
    return await driver.run("park_tasks", driver.id, *same, ['[[0, "go", null]]'])


async def cancel(driver: Driver, held: Assignment) -> Any:
    return await driver.run("cancel_runs", [held.run.id], "why")


async def cancel_task(driver: Driver, held: Assignment) -> Any:
    return await driver.run("cancel_task", held.run.id, held.task)


async def start_child(driver: Driver, held: Assignment) -> Any:
    row = ([new_run_id()], [driver.version.id], [b"{}"], [None], [1])
    return await driver.run("start_runs", *row, None, False, [1], [held.run.id], [held.task], [1], ["k"])


async def hold(driver: Driver, run_id: UUID) -> None:
    """Start a child of the fourth task."""
    row = ([new_run_id()], [driver.version.id], [b"{}"], [None], [1])
    await driver.run("start_runs", *row, None, False, [1], [run_id], [3], [1], ["k"])


STATEMENTS: tuple[Statement, ...] = (finish, fail, end_cancelled, retry, park, cancel, cancel_task, start_child)


async def run_behind_each_other(drivers: list[Driver], child: Driver | None, triple: tuple[Statement, ...]) -> int:
    """Returns how many of the statements had to wait."""
    watcher, workers = drivers[3], drivers[:3]
    await watcher.connection.execute("; ".join(f"DELETE FROM plait.{room}" for room in ROOMS))
    [run_id] = await watcher.start(1)
    held = [(await driver.claim(task))[0] for driver, task in zip(drivers, TASKS, strict=True)]
    if child is not None:
        starting = child.connection.transaction()
        await starting.start()
        await hold(child, run_id)
    transaction = workers[0].connection.transaction()
    await transaction.start()
    await triple[0](workers[0], held[0])
    tasks = []
    for driver, statement, one in zip(workers[1:], triple[1:], held[1:], strict=False):
        tasks.append(asyncio.create_task(statement(driver, one)))
        await settle(tasks[-1], driver.pid, watcher.connection)
    waited = sum(not task.done() for task in tasks)
    await transaction.commit()
    await asyncio.wait_for(asyncio.gather(*tasks), 20)
    if child is not None:
        await starting.commit()
    return waited


@pytest.mark.long
@pytest.mark.parametrize("starting", [False, True], ids=["alone", "while a child is being started"])
async def test_no_triple_of_statements_on_one_run_deadlocks(
    database: Database, open_driver: OpenDriver, starting: bool
) -> None:
    drivers = [await open_driver(GRAPH) for _ in range(4)]
    child = await open_driver(GRAPH) if starting else None
    waited = {triple: await run_behind_each_other(drivers, child, triple) for triple in product(STATEMENTS, repeat=3)}
    check_log(database)
    # Finishes, parks and orders wait for one another; nobody waits for a child that is being started.
    assert waited[finish, finish, park] == waited[finish, finish, finish] == waited[park, cancel, finish] == 2
    assert all(count == 0 for triple, count in waited.items() if set(triple) == {start_child})
