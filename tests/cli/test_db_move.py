"""``plait db move`` and ``plait db prune``: nothing is lost on the way, and what is gone was to go."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait
from plait.errors import PlaitError, SchemaError
from support.database import ROOMS, Database
from support.workers import WorkerThread, serve

TABLES = (*ROOMS, "run", "attempt", "workflow_version", "action", "event", "cron", "log", "worker")


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
    with pytest.raises(PlaitError):
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
