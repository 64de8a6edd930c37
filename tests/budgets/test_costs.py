"""What a task costs the database, by PostgreSQL's own counts: rows, WAL, statements, hints. No clock is asked, but for
one rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait
from plait.client import get_access
from plait.graph.attempt import Report
from plait.graph.definition import Status, WorkflowDefinition
from support.database import Database
from support.driver import Driver, make_definition
from support.server import OwnServer
from support.waiting import eventually

CHAIN = make_definition("chain", t0=[], **{f"t{n}": [f"t{n - 1}"] for n in range(1, 10)})
DIAMOND = make_definition("diamond", a=[], b=["a"], c=["a"], d=["b", "c"])
OUTPUT = Report(Status.COMPLETED, b"x" * 100)
ROOMS = ("ready", "waiting", "running", "attempt")


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the database was made."""

    inserted: int
    deleted: int
    hot: int
    cold: int
    wal: int


async def read_counts(driver: Driver) -> Counts:
    """Rows of the rooms, updates of runs, bytes of WAL; all that this connection did is counted."""
    sql = driver.connection
    await sql.execute("SELECT pg_stat_force_next_flush()")
    await sql.execute("SELECT pg_stat_clear_snapshot()")
    rooms = await sql.fetchrow(
        "SELECT sum(n_tup_ins)::int AS inserted, sum(n_tup_del)::int AS deleted, sum(n_tup_upd)::int AS updated "
        "FROM pg_stat_user_tables WHERE schemaname = 'plait' AND relname = ANY ($1)",
        list(ROOMS),
    )
    run = await sql.fetchrow(
        "SELECT n_tup_hot_upd AS hot, n_tup_upd - n_tup_hot_upd AS cold FROM pg_stat_user_tables "
        "WHERE schemaname = 'plait' AND relname = 'run'"
    )
    wal = await sql.fetchval("SELECT (pg_current_wal_lsn() - '0/0')::int8")
    assert rooms["updated"] == 0, "no row of a room is ever updated"
    return Counts(rooms["inserted"], rooms["deleted"], run["hot"], run["cold"], wal)


@pytest.fixture
async def driver(database: Database, own_server: OwnServer) -> AsyncIterator[Driver]:
    driver = Driver(database.url)
    yield driver
    await driver.close()


async def drive(driver: Driver, definition: WorkflowDefinition, *, local: bool) -> int:
    """Take every ready task to its end in batches of 200. Returns how many tasks that were."""
    driver.continue_locally(local)
    names = [task.name for task in definition.tasks]
    tasks, held = 0, []
    while held := held or await driver.claim(*names, limit=200):
        answer = await driver.finish(held, OUTPUT)
        tasks += len(held)
        held = driver.take_continued(answer)
    return tasks


async def cost_per_task(driver: Driver, definition: WorkflowDefinition, *, local: bool) -> dict[str, float]:
    await driver.open(definition)
    await driver.start(100)
    await drive(driver, definition, local=local)  # pages exist, plans are made
    await driver.start(400)
    roots = 400 * len(definition.roots)
    before = await read_counts(driver)
    tasks = await drive(driver, definition, local=local)
    after = await read_counts(driver)
    assert tasks == 400 * len(definition.tasks)
    # Roots were queued before the count began: their insert belongs to the start.
    return {
        "inserts": (after.inserted - before.inserted + roots) / tasks,
        "deletes": (after.deleted - before.deleted) / tasks,
        "hot updates": (after.hot - before.hot) / tasks,
        "cold updates": float(after.cold - before.cold),
        "wal": (after.wal - before.wal) / tasks,
    }


@pytest.mark.parametrize("definition", [CHAIN, DIAMOND], ids=lambda definition: definition.name)
async def test_a_queued_task_costs_three_inserts_two_deletes_and_little_wal(
    driver: Driver, definition: WorkflowDefinition
) -> None:
    cost = await cost_per_task(driver, definition, local=False)
    assert cost["inserts"] <= 3
    assert cost["deletes"] <= 2
    assert cost["hot updates"] <= (0.3 if definition is CHAIN else 0.5)
    assert cost["cold updates"] == 0
    assert cost["wal"] <= 1100


@pytest.mark.parametrize("definition", [CHAIN, DIAMOND], ids=lambda definition: definition.name)
async def test_a_locally_continued_task_costs_two_inserts_and_one_delete(
    driver: Driver, definition: WorkflowDefinition
) -> None:
    cost = await cost_per_task(driver, definition, local=True)
    tasks = len(definition.tasks)
    continued = (tasks - len(definition.roots)) / tasks
    assert cost["inserts"] <= 2 * continued + 3 * (1 - continued)
    assert cost["deletes"] <= 1 * continued + 2 * (1 - continued)
    assert cost["cold updates"] == 0
    assert cost["wal"] <= 1100


def count_calls(database: Database, pattern: str = "%") -> int:
    return int(
        database.value(
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements "
            "WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query LIKE %s",
            pattern,
        )
    )


def test_at_load_a_task_costs_a_twentieth_of_a_statement_and_hints_are_few(
    statements: Database, plait: Plait, work: Callable[..., Any]
) -> None:
    flow = plait.workflow(name="load")

    async def step(input: EmptyModel, ctx: Context) -> int:
        return 1

    a = flow.task(name="a")(step)
    b = flow.task(name="b", parents=[a])(step)
    c = flow.task(name="c", parents=[a])(step)
    flow.task(name="d", parents=[b, c])(step)
    work(flow, slots=200)
    flow.run_many([flow.create_bulk_run_item() for _ in range(50)])
    items = [flow.create_bulk_run_item() for _ in range(3000)]
    shares = list[float]()
    for _ in range(3):  # where others take the processor away, batches are smaller: then it tells nothing
        before, hints, begin = count_calls(statements), count_calls(statements, "%pg_notify%"), time.monotonic()
        flow.run_many(items)
        seconds = time.monotonic() - begin
        # One process here: a worker and a client that share their hints.
        assert count_calls(statements, "%pg_notify%") - hints <= 100 * seconds + 2
        shares.append((count_calls(statements) - before) / (len(items) * 4))
        if shares[-1] <= 0.05:
            break
    assert min(shares) <= 0.05
    # None where every run is updated once; where a join and the end update it shortly after one another, a snapshot
    # held at that moment can keep the first old version from being pruned, and its page full.
    runs = "FROM pg_stat_user_tables WHERE relname = 'run' AND schemaname = 'plait'"
    statements.wait(f"SELECT n_tup_upd >= 3000 {runs}")  # backends report with a delay
    assert statements.value(f"SELECT (n_tup_upd - n_tup_hot_upd)::float8 / n_tup_upd {runs}") <= 0.1


def test_only_the_first_connections_of_a_process_ask_what_an_array_is(
    statements: Database, plait: Plait, work: Callable[..., Any]
) -> None:
    @plait.task()
    def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    work(task)
    task.run()
    asked = count_calls(statements, "%typeinfo_tree%")
    for _ in range(2):
        with Plait(statements.url) as other:
            assert len(other.runs.list()) == 1
    assert count_calls(statements, "%typeinfo_tree%") == asked


def test_hints_go_out_at_most_a_hundred_times_a_second_however_many_there_are(
    statements: Database, plait: Plait
) -> None:
    plait.runs.list()
    engine = get_access(plait).engine
    before, begin = count_calls(statements, "%pg_notify%"), time.monotonic()

    async def publish_on_and_on() -> None:
        while time.monotonic() - begin < 1:
            engine.hub.publish("ready", ["1"])
            await asyncio.sleep(0.0005)

    engine.portal.call(publish_on_and_on())
    seconds = time.monotonic() - begin
    sent = count_calls(statements, "%pg_notify%") - before
    assert 5 <= sent <= 100 * seconds + 2


def test_an_idle_worker_asks_little(statements: Database, plait: Plait, work: Callable[..., Any]) -> None:
    @plait.task()
    def task(input: EmptyModel, ctx: Context) -> None: ...

    work(task)
    task.run()
    # The leader has renewed its lease: all that begins with it has begun.
    eventually(lambda: count_calls(statements, "%INSERT INTO plait.lease%") >= 3, "the worker has settled")
    before = count_calls(statements, "%plait.%")
    begin = statements.value("SELECT clock_timestamp()")
    statements.wait("SELECT clock_timestamp() - %s > interval '3 seconds'", begin)
    asked = count_calls(statements, "%plait.%") - before
    seconds = statements.value("SELECT ceil(extract(epoch FROM clock_timestamp() - %s))", begin)
    # A claim a second, a heartbeat a second (the tests' setting), the maintenance lease and its loops.
    assert asked <= seconds * 6


def test_waiting_for_many_results_makes_no_storm_of_polls(
    statements: Database, plait: Plait, work: Callable[..., Any]
) -> None:
    @plait.task()
    def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    references = task.run_many_no_wait([task.create_bulk_run_item() for _ in range(1000)])
    before = count_calls(statements, "%plait.attempt%")
    with pytest.raises(TimeoutError):
        references[0].result(timeout=1.5)
    assert count_calls(statements, "%plait.attempt%") - before <= 3
    work(task)
    assert [reference.result(30) for reference in references] == [1] * 1000
