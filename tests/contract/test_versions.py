"""Several versions of a workflow side by side; code a worker does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows import versions
from flows.steps import Gate, Number
from plait import Context, DefaultFilter, EmptyModel, Plait
from support.database import Database
from support.ledger import Ledger
from support.oracle import check_at_rest
from support.waiting import eventually
from support.workers import serve

StartProcess = Callable[..., Any]
Work = Callable[..., Any]


def test_a_run_finishes_with_its_own_graph_when_a_worker_has_newer_code(
    database: Database, worker_process: StartProcess, ledger: Ledger, tmp_path: Path, plait: Plait
) -> None:
    old_client, new_client = plait, Plait(database.url)
    old_flow = versions.declare(old_client, version=1).flow
    new_flow = versions.declare(new_client, version=2).flow
    new_worker = worker_process("versions", version=2)
    old_run, new_run = old_flow.run_no_wait(Number()), new_flow.run_no_wait(Number())
    assert new_run.result(30) == {"first": "first by 2", "new": "new by 2", "last": "last by 2"}
    # The new worker ran the first task of the old run, whose name it knows, but has no code for "old".
    database.wait("SELECT count(*) = 1 FROM plait.ready")
    assert [entry.task for entry in ledger.select(run=old_run, what="end")] == ["first"]
    assert old_run.status() == "RUNNING"
    old_worker = worker_process("versions", version=1)
    result = old_run.result(30)
    new_client.close()
    assert result["first"] == "first by 2"
    assert result["old"] == "old by 1"
    assert result["last"] in ("last by 1", "last by 2")
    assert {entry.pid for entry in ledger.select("old", run=old_run)} == {old_worker.pid}
    assert new_worker.process.poll() is None
    assert database.count("attempt", "status < 0") == 0  # nobody took what he had no code for, not even for a moment
    check_at_rest(database)


def test_both_versions_run_at_once_and_each_run_keeps_its_own(
    database: Database, worker_process: StartProcess, ledger: Ledger, plait: Plait
) -> None:
    new_client = Plait(database.url)
    flows = {1: versions.declare(plait, version=1).flow, 2: versions.declare(new_client, version=2).flow}
    for version in flows:
        worker_process("versions", version=version)
    runs = [(version, flows[version].run_no_wait(Number(n=n))) for n in range(20) for version in flows]
    for version, run in runs:
        assert set(run.result(30)) == ({"first", "old", "last"} if version == 1 else {"first", "new", "last"})
    new_client.close()
    assert database.count("workflow_version") == 2
    assert all(count == 1 for count in ledger.count_begins().values())
    check_at_rest(database)


def test_a_run_started_before_a_change_goes_on_in_the_middle_of_its_graph(
    database: Database, worker_process: StartProcess, ledger: Ledger, tmp_path: Path, plait: Plait
) -> None:
    flow = versions.declare(plait, version=1).flow
    old_worker = worker_process("versions", version=1, gates=str(tmp_path))
    run = flow.run_no_wait(Number())
    database.wait("SELECT count(*) = 1 FROM plait.running")
    worker_process("versions", version=2)
    Gate(tmp_path, "first").open()
    assert set(run.result(30)) == {"first", "old", "last"}
    assert {entry.pid for entry in ledger.select("old")} == {old_worker.pid}


def test_a_task_without_code_stays_ready_and_is_never_claimed(plait: Plait, work: Work, database: Database) -> None:
    @plait.task()
    def known(input: EmptyModel, ctx: Context) -> int:
        return 1

    stranger = Plait(database.url)

    @stranger.task()
    def unknown(input: EmptyModel, ctx: Context) -> int:
        return 2

    lost = unknown.run_no_wait(priority=3)
    work(known)
    assert known.run() == 1
    assert database.count("ready") == 1
    assert database.count("running") == 0
    assert database.count("attempt") == 1
    assert lost.status() == "QUEUED"
    stranger.close()


def test_the_children_of_a_failed_task_are_cancelled_by_a_worker_without_their_code(
    database: Database, worker_process: StartProcess, plait: Plait
) -> None:
    whole = plait.workflow(name="shrinking")

    def fails(input: EmptyModel, ctx: Context) -> None:
        raise ValueError("no")

    parent = whole.task(name="parent")(fails)
    child = whole.task(name="child", parents=[parent])(fails)
    whole.task(name="grandchild", parents=[child])(fails)
    run = whole.run_no_wait()
    smaller = Plait(database.url)
    part = smaller.workflow(name="shrinking")
    part.task(name="parent")(fails)
    worker = serve(smaller, part)
    try:
        database.wait_ended(1)
    finally:
        worker.stop()
        smaller.close()
    tasks = plait.runs.get_details(run.workflow_run_id).tasks
    assert [str(task.status) for task in tasks.values()] == ["FAILED", "CANCELLED", "CANCELLED"]


def test_an_unchanged_workflow_is_stored_once_whoever_declares_it(
    plait: Plait, work: Work, database: Database, worker_process: StartProcess
) -> None:
    flow = versions.declare(plait).flow
    worker_process("versions")
    worker_process("versions")
    assert flow.run(Number())["last"] == "last by 1"
    assert database.count("workflow_version") == 1
    assert database.count("action") == 3


def test_what_is_served_follows_the_live_workers_and_not_who_started_last(plait: Plait, database: Database) -> None:
    def declare(version: int) -> tuple[Plait, Any]:
        client = Plait(database.url)
        crons = ["0 9 * * *"] + (["0 17 * * *"] if version == 2 else [])
        flow = client.workflow(
            name="report",
            on_events=["go"],
            on_crons=crons,
            default_filters=[DefaultFilter(expression=f"input.version == {version}", scope="s", payload={})],
        )

        @flow.task(name=f"step_{version}")
        def step(input: EmptyModel, ctx: Context) -> int:
            return version

        return client, flow

    served = """SELECT (SELECT count(*) FROM plait.cron), (SELECT expression FROM plait.filter),
                       (SELECT a.task FROM plait.workflow w JOIN plait.workflow_version v ON v.id = w.version_id
                        JOIN plait.action a ON a.id = v.actions[1])"""
    old, new = (1, "input.version == 1", "step_1"), (2, "input.version == 2", "step_2")
    clients = [declare(1), declare(2), declare(1)]
    first = serve(*clients[0])
    assert database.query(served) == [old]
    second = serve(*clients[1])
    assert database.query(served) == [new]
    again = serve(*clients[2])
    assert database.query(served) == [new], "an old replica that starts again changes nothing"
    again.stop()
    second.stop()
    eventually(lambda: database.query(served) == [old], "the new version was rolled back")
    first.stop()
    assert database.query(served) == [old], "what is served stays so while no worker is there"
    for client, _ in clients:
        client.close()
