"""Orders, events and children that cross one another, statement by statement: what was once lost, stuck, doubled or
refused to the wrong one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from asyncpg.transaction import Transaction

from faults.test_control_races import CHAIN, ONE, WAITER, cancel, carry_out, deliver, park, pushed, replay, start_child
from plait.graph.attempt import Report
from plait.graph.definition import Status
from plait.ids import new_run_id
from support.database import ROOMS, Database
from support.driver import Driver, settle
from support.oracle import check_log

OpenDriver = Callable[..., Awaitable[Driver]]


def count_rooms(database: Database) -> dict[str, int]:
    """Rows of every room that has some, and of what is awaited."""
    counts = {room: database.count(room) for room in (*ROOMS, "awaited_event", "event_inbox", "delivery")}
    return {room: count for room, count in counts.items() if count}


def read_status(database: Database, *runs: UUID | None) -> list[Any]:
    return [database.value("SELECT status FROM plait.run WHERE id = %s", run_id) for run_id in runs]


async def begin(driver: Driver) -> Transaction:
    transaction = driver.connection.transaction()
    await transaction.start()
    return transaction


async def cancel_task(driver: Driver, run_id: UUID, task: int = 0) -> bool | None:
    [row] = await driver.run("cancel_task", run_id, task)
    return row["asked"]  # type: ignore[no-any-return]


async def start_rows(driver: Driver, keys: list[str | None], parents: list[UUID | None], **more: Any) -> list[Any]:
    """Start runs in one statement, ``keys`` being idempotency keys; those with a parent are its children."""
    count = len(keys)
    rows = ([new_run_id() for _ in keys], [driver.version.id] * count, [b"{}"] * count, [None] * count, [1] * count)
    kinds = [None if parent is None else 1 for parent in parents]
    tasks = [None if parent is None else 0 for parent in parents]
    attempts = [None if parent is None else more.get("attempt", 1) for parent in parents]
    child_keys = [None if parent is None else "k" for parent in parents]
    [row] = await driver.run("start_runs", *rows, keys, False, kinds, parents, tasks, attempts, child_keys)
    return list(row["run_ids"])


async def start_parent(driver: Driver) -> UUID:
    """A run whose only task this driver holds."""
    [parent] = await driver.start(1)
    await driver.claim("only")
    return parent


# events


async def test_a_task_whose_row_somebody_locked_is_woken_once_that_one_gives_up(
    database: Database, open_driver: OpenDriver
) -> None:
    worker, locker = await open_driver(WAITER), await open_driver(WAITER)
    await worker.start(1)
    [held] = await worker.claim("waits")
    await park(worker, held)
    locked = await begin(locker)
    await locker.connection.execute("SELECT 1 FROM plait.waiting FOR UPDATE")
    async with pushed(worker) as event:
        first = await deliver(worker, event)
    assert (first["woken"], first["complete"]) == (0, False)
    assert count_rooms(database) == {"waiting": 1, "awaited_event": 1, "delivery": 1}
    await locked.rollback()
    [second] = await worker.run("continue_deliveries", 1000)
    assert (second["woken"], second["complete"]) == (1, True)
    assert count_rooms(database) == {"ready": 1}


@pytest.mark.parametrize("crossing", [False, True])
async def test_a_task_that_was_cancelled_by_order_is_judged_instead_of_parked(
    database: Database, open_driver: OpenDriver, crossing: bool
) -> None:
    worker, other = await open_driver(WAITER), await open_driver(WAITER)
    [run_id] = await worker.start(1)
    [held] = await worker.claim("waits")
    order = await begin(other)
    assert await cancel_task(other, run_id) is True
    if not crossing:
        await order.commit()
    parking = asyncio.create_task(park(worker, held))
    if crossing:
        await settle(parking, worker.pid, other.connection)
        await order.commit()
    [row] = await parking
    assert row["actions"] == list(worker.version.actions)
    assert count_rooms(database) == {"ready": 1}
    assert database.count("ready", "expires_at = '-infinity'") == 1, "whoever it is may judge it"


@pytest.mark.parametrize("crossing", [False, True])
async def test_a_task_that_was_cancelled_by_order_does_not_wait_for_its_retry(
    database: Database, open_driver: OpenDriver, crossing: bool
) -> None:
    worker, other = await open_driver(ONE), await open_driver(ONE)
    [run_id] = await worker.start(1)
    held = await worker.claim("only")
    order = await begin(other)
    assert await cancel_task(other, run_id) is True
    if not crossing:
        await order.commit()
    in_an_hour = Report(Status.RETRIED, error=b"{}", retry_us=3600 * 10**6)
    finishing = asyncio.create_task(worker.finish(held, in_an_hour))
    if crossing:
        await settle(finishing, worker.pid, other.connection)
        await order.commit()
    await finishing
    assert count_rooms(database) == {"ready": 1}


async def cross_delivery(
    open_driver: OpenDriver, cancelling: Callable[[Driver, UUID], Awaitable[Any]], cancel_first: bool
) -> UUID:
    """Cancel while the event that a task awaits is delivered. Both are stopped amid their work by who holds what the
    task awaits. Returns the task's run."""
    worker, other, locker = [await open_driver(WAITER) for _ in range(3)]
    [run_id] = await worker.start(1)
    [held] = await worker.claim("waits")
    await park(worker, held)
    async with pushed(worker) as event:
        locked = await begin(locker)
    await locker.connection.execute("SELECT 1 FROM plait.awaited_event FOR UPDATE")
    calls = [(worker, deliver(worker, event)), (other, cancelling(other, run_id))]
    tasks = []
    for driver, call in reversed(calls) if cancel_first else calls:
        tasks.append(asyncio.create_task(call))
        await settle(tasks[-1], driver.pid, locker.connection)
    assert not tasks[0].done()
    await locked.rollback()
    await asyncio.wait_for(asyncio.gather(*tasks), 20)
    await worker.run("continue_deliveries", 1000)
    return run_id


@pytest.mark.parametrize("cancel_first", [False, True])
async def test_cancelling_a_task_while_its_event_is_delivered_does_not_deadlock(
    database: Database, open_driver: OpenDriver, cancel_first: bool
) -> None:
    await cross_delivery(open_driver, cancel_task, cancel_first)
    assert count_rooms(database) == {"ready": 1}
    assert database.count("ready", "expires_at = '-infinity'") == 1
    check_log(database)


@pytest.mark.parametrize("cancel_first", [False, True])
async def test_cancelling_a_run_while_an_event_of_its_task_is_delivered_does_not_deadlock(
    database: Database, open_driver: OpenDriver, cancel_first: bool
) -> None:
    run_id = await cross_delivery(open_driver, cancel, cancel_first)
    assert count_rooms(database) == {}
    assert read_status(database, run_id) == [3]
    check_log(database)


async def test_a_round_of_the_inbox_is_cut_by_bytes_and_leaves_out_what_is_set_aside(
    database: Database, open_driver: OpenDriver
) -> None:
    driver = await open_driver(ONE)
    ids, five = [new_run_id() for _ in range(5)], [None] * 5
    await driver.run("push_events", ids, ["k"] * 5, [b"x" * 1000] * 5, five, five, five)

    async def read(size: int, without: list[UUID]) -> list[UUID]:
        return [row["id"] for row in await driver.run("read_inbox", 100, size, without)]

    assert await read(2500, []) == ids[:3]
    assert await read(2500, ids[:2]) == ids[2:]
    assert await read(1, []) == ids[:1], "one at least"


# children


async def test_a_child_whose_parent_ended_is_refused_alone(database: Database, open_driver: OpenDriver) -> None:
    worker, other = await open_driver(ONE), await open_driver(ONE)
    ended, alive = await start_parent(worker), await start_parent(worker)
    await cancel(other, ended)
    plain, refused, child, also_plain = await start_rows(worker, [None] * 4, [None, ended, alive, None])
    assert refused is None
    assert read_status(database, plain, child, also_plain) == [0, 0, 0]
    assert database.query("SELECT parent_run_id, run_id FROM plait.child") == [(alive, child)]


async def test_only_the_attempt_that_runs_gets_children(database: Database, open_driver: OpenDriver) -> None:
    worker = await open_driver(ONE)
    [parent] = await worker.start(1)
    assert await start_rows(worker, [None], [parent]) == [None], "it does not run yet"
    first = await worker.claim("only")
    [child] = await start_rows(worker, [None], [parent])
    assert child is not None
    await worker.finish(first, Report(Status.RETRIED, error=b"{}", retry_us=0))
    await worker.claim("only")
    assert await start_rows(worker, [None], [parent]) == [None], "another attempt runs"
    assert await start_rows(worker, [None], [parent], attempt=2) == [child]
    assert database.count("run") == 2


async def test_children_of_one_key_and_a_taken_idempotency_key_are_the_run_that_has_it(
    database: Database, open_driver: OpenDriver
) -> None:
    worker = await open_driver(ONE)
    parent = await start_parent(worker)
    [known] = await worker.start(1, key="i")
    assert await start_rows(worker, ["i", "i"], [parent, parent]) == [known, known]
    assert await start_rows(worker, ["i"], [parent]) == [known]
    one, same = await start_rows(worker, ["new", "new"], [parent, parent])
    assert one == same
    assert database.query("SELECT run_id FROM plait.child") == [(one,)]
    assert database.count("run") == 3


async def test_a_run_that_an_idempotency_key_found_is_not_cancelled_with_the_task_that_asked(
    database: Database, open_driver: OpenDriver
) -> None:
    worker = await open_driver(ONE)
    parent = await start_parent(worker)
    [foreign] = await worker.start(1, key="i")
    assert await start_rows(worker, ["i"], [parent]) == [foreign]
    own = await start_child(worker, parent)
    assert await cancel(worker, parent)
    assert read_status(database, parent, own, foreign) == [3, 3, 0]


async def test_a_cancellation_does_not_wait_for_a_child_that_is_being_started_and_cancels_it_once_it_is(
    database: Database, open_driver: OpenDriver
) -> None:
    worker, canceller, starter = [await open_driver(ONE) for _ in range(3)]
    parent = await start_parent(worker)
    transaction = await begin(starter)
    child = await start_child(starter, parent)
    assert await cancel(canceller, parent)
    assert read_status(database, parent) == [3]
    assert database.count("cancellation") == 1
    await transaction.commit()
    [held] = await worker.claim("only")
    assert held.run.ended, "the judge refuses it"
    await carry_out(worker)
    assert read_status(database, parent, child) == [3, 3]
    assert not (await worker.finish([held]))["accepted"]
    assert count_rooms(database) == {}


@pytest.mark.parametrize("commits", [True, False])
async def test_a_child_that_is_being_started_while_its_task_ends_goes_with_a_cancelled_one_and_a_failed_one(
    database: Database, open_driver: OpenDriver, commits: bool
) -> None:
    worker, starter = await open_driver(ONE), await open_driver(ONE)
    for status in (Status.CANCELLED, Status.FAILED, Status.COMPLETED):
        [parent] = await worker.start(1)
        held = await worker.claim("only")
        early = await start_child(starter, parent, "early")
        transaction = await begin(starter)
        late = await start_child(starter, parent, "late")
        answer = await worker.finish(held, Report(status, reason="why", elapsed_us=1))
        assert answer["cancels"] is (status is not Status.COMPLETED)
        assert await start_child(worker, parent, "too late") is None
        await (transaction.commit() if commits else transaction.rollback())
        await carry_out(worker)
        cancelled = {Status.CANCELLED: [3, 3], Status.FAILED: [0, 3], Status.COMPLETED: [0, 0]}[status]
        assert read_status(database, *[early, late][: 1 + commits]) == cancelled[: 1 + commits]


async def test_a_start_that_meets_the_end_of_its_task_waits_for_what_becomes_of_it(
    database: Database, open_driver: OpenDriver
) -> None:
    worker, starter, watcher = [await open_driver(ONE) for _ in range(3)]
    for status in (Status.FAILED, Status.CANCELLED):
        [parent] = await worker.start(1)
        held = await worker.claim("only")
        ending = await begin(worker)
        assert not (await worker.finish(held, Report(status, reason="why", elapsed_us=1)))["cancels"]
        starting = asyncio.create_task(start_child(starter, parent))
        await settle(starting, starter.pid, watcher.connection)
        assert not starting.done()
        await ending.commit()
        assert await starting is None
    assert database.count("cancellation") == 0


async def test_what_is_to_be_cancelled_is_neither_replayed_nor_gets_children(
    database: Database, open_driver: OpenDriver
) -> None:
    worker, other = await open_driver(ONE), await open_driver(ONE)
    parent = await start_parent(worker)
    child, ended = await start_child(worker, parent), await start_child(worker, parent, "ended")
    held = await worker.claim("only")
    await worker.finish([one for one in held if one.run.id == ended], Report(Status.FAILED, error=b"{}"))
    await worker.run("cancel_runs", [parent], "why")
    assert child is not None
    assert await start_child(worker, child) is None
    assert ended is not None
    assert not await replay(other, ended)
    assert not await replay(other, parent)
    await carry_out(worker)
    assert read_status(database, parent, child, ended) == [3, 3, 4]
    assert await replay(other, ended)
    assert await replay(other, parent)


async def test_a_child_that_is_being_replayed_while_its_parent_is_cancelled_is_cancelled_too(
    database: Database, open_driver: OpenDriver
) -> None:
    worker, other = await open_driver(ONE), await open_driver(ONE)
    parent = await start_parent(worker)
    child = await start_child(worker, parent)
    assert child is not None
    await cancel(other, child)
    replaying = await begin(other)
    assert await replay(other, child)
    assert await cancel(worker, parent)
    await replaying.commit()
    await carry_out(worker)
    assert read_status(database, parent, child) == [3, 3]
    assert count_rooms(database) == {}


async def test_descendants_of_a_child_that_has_ended_are_cancelled_too_page_by_page(
    database: Database, open_driver: OpenDriver
) -> None:
    worker = await open_driver(ONE)
    parent = await start_parent(worker)
    children = [await start_child(worker, parent, key) for key in "abcdefg"]
    held = await worker.claim("only")
    grandchildren = [await start_child(worker, one.run.id) for one in held]
    assert len(grandchildren) == 7
    await worker.finish(held[:3])
    await worker.run("cancel_runs", [parent], "why")
    looked_at = []
    while database.count("cancellation"):
        [row] = await worker.run("carry_out_cancellations", 2)
        looked_at.append(row["looked_at"])
    assert max(looked_at) == 2
    assert sum(looked_at) == 14
    assert sorted(read_status(database, *children)) == [2] * 3 + [3] * 4
    assert read_status(database, *grandchildren) == [3] * 7
    assert count_rooms(database) == {}


# orders


async def test_what_a_reaping_that_crossed_a_cancellation_left_stops_no_replay(
    database: Database, open_driver: OpenDriver
) -> None:
    dead, reaper, other = [await open_driver(CHAIN) for _ in range(3)]
    [run_id] = await dead.start(1)
    await dead.claim("first")
    await reaper.run("end_worker", dead.id)
    reaping = await begin(reaper)
    await reaper.run("reap_workers", 100, 0, None, 0)
    cancelling = asyncio.create_task(cancel(other, run_id))
    await settle(cancelling, other.pid, reaper.connection)
    await reaping.commit()
    assert await cancelling
    assert count_rooms(database) == {}
    assert await replay(other, run_id)
    for task in ("first", "second"):
        assert (await other.finish(await other.claim(task)))["accepted"]
    assert read_status(database, run_id) == [2]


@pytest.mark.parametrize("room", ["ready", "running"])
async def test_a_replay_clears_away_what_was_left_of_the_run(
    database: Database, open_driver: OpenDriver, room: str
) -> None:
    """Whatever way it came there."""
    worker = await open_driver(CHAIN)
    [run_id] = await worker.start(1)
    if room == "running":
        await worker.claim("first")
    database.query(f"CREATE TABLE left_over AS SELECT * FROM plait.{room}")
    await cancel(worker, run_id)
    database.query(f"INSERT INTO plait.{room} SELECT * FROM left_over")
    assert await replay(worker, run_id)
    assert count_rooms(database) == {"ready": 1}


async def test_ordering_an_ended_task_to_be_cancelled_says_so_and_changes_nothing(
    database: Database, open_driver: OpenDriver
) -> None:
    worker = await open_driver(CHAIN)
    [run_id] = await worker.start(1)
    await worker.finish(await worker.claim("first"))
    assert await cancel_task(worker, run_id, 0) is False
    assert database.value("SELECT cancel_tasks FROM plait.run") is None
    assert await cancel_task(worker, run_id, 1) is True
    await cancel(worker, run_id)
    assert await cancel_task(worker, run_id, 1) is None
