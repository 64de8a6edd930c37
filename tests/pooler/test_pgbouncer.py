"""Plait through PgBouncer, in session and in transaction mode, with nothing set for it there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import asyncpg
import psycopg
import pytest

from plait import Context, EmptyModel, Plait, UserEventCondition
from plait.cli.checks.server import examine_server
from plait.store.connection import SESSION_SETTINGS, Link
from plait.store.store import Store
from support.database import Database
from support.pgbouncer import PgBouncer
from support.server import OwnServer
from support.waiting import eventually
from support.workers import serve

PLANNING = [name for name in SESSION_SETTINGS if name.startswith(("enable_", "plan_", "default_", "idle_"))]


@pytest.fixture(params=["session", "transaction"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pooled_url(own_server: OwnServer, database: Database, mode: str) -> Iterator[str]:
    """The address of the test's database behind a pooler."""
    bouncer = PgBouncer(own_server, mode)
    yield bouncer.build_url(database.name)
    bouncer.close()


@pytest.fixture
def plait(pooled_url: str) -> Iterator[Plait]:
    plait = Plait(pooled_url)
    yield plait
    plait.close()


def test_runs_events_children_and_cancellations_work_through_a_pooler(plait: Plait) -> None:
    diamond = plait.workflow(name="diamond")

    @diamond.task()
    async def a(input: EmptyModel, ctx: Context) -> int:
        return 1

    @diamond.task(parents=[a])
    def b(input: EmptyModel, ctx: Context) -> int:
        return ctx.task_output(a) + 1

    @diamond.task(parents=[a])
    async def c(input: EmptyModel, ctx: Context) -> int:
        return await child.aio_run()

    @diamond.task(parents=[b, c])
    async def d(input: EmptyModel, ctx: Context) -> int:
        return ctx.task_output(b) + ctx.task_output(c)

    @plait.task()
    async def child(input: EmptyModel, ctx: Context) -> int:
        return 40

    @plait.task(wait_for=[UserEventCondition(event_key="go")])
    async def waiter(input: EmptyModel, ctx: Context) -> str:
        return "gone"

    begun = threading.Event()

    @plait.task()
    async def endless(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        await asyncio.sleep(3600)

    worker = serve(plait, slots=50)
    try:
        runs = diamond.run_many_no_wait([diamond.create_bulk_run_item() for _ in range(100)])
        waiting, hanging = waiter.run_no_wait(), endless.run_no_wait()
        assert [run.result(60)["d"] for run in runs] == [42] * 100
        plait.event.push("go", {})
        assert waiting.result(30) == "gone"
        assert begun.wait(30)
        plait.runs.cancel(hanging.workflow_run_id)
        eventually(lambda: plait.runs.get_status(hanging.workflow_run_id) == "CANCELLED", "it is cancelled")
    finally:
        worker.stop()


async def test_settings_are_in_force_for_every_statement(pooled_url: str) -> None:
    links = [Link(pooled_url) for _ in range(5)]
    sql = "SELECT array_agg(current_setting(n)) AS found FROM unnest($1::text[]) AS s(n)"
    for _ in range(3):
        for row in await asyncio.gather(*(link.fetchrow(sql, PLANNING) for link in links)):
            assert row is not None
            assert dict(zip(PLANNING, row["found"], strict=True)) == {name: SESSION_SETTINGS[name] for name in PLANNING}
    for link in links:
        await link.close()


async def test_a_statement_that_fails_leaves_the_connection_as_good_as_before(pooled_url: str) -> None:
    link = Link(pooled_url)
    for _ in range(3):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await link.fetchrow("SELECT 1 / $1::int", 0)
        row = await link.fetchrow("SELECT 6 / $1::int AS found", 2)
        assert row is not None
        assert row["found"] == 3
    await link.close()


def test_nothing_is_left_with_those_who_use_the_sessions_afterwards(plait: Plait, pooled_url: str) -> None:
    @plait.task()
    async def task(input: EmptyModel, ctx: Context) -> None: ...

    worker = serve(plait, slots=20)
    for run in task.run_many_no_wait([task.create_bulk_run_item() for _ in range(50)]):
        run.result(30)
    worker.stop()
    plait.close()
    strangers = [psycopg.connect(pooled_url, prepare_threshold=None) for _ in range(20)]
    for stranger in strangers:
        found = stranger.execute(
            "SELECT current_setting('enable_seqscan'), (SELECT count(*) FROM pg_prepared_statements), "
            "(SELECT count(*) FROM pg_listening_channels()), "
            "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')"
        ).fetchone()
        assert found == ("on", 0, 0, 0)
    for stranger in strangers:
        stranger.close()


async def test_the_doctor_says_how_the_pooler_shares_sessions(pooled_url: str, mode: str) -> None:
    store = Store(pooled_url)
    found = {finding.check: finding for finding in await examine_server(store, pooled_url)}
    await store.close()
    assert found["settings"].ok is True
    assert found["notifications"].ok is (True if mode == "session" else None)
    if mode == "transaction":
        assert "polling" in found["notifications"].says
