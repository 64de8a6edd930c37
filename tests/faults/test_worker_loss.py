"""Workers that die or fall silent in the middle of a graph."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import pipeline
from flows.steps import Gate, Number
from plait import Plait
from support.database import Database
from support.ledger import Ledger
from support.oracle import check_oracle
from support.waiting import eventually
from support.workers import CALM, QUICK, STEADY

StartProcess = Callable[..., Any]


@pytest.mark.parametrize("hold", ["left", "join"])
def test_after_kill_9_completed_tasks_are_not_run_again_and_the_rest_finishes_elsewhere(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess, tmp_path: Path, hold: str
) -> None:
    declared = pipeline.declare(plait)
    first = worker_process("pipeline", timings=QUICK, hold=hold, gates=str(tmp_path))
    run = declared.flow.run_no_wait(Number(n=4))
    eventually(lambda: ledger.select(hold, "begin"), "the worker is in the middle of the graph")
    others = {"root", "right", "extra"} | ({"left"} if hold == "join" else set())
    database.wait("SELECT count(*) = %s FROM plait.attempt WHERE status = 2", len(others))
    first.kill()
    second = worker_process("pipeline", timings=QUICK)
    assert run.result(30) == pipeline.expect({"n": 4})
    begins = {entry.task: entry for entry in ledger.select(what="begin")}
    assert {task for task, entry in begins.items() if entry.pid == first.pid} == others
    assert {task for task, entry in begins.items() if entry.pid == second.pid} == set(declared.tasks) - others
    details = plait.runs.get_details(run.workflow_run_id).tasks[hold]
    assert [attempt.outcome for attempt in details.attempts] == ["LOST", "COMPLETED"]
    assert details.attempts[0].reason == "worker lost: nothing was heard from it"
    assert details.attempts[1].retry == 0  # a lost worker costs no retry of the user's
    check_oracle(database, ledger, pipeline.expect, runs=1, reruns=1)


def test_a_stale_workers_result_is_refused(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess, tmp_path: Path
) -> None:
    declared = pipeline.declare(plait)
    stale = worker_process("pipeline", timings=QUICK, hold="left", gates=str(tmp_path))
    old_id = stale.id
    run = declared.flow.run_no_wait(Number(n=1))
    eventually(lambda: ledger.select("left", "begin"))
    database.wait("SELECT count(*) = 3 FROM plait.attempt")
    stale.pause()
    (tmp_path / "fresh").mkdir()
    fresh = worker_process("pipeline", timings=CALM, hold="left", gates=str(tmp_path / "fresh"))
    eventually(lambda: len(ledger.select("left", "begin")) == 2, "another worker has the task now")
    # The stale one finishes it, and tells the database.
    Gate(tmp_path, "left").open()
    stale.resume()
    eventually(lambda: ledger.select("left", "end"), "the stale worker finished it")
    database.wait("SELECT count(*) = 1 FROM plait.worker WHERE pid = %s AND ended_at IS NULL", stale.pid)
    assert stale.id != old_id  # it knows, and goes on under a new name
    Gate(tmp_path / "fresh", "left").open()
    assert run.result(30) == pipeline.expect({"n": 1})
    accepted = database.query("SELECT worker_id FROM plait.attempt WHERE task = 1 AND status = 2")
    assert accepted == [(fresh.id,)]
    again = declared.flow.run_no_wait(Number(n=2))
    assert again.result(30) == pipeline.expect({"n": 2})
    check_oracle(database, ledger, pipeline.expect, runs=2, reruns=1)


def test_workers_killed_again_and_again_lose_nothing(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = pipeline.declare(plait)
    slots, kills, runs = 4, 4, 40
    workers = [worker_process("pipeline", slots=slots, timings=STEADY, work_ms=10) for _ in range(2)]
    items = [declared.flow.create_bulk_run_item(Number(n=n)) for n in range(runs)]
    references = declared.flow.run_many_no_wait(items)
    chance = random.Random(7)
    for number in range(kills):
        goal = (number + 1) * runs * 5 // (kills + 1)
        eventually(lambda goal=goal: len(ledger.select(what="end")) >= goal, f"{goal} tasks are done")  # type: ignore[misc]
        victim = workers.pop(chance.randrange(len(workers)))
        victim.kill()
        workers.append(worker_process("pipeline", slots=slots, timings=STEADY, work_ms=10, ready=False))
    results = [reference.result(60) for reference in references]
    assert results == [pipeline.expect({"n": n}) for n in range(runs)]
    check_oracle(database, ledger, pipeline.expect, runs=runs, reruns=kills * slots)


def test_two_workers_share_a_load_and_run_each_task_once(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = pipeline.declare(plait)
    workers = [worker_process("pipeline", slots=4, work_ms=2) for _ in range(2)]
    items = [declared.flow.create_bulk_run_item(Number(n=n)) for n in range(100)]
    assert declared.flow.run_many(items) == [pipeline.expect({"n": n}) for n in range(100)]
    assert {entry.pid for entry in ledger.read()} == {worker.pid for worker in workers}
    check_oracle(database, ledger, pipeline.expect, runs=100, reruns=0)


def test_a_supervisor_that_saw_its_worker_die_need_not_wait_for_the_lease(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess, tmp_path: Path
) -> None:
    declared = pipeline.declare(plait)
    first = worker_process("pipeline", hold="left", gates=str(tmp_path))  # a lease of 20 s
    run = declared.flow.run_no_wait(Number(n=3))
    eventually(lambda: ledger.select("left", "begin"))
    dead = first.id
    first.kill()
    worker_process("pipeline", env={"PLAIT_REPLACES_WORKER": str(dead)})
    # Nor for the lease of the maintenance that the dead one was doing.
    database.wait("SELECT count(*) > 0 FROM plait.attempt WHERE status = -2", seconds=4)
    assert run.result(15) == pipeline.expect({"n": 3})
