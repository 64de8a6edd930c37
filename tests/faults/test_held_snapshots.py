"""Somebody holds an old snapshot: what has left the queue stays in it, and nobody walks over it again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from plait import Context, EmptyModel, Plait
from plait.maintenance import eras
from plait.store.store import Store
from support.database import Database
from support.driver import Driver, make_definition
from support.role import role_with_few_connections
from support.server import OwnServer
from support.waiting import eventually
from support.workers import serve

SINGLE = make_definition("single", only=[])
ROUNDS, TASKS = 20, 200


@pytest.fixture
async def driver(database: Database) -> AsyncIterator[Driver]:
    driver = await Driver(database.url).open(SINGLE)
    yield driver
    await driver.close()


@contextmanager
def hold_snapshot(database: Database) -> Iterator[psycopg.Connection]:
    """A transaction that somebody forgot."""
    with psycopg.connect(database.url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT txid_current(), count(*) FROM plait.run")
        yield connection


async def turn(driver: Driver, times: int, tasks: int = 0, base: int = 0) -> int:
    """Let the leader look so often. Returns what has left the queue so far."""
    for _ in range(times):
        turned = await driver.store.turn_eras(base, tasks, 8)
        base = turned.deleted if turned.begun else base
    return base


def list_eras(database: Database) -> list[int]:
    return [era for (era,) in database.query("SELECT era FROM plait.era ORDER BY era")]


async def count_read(driver: Driver) -> int:
    """Entries of the queue's index that were read so far."""
    await driver.connection.execute("SELECT pg_stat_force_next_flush()")
    return await driver.connection.fetchval(  # type: ignore[no-any-return]
        "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'ready_order'"
    )


async def test_a_claim_walks_over_few_of_the_tasks_that_have_left(driver: Driver, database: Database) -> None:
    base = 0
    with hold_snapshot(database):
        for _ in range(ROUNDS):
            await driver.start(TASKS)
            await driver.finish(await driver.claim("only"))
            await driver.connection.execute("SELECT pg_stat_force_next_flush()")
            base = await turn(driver, 8, 2 * TASKS, base)
        assert database.count("attempt") == ROUNDS * TASKS
        before = await count_read(driver)
        assert await driver.claim("only") == []
        assert await count_read(driver) - before < ROUNDS * TASKS / 2
        assert len(list_eras(database)) <= 3
    assert list_eras(database)[0] > 4


async def test_without_a_held_snapshot_there_is_one_era(driver: Driver, database: Database) -> None:
    for _ in range(3):
        await driver.start(TASKS)
        await driver.finish(await driver.claim("only"))
        await driver.connection.execute("SELECT pg_stat_force_next_flush()")
        database.query("VACUUM plait.ready")
        await turn(driver, 2, TASKS)
    assert list_eras(database) == [1]


@pytest.mark.parametrize("when", ["open", "old snapshot"])
async def test_what_is_written_late_is_claimed(driver: Driver, database: Database, plait: Plait, when: str) -> None:
    """A user's transaction writes before the era has ended, or after it with a snapshot of before."""
    flow = plait.workflow(name="flow")

    @flow.task()
    async def task(input: EmptyModel, ctx: Context) -> int:
        return 7

    worker = serve(plait)
    await flow.aio_run()
    worker.stop()
    with hold_snapshot(database) as theirs:
        if when == "open":
            reference = flow.run_no_wait(connection=theirs)
        await turn(driver, 20)
        assert (1 in list_eras(database)) is (when == "open")
        if when != "open":
            reference = flow.run_no_wait(connection=theirs)
            await turn(driver, 20)
    worker = serve(plait)
    assert (await reference.aio_result(20))["task"] == 7
    await turn(driver, 8)
    assert 1 not in list_eras(database)
    worker.stop()


async def test_of_two_leaders_at_once_one_moves_on_and_no_era_is_without_its_row(
    driver: Driver, database: Database
) -> None:
    await turn(driver, 1)
    with psycopg.connect(database.url) as other:
        other.execute("SELECT pg_advisory_xact_lock(plait.delivery_lock() + 1)")
        await turn(driver, 2)
        assert database.value("SELECT last_value FROM plait.era_now") == 1
    for _ in range(20):
        await asyncio.gather(turn(driver, 1), turn(driver, 1))
        assert database.value("SELECT last_value FROM plait.era_now") in list_eras(database)


async def test_after_a_crash_the_current_era_is_one_into_which_claims_look(
    driver: Driver, database: Database, own_server: OwnServer
) -> None:
    await turn(driver, 6)
    own_server.stop(immediate=True)
    own_server.start()
    assert database.value("SELECT last_value FROM plait.era_now") in list_eras(database)


async def test_a_role_that_may_use_plait_and_not_change_it_lets_eras_turn(driver: Driver, database: Database) -> None:
    with role_with_few_connections(database) as role:
        store = Store(role.url)
        for _ in range(2):
            await store.turn_eras(0, 0, 8)
        await store.close()
    assert database.value("SELECT last_value FROM plait.era_now") == 2


def test_the_worker_that_leads_lets_eras_turn(
    plait: Plait, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eras, "ERA_TASKS", 20)
    monkeypatch.setattr(eras, "CALM_SECONDS", 0.1)

    @plait.task(name="task")
    async def task(input: EmptyModel, ctx: Context) -> None: ...

    worker = serve(plait)
    with hold_snapshot(database):
        task.run_many([task.create_bulk_run_item() for _ in range(50)])
        eventually(lambda: list_eras(database)[0] > 1, "the first era is over")
        task.run()
    worker.stop()


async def test_the_most_urgent_goes_first_and_then_the_oldest_run_whatever_their_eras(
    driver: Driver, database: Database
) -> None:
    runs = []
    for _ in range(3):
        runs += await driver.start(2)
        await turn(driver, 2)
    assert len(list_eras(database)) > 2
    database.query("UPDATE plait.run SET priority = 3 WHERE id = %s", runs[3])
    database.query("UPDATE plait.ready SET priority = 3 WHERE run_id = %s", runs[3])
    wanted = [runs[3], runs[0], runs[1], runs[2], runs[4], runs[5]]
    taken = [(await driver.claim("only", limit=1))[0].run.id for _ in wanted]
    assert taken == wanted
    last = list_eras(database)[-1]
    await turn(driver, 12)
    assert list_eras(database)[0] > last
