"""SIGTERM: claim no more, let running tasks finish, hand back the rest without spending a retry, exit 0."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import hostile, pipeline
from flows.steps import Gate, Number
from plait import Plait
from plait.worker.identity import Timings
from support import launcher
from support.database import Database
from support.ledger import Ledger
from support.oracle import check_at_rest, check_oracle
from support.waiting import eventually

StartProcess = Callable[..., Any]

BRIEF = Timings(heartbeat=1.0, lease=20.0, margin=2.0, grace=0.3)
LONG = Timings(heartbeat=1.0, lease=60.0, margin=2.0, grace=60.0)


def test_running_tasks_finish_within_the_grace_and_nothing_new_is_claimed(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess, tmp_path: Path
) -> None:
    declared = hostile.declare(plait)
    worker = worker_process("hostile", gates=str(tmp_path), timings=LONG)
    first = declared.patient.run_no_wait(Number())
    eventually(lambda: ledger.select("patient", "begin"))
    database.wait("SELECT count(*) = 1 FROM plait.lease")
    worker.terminate()
    eventually(lambda: "stopping" in worker.read_log())
    database.wait("SELECT count(*) = 0 FROM plait.lease")  # it has begun to leave
    later = declared.good.run_no_wait(Number(n=1))
    Gate(tmp_path, "patient").open()
    assert worker.wait() == 0
    assert first.result(20) == 1
    assert later.status() == "QUEUED"
    assert ledger.select("good") == []
    assert database.count("running") == 0
    assert database.value("SELECT ended_at IS NOT NULL FROM plait.worker")


def test_what_does_not_finish_is_handed_back_and_costs_no_retry(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess, tmp_path: Path
) -> None:
    declared = hostile.declare(plait)
    worker = worker_process("hostile", gates=str(tmp_path), timings=BRIEF)
    runs = [declared.patient.run_no_wait(Number()), declared.stubborn.run_no_wait(Number())]
    eventually(lambda: len(ledger.select(what="begin")) == 2)
    worker.terminate()
    assert worker.wait() == 0
    assert database.query("SELECT attempt, retry, lost FROM plait.ready") == [(2, 0, 0)] * 2
    assert database.query("SELECT DISTINCT status, reason FROM plait.attempt") == [(-1, "its worker stopped")]
    for gate in ("patient", "stubborn"):
        Gate(tmp_path, gate).open()
    worker_process("hostile", gates=str(tmp_path))
    assert [run.result(30) for run in runs] == [2, "done"]
    check_at_rest(database)


def test_a_second_signal_hands_back_at_once(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess, tmp_path: Path
) -> None:
    declared = hostile.declare(plait)
    worker = worker_process("hostile", gates=str(tmp_path), timings=LONG)
    declared.stubborn.run_no_wait(Number())
    eventually(lambda: ledger.select("stubborn", "begin"))
    worker.terminate()
    eventually(lambda: "stopping" in worker.read_log())
    worker.terminate()
    assert worker.wait(15) == 0  # not after the 60 s of the grace
    assert database.query("SELECT attempt, retry, lost FROM plait.ready") == [(2, 0, 0)]


def test_a_coroutine_that_will_not_be_cancelled_cannot_hold_the_worker(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = hostile.declare(plait)
    worker = worker_process("hostile", timings=BRIEF)
    declared.deaf.run_no_wait(Number())
    eventually(lambda: ledger.select("deaf", "begin"))
    worker.terminate()
    assert worker.wait(15) == 0
    assert database.query("SELECT attempt, retry, lost FROM plait.ready") == [(2, 0, 0)]


def test_a_coroutine_that_blocks_the_loop_cannot_hold_the_worker(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = hostile.declare(plait)
    worker = worker_process("hostile", timings=BRIEF)
    declared.blocker.run_no_wait(Number())
    eventually(lambda: ledger.select("blocker", "begin"))
    worker.terminate()
    eventually(lambda: "stopping" in worker.read_log())
    worker.terminate()
    assert worker.wait(15) == 0  # the task blocks for 60 s
    assert database.query("SELECT attempt, retry, lost FROM plait.ready") == [(2, 0, 0)]


def test_workers_that_come_and_go_repeat_and_lose_nothing(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    """A rolling deployment under load."""
    declared = pipeline.declare(plait)
    old = [worker_process("pipeline", slots=4, work_ms=100) for _ in range(2)]
    items = [declared.flow.create_bulk_run_item(Number(n=n)) for n in range(60)]
    references = declared.flow.run_many_no_wait(items)
    for number, worker in enumerate(old):
        goal = 80 * (number + 1)
        eventually(lambda goal=goal: len(ledger.select(what="end")) >= goal)  # type: ignore[misc]
        worker_process("pipeline", slots=4, work_ms=5)
        worker.terminate()
        assert worker.wait() == 0
    assert [reference.result(30) for reference in references] == [pipeline.expect({"n": n}) for n in range(60)]
    check_oracle(database, ledger, pipeline.expect, runs=60, reruns=0)


def test_an_idle_worker_leaves_promptly_and_gives_its_maintenance_back(
    database: Database, worker_process: StartProcess
) -> None:
    worker = worker_process("pipeline", timings=LONG)
    database.wait("SELECT count(*) = 1 FROM plait.lease")
    worker.terminate()
    assert worker.wait(15) == 0
    assert database.count("lease") == 0
    assert database.value("SELECT ended_at IS NOT NULL FROM plait.worker")


@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="needs unshare, and to be root")
def test_a_worker_that_is_process_1_of_its_container_stops_when_told_to(
    plait: Plait, database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    """Process 1 has no default handlers of signals, and must end with its own."""
    declared = hostile.declare(plait)
    settings = {"slots": 4, "options": {}, "timings": {name: getattr(BRIEF, name) for name in BRIEF.__slots__}}
    inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    worker = subprocess.Popen(
        [*inside, sys.executable, "-m", "support.run_worker", "hostile", json.dumps(settings)],
        cwd=launcher.TESTS,
        env={**os.environ, "DATABASE_URL": database.url},
    )
    try:
        assert declared.good.run(Number(n=3)) == 3
        assert database.value("SELECT pid FROM plait.worker") == 1
        child = eventually(lambda: Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split())
        os.kill(int(child[0]), signal.SIGTERM)
        assert worker.wait(20) == 0
        assert database.value("SELECT ended_at IS NOT NULL FROM plait.worker")
    finally:
        worker.kill()
        worker.wait()


AMID_A_LINE = """
import io, logging, os, signal, sys
from plait import Context, EmptyModel, Plait

class Raw(io.RawIOBase):
    armed = False
    def writable(self):
        return True
    def write(self, data):
        if Raw.armed:
            Raw.armed = False
            os.kill(os.getpid(), signal.SIGTERM)
        return os.write(1, data)

# As a terminal's: whoever is interrupted while writing cannot write to it from the handler of the signal.
sys.stderr = io.TextIOWrapper(io.BufferedWriter(Raw(), 1), write_through=True)
logging.basicConfig(stream=sys.stderr, level=logging.INFO)
plait = Plait()

@plait.task()
async def interrupt(input: EmptyModel, ctx: Context) -> str:
    Raw.armed = True
    logging.info("a line")
    return "done"

interrupt.run_no_wait()
plait.worker("interrupted").start()
plait.close()
"""


def test_a_signal_in_the_middle_of_a_line_of_the_log_stops_the_worker_too(database: Database) -> None:
    environment = {**os.environ, "DATABASE_URL": database.url}
    ended = subprocess.run(
        [sys.executable, "-c", AMID_A_LINE], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, "stopping: running tasks" in ended.stdout) == (0, True), ended.stdout + ended.stderr
    assert "reentrant" not in ended.stdout + ended.stderr
    assert database.value("SELECT status FROM plait.run") == 2
