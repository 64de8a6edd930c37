"""Connections that died without a word, hosts that say nothing, outages at bad moments: what is asked gets through."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest

from plait import Context, EmptyModel, Plait
from plait.errors import DatabaseUnavailableError
from plait.store.connection import Link, call_limit, connect
from plait.store.hints import Hub
from plait.store.schema import CHECKING
from plait.store.statements import load_sql
from plait.store.urls import list_hosts
from plait.worker.identity import Timings
from support.database import Database
from support.oracle import check_at_rest
from support.proxy import Proxy
from support.server import OwnServer
from support.waiting import eventually
from support.workers import serve

Work = Callable[..., Any]


def declare(plait: Plait) -> Any:
    @plait.task()
    def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    return task


async def test_what_is_given_up_ends_in_the_server(database: Database) -> None:
    link = Link(database.url)
    token = call_limit.set(0.3)
    with pytest.raises(DatabaseUnavailableError, match=r"did not answer within 0\.3 s"):
        await link.fetch("SELECT pg_sleep(60)")
    call_limit.reset(token)
    await asyncio.to_thread(
        database.wait, "SELECT count(*) = 0 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'", seconds=10
    )
    await link.close()


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_the_isolation_level_of_the_database_is_not_ours(database: Database, level: str) -> None:
    database.query(f"ALTER DATABASE {database.name} SET default_transaction_isolation = '{level}'")
    link = Link(database.url)
    # What has waited for a lock sees what it waited for: under the other levels that would be an error.
    with psycopg.connect(database.url) as holder:
        holder.execute("INSERT INTO plait.lease VALUES ('mine', gen_random_uuid(), now())")
        taking = asyncio.create_task(
            link.fetch(load_sql("take_lease"), "mine", UUID("01900000-0000-7000-8000-000000000000"), 1_000_000)
        )
        waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        await asyncio.to_thread(database.wait, waits)
        holder.commit()
        assert await taking
    await link.close()


async def test_a_connection_that_was_idle_is_tried_before_a_statement_is_trusted_to_it(
    proxy: Proxy, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.store.connection.PROBE_SECONDS", 0.2)
    link = Link(proxy.build_url(database))
    await link.execute("SELECT 1")
    proxy.forget()
    monkeypatch.setattr("plait.store.connection.IDLE_SECONDS", 0.0)
    assert (await link.fetch("SELECT 7 AS n"))[0]["n"] == 7
    assert proxy.connects == 2
    await link.close()


def test_what_a_dead_connection_swallowed_goes_through_another_well_in_time(
    proxy: Proxy, database: Database, far: Plait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.engine.repeat.FIRST_TRY", 0.3)
    task = declare(far)
    task.run_no_wait()
    proxy.forget()
    task.run_no_wait()
    assert database.count("run") == 2


def test_a_heartbeat_whose_connection_died_without_a_word_leaves_time_for_another(
    proxy: Proxy, database: Database, far: Plait
) -> None:
    worker = serve(far, declare(far), timings=Timings(heartbeat=0.2, lease=8.0, margin=1.0))
    first = worker.worker.id
    assert proxy.forget("plait heartbeat") == 1
    forgotten = database.value("SELECT plait.now()")
    database.wait("SELECT max(heartbeat_at) > %s FROM plait.worker", forgotten)
    assert worker.worker.id == first, "it kept its lease"
    worker.stop()


async def test_a_dead_host_that_says_nothing_costs_one_host_s_time_and_that_only_once(
    proxy: Proxy, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.store.connection.HOST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        good = urlsplit(proxy.build_url(database))
        place = f"127.0.0.1:{silent.getsockname()[1]},{good.netloc.rpartition('@')[2]}"
        url = f"postgresql://{good.username}@{place}{good.path}?sslmode=disable&target_session_attrs=read-write"
        connections = [await connect(url), await connect(url)]
        assert [await connection.fetchval("SELECT current_database()") for connection in connections] == [
            database.name
        ] * 2
        for connection in connections:
            await connection.close()
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # nobody came a second time
            silent.accept()


@pytest.mark.parametrize(
    ("place", "hosts"),
    [
        ("u:p%40@a:1,b:2/db?target_session_attrs=read-write", [("a", 1), ("b", 2)]),
        ("a,b/db", [("a", 5432), ("b", 5432)]),
        ("[::1]:5,h/db", [("::1", 5), ("h", 5432)]),
        ("/db?host=a,b&port=3,4", [("a", 3), ("b", 4)]),
        ("/db?host=/run/x,b&port=3", [("/run/x", 3), ("b", 3)]),
        ("a/db", []),
        ("/db", []),
        ("a,b/db?target_session_attrs=standby", []),
    ],
)
def test_the_hosts_of_a_url_are_read_as_the_driver_reads_them(place: str, hosts: list[tuple[str, int]]) -> None:
    assert list_hosts(f"postgresql://{place}") == hosts


def test_the_first_trigger_of_a_program_waits_out_a_restart(
    own_server: OwnServer, database: Database, proxy: Proxy, far: Plait
) -> None:
    task = declare(far)
    own_server.stop(immediate=True)
    with ThreadPoolExecutor() as pool:
        triggering = pool.submit(task.run_no_wait)
        eventually(lambda: proxy.connects > 1, "it has come in vain, and comes again")
        own_server.start()
        triggering.result(20)
    assert database.count("run") == 1


def test_a_first_connection_that_breaks_while_the_schema_is_checked_is_made_once_more(proxy: Proxy, far: Plait) -> None:
    proxy.lose_reply(CHECKING)
    assert far.runs.list() == []
    assert proxy.lost == [CHECKING]


def test_what_was_stored_is_answered_though_the_connection_breaks_right_after(
    proxy: Proxy, database: Database, far: Plait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.engine.repeat.PATIENCE", 0.0)
    task = declare(far)
    moment = datetime.now(UTC) + timedelta(days=1)
    task.schedule(moment)
    proxy.lose_reply("plait", 10, after=1)
    scheduled = task.schedule(moment)
    assert database.value("SELECT created_at FROM plait.scheduled WHERE id = %s", scheduled.id) == scheduled.created_at
    assert database.count("scheduled") == 2
    proxy.lose_reply("plait", 10, after=2)  # a cron asks for the time first
    cron = task.create_cron("daily", "0 9 * * *")
    assert (cron.name, database.count("cron")) == ("daily", 1)


def test_an_outage_does_not_fail_a_task_that_starts_a_run_just_then(
    own_server: OwnServer, database: Database, plait: Plait, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.engine.repeat.PATIENCE", 0.2)
    asked, away = threading.Event(), threading.Event()
    child = declare(plait)

    @plait.task(name="parent")
    def parent(input: EmptyModel, ctx: Context) -> int:
        asked.set()
        away.wait(20)
        plait.event.push("said", {})
        return ctx.attempt_number + child.run()

    work(parent, child)
    run = parent.run_no_wait()
    assert asked.wait(20)
    own_server.stop(immediate=True)
    away.set()
    threading.Timer(1.0, own_server.start).start()  # longer than the patience of a call, shorter than the lease
    assert run.result(30) == 2
    check_at_rest(database)


def test_an_outage_that_reaches_the_code_of_a_task_hands_it_back(
    own_server: OwnServer, database: Database, plait: Plait, work: Work
) -> None:
    asked, away = threading.Event(), threading.Event()

    @plait.task(retries=0)
    def reader(input: EmptyModel, ctx: Context) -> int:
        asked.set()
        away.wait(20)
        plait.runs.get(ctx.workflow_run_id)
        return ctx.attempt_number

    work(reader)
    run = reader.run_no_wait()
    assert asked.wait(20)
    own_server.stop(immediate=True)
    away.set()
    threading.Timer(0.5, own_server.start).start()
    assert run.result(30) == 2
    rows = database.query("SELECT status, reason FROM plait.attempt ORDER BY attempt")
    assert rows == [(-1, "the database was not available to its code"), (2, None)]


async def test_a_hint_that_comes_after_the_end_opens_no_connection(hub: Hub) -> None:
    hub.publish("ready", ["1"])
    await hub.stop()
    hub.publish("ready", ["2"])
    assert hub._sending is not None
    assert hub._sending.done()
