"""``plait doctor``, the metrics and the reasons of tasks that wait, in the situations that they are for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from flows import suspects
from flows.steps import Gate, Number
from observability.test_metrics import find_port, find_value, parse
from plait import Context, EmptyModel, Plait, UserEventCondition
from plait.cli.checks.finding import Finding
from plait.cli.checks.server import judge_connections
from plait.cli.checks.work import examine_work
from plait.server import metrics
from plait.server import serve as runner
from plait.store.store import Store
from support import http
from support.database import Database
from support.ledger import Ledger
from support.waiting import eventually
from support.workers import CALM, QUICK

Work = Callable[..., Any]
BRISK = replace(CALM, heartbeat=0.1)


def examine(database: Database) -> dict[str, Finding]:
    """What the doctor finds wrong with the work, by check."""

    async def look() -> list[Finding]:
        store = Store(database.url)
        try:
            return await examine_work(store, database.url)
        finally:
            await store.close()

    return {finding.check: finding for finding in asyncio.run(look()) if finding.ok is not True}


def read_metrics(plait: Plait) -> dict[str, Any]:
    server = runner.start(plait)
    try:
        return parse(http.get(f"{server.url}metrics").text)
    finally:
        server.stop()


def declare(plait: Plait, **options: Any) -> Any:
    @plait.task(name="job", **options)
    async def job(input: EmptyModel, ctx: Context) -> int:
        return 1

    return job


def find_why(plait: Plait, run_id: str, task: str = "job") -> str | None:
    return plait.runs.get_details(run_id).tasks[task].why


def test_tasks_that_no_live_worker_can_read_are_told_apart_from_those_without_code(
    plait: Plait, database: Database, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.store.store.FORMAT", 2)
    newer = Plait(database.url)
    run = declare(newer, retries=1).run_no_wait()
    newer.close()
    monkeypatch.undo()
    assert "no running worker has the code" in examine(database)["ready tasks"].says
    assert find_why(plait, run.workflow_run_id) == "No live worker has this task's code."
    work(declare(plait))
    found = examine(database)["ready tasks"]
    assert found.ok is False
    assert found.says == (
        "1 of job.job wait, but no running worker can read them: they are stored in format 2, and workers read 1"
    )
    assert "pip install --upgrade plait" in found.fix
    assert find_why(plait, run.workflow_run_id) == (
        "Live workers have this task, but cannot read how it is stored here: they run another version of Plait."
    )
    assert find_value(read_metrics(plait), "plait_tasks_unserved", workflow="job", task="job") == 1


def test_a_worker_that_lives_and_takes_nothing_is_named(
    plait: Plait, database: Database, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.features.troubles.IDLE_SECONDS", 0.0)
    job = declare(plait)
    worker = work(job, slots=3).worker

    def look() -> Finding | None:
        # Each time: a claim that was under way may have taken the first of them, and its result could be stored.
        worker._session.flusher.is_stuck = True
        job.run_no_wait()
        return examine(database).get("idle workers")

    found = eventually(look, "it takes nothing")
    assert found.ok is False
    assert "takes nothing: 3 of its 3 slots are free, and tasks have waited" in found.says
    assert "/readyz" in found.fix
    assert find_value(read_metrics(plait), "plait_idle_workers") == 1
    worker._session.flusher.is_stuck = False
    database.wait_ended(1)
    assert "idle workers" not in examine(database)


def test_a_worker_whose_slots_are_taken_is_not_idle(
    plait: Plait, database: Database, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.features.troubles.IDLE_SECONDS", 0.0)
    begun, gate = threading.Event(), threading.Event()

    @plait.task(name="hold")
    def hold(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        gate.wait(60)

    work(hold, slots=1)
    hold.run_many_no_wait([hold.create_bulk_run_item() for _ in range(2)])
    assert begun.wait(30)
    assert "idle workers" not in examine(database)
    gate.set()


def test_tasks_that_may_have_ended_their_worker_are_named_with_a_run_to_look_at(
    plait: Plait, database: Database, ledger: Ledger, worker_process: Work, tmp_path: Path
) -> None:
    poison = suspects.declare(plait).poison.run_no_wait(Number())
    worker = worker_process("suspects", gates=str(tmp_path), timings=QUICK)
    eventually(lambda: ledger.select("poison", "begin"), "it runs")
    Gate(tmp_path, "poison1").open()
    worker.wait()
    other = worker_process("suspects", slots=1, gates=str(tmp_path), env={"PLAIT_REPLACES_WORKER": str(worker.id)})
    eventually(lambda: len(ledger.select("poison", "begin")) == 2, "it runs again")
    found = examine(database)["suspects"]
    assert found.ok is None
    assert found.says.startswith("1 task of poison.poison lost with the worker, up to once")
    assert f"plait runs show {poison.workflow_run_id}" in found.fix
    assert "After 5 losses it fails" in found.fix
    assert find_value(read_metrics(plait), "plait_suspects", workflow="poison", task="poison") == 1
    Gate(tmp_path, "poison2").open()
    other.wait()
    third = Store(database.url)
    database.query("UPDATE plait.worker SET ended_at = now(), ending = 'died' WHERE ended_at IS NULL")
    asyncio.run(_reap(third))
    database.query(
        "INSERT INTO plait.worker (id, name, host, pid, slots, actions, plait, lease_us) "
        "SELECT gen_random_uuid(), 'w', 'h', 1, 1, array_agg(id), '0', 60000000 FROM plait.action"
    )
    assert find_why(plait, poison.workflow_run_id, "poison") == (
        "It was lost with its worker 2 times: another takes it once it holds no other such task."
    )


async def _reap(store: Store) -> None:
    await store.reap_workers(100)
    await store.close()


HUGE = "input.xs.all(x, input.xs.exists(y, y == x + 0))"


def test_an_expression_that_was_switched_off_is_named_with_its_workflow_and_at_the_task_that_waits(
    plait: Plait, database: Database, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.values.evaluator.OFF_AFTER", 1)
    flow = plait.workflow(name="patient")

    @flow.task(name="job", wait_for=[UserEventCondition(event_key="many", expression=HUGE)])
    async def job(input: EmptyModel, ctx: Context) -> None: ...

    work(flow, timings=BRISK)
    run = flow.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.awaited_event")
    plait.event.push("many", {"xs": list(range(10_000))})
    database.wait("SELECT switched_off = ARRAY[%s] FROM plait.worker", HUGE)
    found = examine(database)["expressions"]
    assert found.ok is False
    assert found.says == f"1 worker switched off the expression {HUGE!r} of patient: it took too much CPU"
    assert "Make it simpler" in found.fix
    why = find_why(plait, run.workflow_run_id)
    assert why is not None
    assert why.endswith(f" Switched off for now, because it took too much CPU: {HUGE!r}.")
    assert find_value(read_metrics(plait), "plait_expressions_switched_off") == 1
    plait.runs.cancel(run.workflow_run_id)


def test_a_worker_whose_clock_is_off_is_named(
    plait: Plait, database: Database, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    from time import time  # noqa: PLC0415 - the real one

    monkeypatch.setattr("plait.worker.heartbeat.read_clock", lambda: time() - 3600)
    work(declare(plait), timings=BRISK)
    database.wait("SELECT clock_ms < -3500000 FROM plait.worker")
    found = examine(database)["worker clocks"]
    assert found.ok is None
    assert " is 1 h 00 m behind the database's" in found.says
    assert "NTP" in found.fix
    assert read_metrics(plait)["plait_clock_skew_seconds"].samples[0].value == pytest.approx(3600, abs=60)


async def test_the_limits_of_the_database_and_of_the_role_count_too(database: Database) -> None:
    store = Store(database.url)
    for what, statement in (("server", "SELECT"), ("database", f"ALTER DATABASE {database.name} CONNECTION LIMIT 9")):
        database.query(statement)
        rows = await store.observation.measure_connections()
        assert [row["what"] for row in rows][-1] == what
    database.query("CREATE ROLE few LOGIN CONNECTION LIMIT 1")
    database.query("GRANT CONNECT ON DATABASE " + database.name + " TO few")
    with psycopg.connect(database.url, user="few") as narrow:
        from plait.store.statements import load_sql  # noqa: PLC0415

        rows = [
            dict(zip(("what", "name", "used", "most"), row, strict=True))
            for row in narrow.execute(load_sql("measure_connections")).fetchall()
        ]
    database.query("DROP OWNED BY few; DROP ROLE few")
    await store.close()
    assert [(row["what"], row["most"]) for row in rows[1:]] == [("database", 9), ("role", 1)]
    assert rows[2]["used"] == 1
    found = judge_connections(rows)
    assert found.ok is None
    assert found.says.endswith("1 of 1 of this role in use")
    assert "ALTER ROLE few CONNECTION LIMIT 2" in found.fix


def test_results_that_wait_in_memory_are_told_and_the_worker_is_not_ready(
    plait: Plait, database: Database, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.store.connection.CALL_TIMEOUT", 1.0)
    gate = threading.Event()

    @plait.task(name="hold")
    def hold(input: EmptyModel, ctx: Context) -> None:
        gate.wait(60)

    port = find_port()
    work(hold, health_port=port)
    run = hold.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.running")

    def ask(path: str) -> httpx.Response:
        return http.get(f"http://127.0.0.1:{port}{path}")

    assert find_value(parse(ask("/metrics").text), "plait_worker_results_waiting") == 0
    with psycopg.connect(database.url) as other:
        other.execute("LOCK TABLE plait.attempt IN EXCLUSIVE MODE")
        gate.set()
        told = eventually(lambda: r if (r := ask("/readyz")).status_code == 503 else None, "it cannot store")
        assert told.json()["detail"] == "the database does not take results: 1 wait in memory"
        assert find_value(parse(ask("/metrics").text), "plait_worker_results_waiting") == 1
    run.result(60)
    eventually(lambda: ask("/readyz").status_code == 200, "it is ready again")
    assert find_value(parse(ask("/metrics").text), "plait_worker_results_waiting") == 0


def test_the_metrics_name_who_holds_an_old_snapshot(
    plait: Plait, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "LONG_SECONDS", 0.0)
    with psycopg.connect(database.url, application_name="a script") as forgotten:
        forgotten.execute("SELECT count(*) FROM plait.run")
        holder = f"a script (pid {forgotten.info.backend_pid})"
        assert find_value(read_metrics(plait), "plait_transaction_seconds", holder=holder) > 0
    [family] = [one for name, one in read_metrics(plait).items() if name == "plait_transaction_seconds"]
    assert holder not in [sample.labels["holder"] for sample in family.samples]
