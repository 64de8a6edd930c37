"""``plait db move`` and ``plait db prune``: nothing is lost on the way, and what is gone was to go."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from plait import Context, EmptyModel, Plait
from plait.errors import PlaitError, SchemaError
from plait.store import schema
from plait.store.connection import connect
from plait.store.move import move
from support.database import ROOMS, Database
from support.workers import WorkerThread, serve

TABLES = (*ROOMS, "era", "run", "attempt", "workflow_version", "action", "event", "cron", "log", "worker")


def declare(plait: Plait) -> Any:
    flow = plait.workflow(name="flow", on_crons=["0 3 * * *"])

    @flow.task()
    async def first(input: EmptyModel, ctx: Context) -> str:
        ctx.log("Grüße")
        return "é" * 10

    @flow.task(parents=[first])
    async def second(input: EmptyModel, ctx: Context) -> str:
        return ctx.task_output(first) + "!"

    return flow


@pytest.fixture
def filled(plait: Plait, database: Database) -> Any:
    """A database with history and with work to be done, and no worker; its workflow."""
    flow = declare(plait)
    worker: WorkerThread = serve(plait)
    flow.run()
    plait.event.push("greeting", {"text": "ü"})
    database.wait("SELECT count(*) = 1 FROM plait.log")
    worker.stop()
    database.query("INSERT INTO plait.era (era) VALUES (2); SELECT setval('plait.era_now', 2)")
    flow.run_no_wait(additional_metadata={"left": "to do"})
    return flow


def test_everything_moves_and_goes_on_at_the_other_place(
    filled: Any, database: Database, empty_database: Database, plait_command: Any
) -> None:
    before = {table: database.count(table) for table in TABLES}
    done = plait_command("db", "move", "--to", empty_database.url, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    moved = json.loads(done.stdout)["rows"]
    assert {table: moved[table] for table in TABLES} == before
    assert {table: empty_database.count(table) for table in TABLES} == before
    with Plait(empty_database.url) as there:
        flow = declare(there)
        worker = serve(there)
        empty_database.wait_ended(2)
        assert flow.run() == {"first": "é" * 10, "second": "é" * 10 + "!"}
        worker.stop()
    assert empty_database.count("workflow_version") == 1


def test_whoever_comes_to_the_old_place_is_told_where_everything_went(
    filled: Any, database: Database, empty_database: Database, plait_command: Any
) -> None:
    assert plait_command("db", "move", "--to", empty_database.url, "--yes").returncode == 0
    with pytest.raises(SchemaError, match=f"moved to .*{empty_database.name}"):
        filled.run_no_wait()  # a client that was connected all the time
    late = Plait(database.url)
    with pytest.raises(SchemaError, match=f"moved to .*{empty_database.name}"):
        declare(late).run_no_wait()
    late.close()
    listed = plait_command("runs", "list")
    assert (listed.returncode, "has been moved to" in listed.stderr) == (3, True)
    again = plait_command("db", "upgrade")
    assert again.returncode == 3
    assert database.value("SELECT to_regnamespace('plait') IS NULL")


def test_a_trigger_during_the_move_is_moved_or_refused(
    filled: Any, database: Database, empty_database: Database, plait_command: Any
) -> None:
    accepted: list[str] = []
    refused = threading.Event()

    def trigger() -> None:
        try:
            while True:
                accepted.append(filled.run_no_wait().workflow_run_id)
        except PlaitError:
            refused.set()

    thread = threading.Thread(target=trigger)
    thread.start()
    done = plait_command("db", "move", "--to", empty_database.url, "--yes")
    thread.join(60)
    assert done.returncode == 0, done.stderr
    assert refused.is_set()
    assert len(accepted) > 0
    assert empty_database.count("run") == 2 + len(accepted)


def test_a_move_holds_no_table_while_it_waits_for_another(
    filled: Any, database: Database, empty_database: Database, plait_command: Any
) -> None:
    with ThreadPoolExecutor() as pool, psycopg.connect(database.url) as writer:
        writer.execute("LOCK TABLE plait.run IN ROW EXCLUSIVE MODE")
        moving = pool.submit(plait_command, "db", "move", "--to", empty_database.url, "--yes")
        database.wait("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'plait.run'::regclass")
        writer.execute("LOCK TABLE plait.attempt IN ROW EXCLUSIVE MODE")
        writer.commit()
        done = moving.result()
    assert done.returncode == 0, done.stderr


def test_a_move_is_refused_while_workers_live_and_into_what_is_not_empty(
    filled: Any, plait: Plait, database: Database, empty_database: Database, plait_command: Any
) -> None:
    worker = serve(plait)
    alive = plait_command("db", "move", "--to", empty_database.url, "--yes")
    assert (alive.returncode, "workers are alive: test on" in alive.stderr) == (2, True), alive.stderr
    worker.stop()
    same = plait_command("db", "move", "--to", database.url, "--yes")
    assert "the same database" in same.stderr
    assert database.count("run") == 2
    with Plait(empty_database.url) as there:
        declare(there).run_no_wait()
    full = plait_command("db", "move", "--to", empty_database.url, "--yes")
    assert "holds Plait's data already" in full.stderr
    assert (database.count("run"), empty_database.count("run")) == (2, 1)


def test_a_source_that_cannot_be_renamed_is_refused_before_anything_is_copied(
    filled: Any, database: Database, empty_database: Database, plait_command: Any
) -> None:
    database.query("CREATE SCHEMA plait_moved")
    left_over = plait_command("db", "move", "--to", empty_database.url, "--yes")
    assert (left_over.returncode, "DROP SCHEMA plait_moved" in left_over.stderr) == (2, True), left_over.stderr
    database.query("DROP SCHEMA plait_moved")
    database.query("CREATE ROLE mover LOGIN")
    try:
        database.query("GRANT USAGE ON SCHEMA plait TO mover")
        database.query("GRANT ALL ON ALL TABLES IN SCHEMA plait TO mover")
        url = urlsplit(database.url)
        as_mover = urlunsplit(url._replace(netloc=f"mover@{url.netloc.rpartition('@')[2]}"))
        done = plait_command("db", "move", "--to", empty_database.url, "--yes", "--database-url", as_mover)
        assert (done.returncode, 'GRANT CREATE ON DATABASE "' in done.stderr) == (2, True), done.stderr
    finally:
        database.query("DROP OWNED BY mover")
        database.query("DROP ROLE mover")
    assert empty_database.value("SELECT to_regnamespace('plait') IS NULL")


def test_a_rename_that_fails_leaves_the_data_in_one_place(
    filled: Any, database: Database, empty_database: Database, plait_command: Any
) -> None:
    database.query(
        "CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = 'insufficient_privilege'; END $$"
    )
    database.query(
        "CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('ALTER SCHEMA') EXECUTE FUNCTION public.refuse()"
    )
    done = plait_command("db", "move", "--to", empty_database.url, "--yes")
    assert (done.returncode, "not today" in done.stderr, "nothing was moved" in done.stderr) == (2, True, True)
    assert (database.count("run"), empty_database.count("run")) == (2, 0)
    database.query("DROP EVENT TRIGGER refuse")
    assert plait_command("db", "move", "--to", empty_database.url, "--yes").returncode == 0


async def hold_up_copies(database: Database) -> None:
    """Bring the schema; a COPY into its events then waits until ``release`` is told."""
    connection = await connect(database.url)
    await schema.upgrade(connection)
    await connection.close()
    database.query("SELECT pg_advisory_lock(7)")
    database.query(
        "CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN new; END $$"
    )
    database.query("CREATE TRIGGER wait BEFORE INSERT ON plait.event FOR EACH ROW EXECUTE FUNCTION public.wait()")


def release(database: Database) -> None:
    database.query("SELECT pg_advisory_unlock(7)")


def push_large(plait: Plait) -> None:
    """More than all buffers on the way hold."""
    for _ in range(20):
        plait.event.push("large", {"text": "x" * 900_000})


def wait_stuck(source: Database, target: Database) -> dict[str, int]:
    """Wait until all buffers are full: the source's server waits for Plait, which waits for the target's. Their ids."""
    stuck = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND query LIKE 'COPY%%' AND wait_event = %s"
    return {
        "source": source.wait(stuck, source.name, "ClientWrite"),
        "target": source.wait(stuck, target.name, "advisory"),
    }


@pytest.mark.parametrize("side", ["source", "target"])
async def test_a_connection_that_is_lost_in_the_middle_ends_the_move_and_nothing_is_moved(
    filled: Any, plait: Plait, database: Database, empty_database: Database, plait_command: Any, side: str
) -> None:
    push_large(plait)
    events = database.count("event")
    await hold_up_copies(empty_database)
    with ThreadPoolExecutor() as pool:
        moving = pool.submit(plait_command, "db", "move", "--to", empty_database.url, "--yes")
        database.query("SELECT pg_terminate_backend(%s)", wait_stuck(database, empty_database)[side])
        if side == "source":
            release(empty_database)
        done = await asyncio.wrap_future(moving)
    assert (done.returncode, f"the connection to the {side} was lost: nothing was moved" in done.stderr) == (3, True)
    assert "Traceback" not in done.stderr
    assert "never retrieved" not in done.stderr
    assert (database.count("event"), empty_database.count("event")) == (events, 0)
    release(empty_database)
    assert plait_command("db", "move", "--to", empty_database.url, "--yes").returncode == 0
    assert empty_database.count("event") == events


async def test_a_move_that_is_interrupted_ends_and_lets_go_of_the_source(
    filled: Any, plait: Plait, database: Database, empty_database: Database
) -> None:
    push_large(plait)
    await hold_up_copies(empty_database)
    moving = asyncio.create_task(move(database.url, empty_database.url))
    await asyncio.to_thread(wait_stuck, database, empty_database)
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    assert asyncio.all_tasks() == {asyncio.current_task()}
    plait.event.push("greeting", {})
    assert empty_database.count("event") == 0
    assert database.count("run") == 2


def test_prune_counts_first_and_deletes_what_is_old(filled: Any, database: Database, plait_command: Any) -> None:
    def prune(*arguments: str) -> dict[str, Any]:
        done = plait_command("db", "prune", "--older-than", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    assert prune("0.001s", "--dry-run")["runs"] == 1
    assert database.count("run") == 2
    assert prune("1h")["runs"] == 0
    pruned = prune("0.001s", "--yes")
    assert (pruned["runs"], pruned["workers"]) == (1, 1)
    assert database.value("SELECT status FROM plait.run") == 0
    without = plait_command("db", "prune")
    assert (without.returncode, "--older-than 90d" in without.stderr) == (2, True)
