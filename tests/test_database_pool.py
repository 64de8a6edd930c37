"""A database that the tests hand on is like a new one, or is not handed on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from plait import Context, EmptyModel, Plait
from support.catalog import read_catalog
from support.database import Database
from support.pool import Pool
from support.server import OwnServer, Server
from support.workers import serve

STATE = {
    "sizes": "SELECT relname, pg_relation_size(oid), reltuples, pg_total_relation_size(oid) FROM pg_class "
    "WHERE relnamespace = 'plait'::regnamespace AND relkind IN ('r', 'i')",
    "sequences": "SELECT seqrelid::regclass::text, pg_sequence_last_value(seqrelid) FROM pg_sequence",
    "counts": "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables",
    "statistics": "SELECT count(*) FROM pg_statistic",
    "session": "SELECT name, setting FROM pg_settings",
    "locks": "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    "channels": "SELECT pg_listening_channels()",
}


@pytest.fixture
def pool(server: Server) -> Iterator[Pool]:
    if not isinstance(server, OwnServer):
        pytest.skip("on the server of TEST_DATABASE_URL every test has a new database")
    pool = Pool(server)
    yield pool
    pool.close()


def describe(database: Database) -> dict[str, Any]:
    found: dict[str, Any] = {what: sorted(database.query(sql), key=str) for what, sql in STATE.items()}
    return {**found, "catalog": read_catalog(database)}


def use(database: Database) -> None:
    """Leave something of most kinds behind."""
    with Plait(database.url) as plait:
        flow = plait.workflow(name="flow", on_crons=["0 3 * * *"])

        @flow.task()
        async def first(input: EmptyModel, ctx: Context) -> str:
            ctx.log("a line")
            return "x" * 100_000

        worker = serve(plait)
        flow.run()
        plait.event.push("greeting", {"text": "hello"})
        flow.run_no_wait(idempotency_key="key").cancel()
        database.wait("SELECT count(*) >= 1 FROM plait.log")
        worker.stop()
        flow.run_no_wait()
    database.query("SET work_mem = '1GB'")
    database.query("SET ROLE pg_monitor")
    database.query("LISTEN something")
    database.query("SELECT pg_advisory_lock(7)")


def test_a_database_that_is_handed_on_is_like_a_new_one(pool: Pool) -> None:
    new, used = pool.take(), pool.take()
    wanted = describe(new)
    use(used)
    pool.give_back(used, usable=True)
    again = pool.take()
    assert again is used
    found = describe(again)
    assert [what for what in wanted if found[what] != wanted[what]] == []


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE public.more (number int)",
        "CREATE SCHEMA more",
        "ALTER VIEW plait.runs RENAME COLUMN id TO number",
        "DROP VIEW plait.runs",
        "ALTER TABLE plait.run SET (fillfactor = 50)",
        "ALTER TABLE plait.run ALTER priority SET DEFAULT 3",
        "ALTER TABLE plait.run ADD CHECK (priority < 9)",
        "ALTER TABLE plait.run DISABLE ROW LEVEL SECURITY; ALTER TABLE plait.run FORCE ROW LEVEL SECURITY",
        "ALTER FUNCTION plait.now() COST 7",
        "CREATE INDEX ON plait.run (priority)",
        "CREATE STATISTICS more ON priority, status FROM plait.run",
        "GRANT SELECT ON plait.run TO PUBLIC",
        "GRANT USAGE ON SCHEMA plait TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "COMMENT ON TABLE plait.run IS 'something else'",
        "COMMENT ON DATABASE {name} IS 'something else'",
        "ALTER DATABASE {name} SET work_mem = '1MB'",
        "ALTER DATABASE {name} CONNECTION LIMIT 7",
        "ALTER ROLE plait IN DATABASE {name} SET work_mem = '1MB'",
        "GRANT CREATE ON DATABASE {name} TO PUBLIC",
        "CREATE EXTENSION pg_stat_statements",
        "UPDATE plait.migration SET name = 'other'",
        "INSERT INTO plait.migration (version, name, works_with) VALUES (9999, 'next', 1)",
        "INSERT INTO plait.action (workflow, task) VALUES ('w', 't'); ANALYZE plait.action",
        "SELECT lo_create(7)",
        "CREATE TEMPORARY TABLE more (number int)",
    ],
)
def test_a_database_in_which_more_than_rows_was_changed_is_dropped(pool: Pool, change: str) -> None:
    changed = pool.take()
    changed.query(change.format(name=changed.name))
    pool.give_back(changed, usable=True)
    assert pool.take() is not changed


def test_a_database_that_somebody_has_not_left_is_dropped(pool: Pool) -> None:
    used = pool.take()
    with psycopg.connect(used.url):
        pool.give_back(used, usable=True)
    assert pool.take() is not used


def test_a_database_that_a_test_failed_on_is_dropped(pool: Pool) -> None:
    used = pool.take()
    pool.give_back(used, usable=False)
    assert pool.take() is not used
