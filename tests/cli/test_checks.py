"""The judgements of ``plait doctor``, and that the statements behind them see what they are for."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from plait import __version__
from plait.cli.checks import place, server, work
from plait.cli.checks.finding import Finding, load_sql
from plait.store.connection import connect
from plait.store.store import Store


def judge_settings(**changes: object) -> dict[str, Finding]:
    row = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "autovacuum": "on",
        **changes,
    }
    return {finding.check: finding for finding in server.judge_settings(row)}


def test_a_server_that_keeps_its_word_is_in_order():
    assert {finding.ok for finding in judge_settings().values()} == {True}
    assert judge_settings(synchronous_commit="remote_apply")["durability"].ok


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_may_lose_commits_is_wrong_and_told_how_to_keep_them(name):
    found = judge_settings(**{name: "off"})["durability"]
    assert found.ok is False
    assert found.says.startswith(f"{name} is off")
    assert found.fix.startswith(f'plait db psql -- -c "ALTER SYSTEM SET {name} = on" && ')
    assert found.fix.endswith('"SELECT pg_reload_conf()"')


def test_without_autovacuum_the_queue_grows():
    assert judge_settings(autovacuum="off")["autovacuum"].ok is False


@pytest.mark.parametrize(("used", "ok"), [(77, True), (78, None), (97, None)])
def test_connections_that_come_to_an_end_are_noted(used, ok):
    assert server.judge_connections([{"what": "server", "name": None, "used": used, "most": 97}]).ok is ok


def test_the_way_out_is_that_of_the_limit_that_is_tight():
    rows = [
        {"what": "server", "name": None, "used": 5, "most": 97},
        {"what": "database", "name": "shop", "used": 4, "most": 5},
    ]
    found = server.judge_connections(rows)
    assert found.says == "5 of 97 of the server in use, 4 of 5 of this database in use"
    assert found.fix.endswith('or plait db psql -- -c "ALTER DATABASE shop CONNECTION LIMIT 10"')


async def test_the_settings_are_read_from_the_server(database):
    connection = await connect(database.url)
    row = await connection.fetchrow(load_sql("read_settings"))
    await connection.close()
    assert [finding.check for finding in server.judge_settings(row)] == ["durability", "autovacuum"]


async def test_a_transaction_that_stays_open_is_found_with_the_way_to_end_it(database):
    holder = await asyncpg.connect(database.url, server_settings={"application_name": "a forgotten script"})
    store = Store(database.url)
    await holder.execute("BEGIN; SELECT 1")
    pid = await holder.fetchval("SELECT pg_backend_pid()")

    async def list_found() -> list[Any]:
        return [row for row in await store.observation.list_holders(0.0) if row["name"] == str(pid)]

    [found] = server.judge_holders(await list_found())
    assert found.ok is None
    assert f"a forgotten script (pid {pid}, idle in transaction)" in found.says
    assert found.fix == f'plait db psql -- -c "SELECT pg_terminate_backend({pid})"'
    database.query(f"SELECT pg_terminate_backend({pid}, 5000)")
    assert await list_found() == []
    holder.terminate()
    await store.close()


async def test_a_transaction_for_which_plait_waits_is_found_with_the_way_to_end_it(database):
    holder = await asyncpg.connect(database.url, server_settings={"application_name": "a forgotten script"})
    waiter, connection = await connect(database.url), await connect(database.url)
    await holder.execute("BEGIN; SELECT pg_advisory_xact_lock(7)")
    pid = await holder.fetchval("SELECT pg_backend_pid()")
    waiting = asyncio.create_task(waiter.execute("SELECT pg_advisory_xact_lock(7)"))
    async with asyncio.timeout(20):
        while not (rows := await connection.fetch(load_sql("list_blockers"), 0.0)):
            await asyncio.sleep(0.01)
    [found] = server.judge_blockers(rows)
    assert found.ok is False
    assert found.says.startswith("1 call of Plait waits (for up to ")
    assert f"a forgotten script (pid {pid}, idle in transaction)" in found.says
    assert f"SELECT pg_terminate_backend({pid})" in found.fix
    await holder.execute("ROLLBACK")
    await waiting
    assert not await connection.fetch(load_sql("list_blockers"), 0.0)
    for one in (holder, waiter, connection):
        await one.close()


def test_a_prepared_transaction_is_rolled_back_by_its_name():
    row = {"kind": "prepared", "name": "half done", "who": "app", "state": "", "age": 7200.0}
    [found] = server.judge_holders([row])
    assert found.fix == "plait db psql -- -c \"ROLLBACK PREPARED 'half done'\""


async def test_slots_that_nobody_reads_are_noted_when_they_hold_much(database):
    connection = await connect(database.url)
    assert list(server.judge_slots(await connection.fetch(load_sql("list_slots")))) == []
    await connection.close()
    [found] = server.judge_slots([{"name": "old_replica", "bytes": 3e9, "holds_rows": False}])
    assert "3.0 GB of WAL" in found.says
    assert "pg_drop_replication_slot('old_replica')" in found.fix
    assert list(server.judge_slots([{"name": "fresh", "bytes": 1e6, "holds_rows": False}])) == []


async def test_notifications_that_do_not_arrive_point_to_a_pooler(database, empty_database, monkeypatch):
    monkeypatch.setattr(server, "HINT_SECONDS", 0.3)
    connection = await connect(database.url)
    assert (await server.examine_hints(connection, database.url)).ok is True
    # A NOTIFY stays within its database, as behind a pooler it stays with one client.
    lost = await server.examine_hints(connection, empty_database.url)
    assert lost.ok is False
    assert "pool_mode = session" in lost.fix
    await connection.close()


def test_clocks_that_differ_are_noted():
    assert server.judge_clock(100.0, 100.5, 101.0).ok is True
    assert server.judge_clock(100.0, 102.5, 101.0).says == "client and server differ by 1.5 s"
    assert server.judge_clock(100.0, 102.5, 101.0).ok is None


def test_an_old_server_and_a_read_only_one_are_wrong():
    row = {"version_number": 140010, "version": "14.10", "read_only": True}
    assert [(found.check, found.ok) for found in server.judge_server(row)] == [("server", False), ("writes", False)]


def test_dead_rows_that_pile_up_are_vacuumed():
    crowded = {"name": "ready", "bytes": 5e8, "live": 10.0, "dead": 2e6}
    rows = [crowded, {"name": "run", "bytes": 9e6, "live": 1.0, "dead": 0.0}]
    size, piled = server.judge_tables(rows)
    assert size.says.startswith("509 MB in all; ready 500 MB, run 9.0 MB")
    assert piled.fix == 'plait db psql -- -c "VACUUM plait.ready"'


def worker(**changes: object) -> dict[str, object]:
    usual = {"name": "w", "host": "h", "pid": 1, "slots": 5, "silent_seconds": 1.0, "late": False, "plait": __version__}
    return {**usual, **changes}


def test_workers_that_missed_heartbeats_fell_silent_or_are_of_another_version():
    assert [found.ok for found in work.judge_workers([worker()])] == [True]
    rows = [worker(silent_seconds=15.0), worker(late=True), worker(plait="0.0.9")]
    found = {one.check: one for one in work.judge_workers(rows)}
    assert set(found) == {"workers", "late workers", "silent workers", "versions"}
    assert found["workers"].says.startswith("2 live, 10 slots")
    assert "15.0 s ago" in found["late workers"].says
    assert "0.0.9" in found["versions"].says


def test_tasks_that_wait_for_slots_and_timers_that_nobody_looks_at():
    assert list(work.judge_backlog(None, None)) == []
    assert list(work.judge_backlog(10.0, 1.0)) == []
    slow, late = work.judge_backlog(3 * 86_400.0, 90.0)
    assert (slow.ok, late.ok) == (None, False)
    assert "3 days" in slow.says
    assert "--slots" in slow.fix


async def test_the_backlog_is_that_of_served_tasks(database, control, work_on_control):
    connection = await connect(database.url)
    flow = next(iter(control.plait.declared.values()))
    flow.run_no_wait()
    row = await connection.fetchrow(load_sql("read_backlog"))
    assert row["ready_for"] is None  # nobody serves it: that is told by another check
    await connection.execute(
        "INSERT INTO plait.worker (id, name, host, pid, slots, actions, plait, lease_us) "
        "SELECT gen_random_uuid(), 'w', 'h', 1, 1, array_agg(id), '0', 1000000 FROM plait.action"
    )
    row = await connection.fetchrow(load_sql("read_backlog"))
    assert row["ready_for"] >= 0
    oldest = await connection.fetchrow(load_sql("read_oldest_run"))
    assert oldest["age"] >= 0
    await connection.close()


def test_runs_that_are_kept_for_ever_are_noted_when_they_are_many_or_old():
    day = 86_400.0
    assert work.judge_retention(None, None, 0).ok is True
    assert work.judge_retention(None, 10 * day, 500).ok is True
    old = work.judge_retention(None, 200 * day, 500)
    assert old.ok is None
    assert "200 days old" in old.says
    assert "PLAIT_RETENTION=30d" in old.fix
    assert work.judge_retention(None, day, 150_000).ok is None
    assert work.judge_retention(timedelta(days=30), 200 * day, 150_000).ok is True


@pytest.mark.parametrize(("free", "ok"), [(5e9, True), (1e9, None), (1e8, False)])
def test_a_disk_that_fills_up(free, ok):
    assert place.judge_disk(Path("/data"), int(free)).ok is ok


def test_settings_that_are_wrong_strange_or_give_a_password_away(tmp_path, monkeypatch):
    (tmp_path / ".plait").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("PLAIT_DATABASE_URL", raising=False)
    file = tmp_path / "pyproject.toml"
    file.write_text('[tool.plait]\ndatabase_url = "postgresql://me:hush@host/db"\n')
    monkeypatch.setenv("PLAIT_RETENTOIN", "30d")
    found = list(place.examine_settings())
    assert [(one.check, one.ok) for one in found] == [("settings", None), ("settings", True), ("password", None)]
    assert found[0].fix == "unset PLAIT_RETENTOIN"
    assert "hush" not in str(found)
    file.write_text("[tool.plait]\nworker_slots = 0\n")
    wrong = [one for one in place.examine_settings() if one.ok is False]
    assert [str(file) in one.says for one in wrong] == [True]
