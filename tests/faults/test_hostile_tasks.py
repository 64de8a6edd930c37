"""Whatever a task does, the worker stays up, neighbours are unharmed, the outcome is recorded with its reason."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from flows import hostile
from flows.steps import Number
from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, Plait
from support.database import Database
from support.ledger import Ledger
from support.oracle import check_at_rest
from support.waiting import eventually
from support.workers import QUICK

StartProcess = Callable[..., Any]

EXPECTED = {
    "sys_exit": ("SystemExit", "3"),
    "system_exit": ("SystemExit", "bye"),
    "keyboard_interrupt": ("KeyboardInterrupt", ""),
    "generator_exit": ("GeneratorExit", ""),
    "cancelled": ("CancelledError", ""),
    "stop_iteration": (None, ""),  # inside a coroutine Python makes it a RuntimeError
    "recursion": ("RecursionError", "maximum recursion depth"),
    "unprintable": ("Unprintable", "RuntimeError"),
    "unserialisable": ("InvalidOutputError", "output"),
    "cycle": ("InvalidOutputError", "output"),
    "nan": ("InvalidOutputError", "output.a[0]"),
    "infinity": ("InvalidOutputError", "output"),
    "nul": ("InvalidOutputError", "output.text"),
    "surrogate": ("InvalidOutputError", "output"),
    "deep": ("InvalidOutputError", "output"),
    "huge": ("PayloadTooLargeError", "output"),
    "nul_in_error": ("ValueError", "a\\0b"),
    "long_error": ("ValueError", "left out"),
    "group": ("BaseExceptionGroup", "many"),
    "lambda": ("InvalidOutputError", "output"),
}


def test_every_misdeed_is_recorded_and_harms_nobody_else(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = hostile.declare(plait)
    worker = worker_process("hostile", slots=50)
    bad = {
        name: getattr(declared, name).run_no_wait(Number())
        for misdeed in hostile.MISDEEDS
        for name in (f"sync_{misdeed}", f"async_{misdeed}")
    }
    good = declared.good.run_many_no_wait([declared.good.create_bulk_run_item(Number(n=n)) for n in range(49)])
    assert [reference.result(30) for reference in good] == list(range(49))
    wrong = {}
    for name, reference in bad.items():
        kind, message = EXPECTED[name.partition("_")[2]]
        with pytest.raises(FailedTaskRunExceptionGroup) as failure:
            reference.result(30)
        error = failure.value.exceptions[0]
        if (kind is not None and error.exc_type != kind) or message not in error.exc or len(error.exc) > 20_000:
            wrong[name] = (error.exc_type, error.exc[:200])
    assert wrong == {}
    assert worker.process.poll() is None
    assert declared.good.run(Number(n=7)) == 7
    assert all(count == 1 for count in ledger.count_begins().values())
    check_at_rest(database)


def test_a_task_that_kills_its_worker_again_and_again_fails_with_the_reason(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = hostile.declare(plait)
    run = declared.os_exit.run_no_wait(Number())
    previous: dict[str, str] = {}
    for number in range(5):
        worker = worker_process("hostile", ready=False, timings=QUICK, env=previous)
        assert worker.wait() == 9
        begins = number + 1
        eventually(lambda begins=begins: len(ledger.select("os_exit", "begin")) == begins)  # type: ignore[misc]
        previous = {"PLAIT_REPLACES_WORKER": str(worker.id)}
    survivor = worker_process("hostile", timings=QUICK, env=previous)
    with pytest.raises(
        FailedTaskRunExceptionGroup, match="lost 5 times while it ran: its worker's process ended"
    ) as failure:
        run.result(30)
    assert failure.value.exceptions[0].exc_type == "WorkerLost"
    assert len(ledger.select("os_exit", "begin")) == 5
    assert survivor.process.poll() is None
    assert declared.good.run(Number(n=1)) == 1
    outcomes = [a.outcome for a in plait.runs.get_details(run.workflow_run_id).tasks["os_exit"].attempts]
    assert outcomes == ["LOST"] * 5 + ["FAILED"]
    check_at_rest(database)


def test_a_task_that_blocks_the_loop_does_not_cost_the_worker_its_lease(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = hostile.declare(plait)
    worker = worker_process("hostile", timings=QUICK)  # a lease of 1.2 s
    worker_id = worker.id
    declared.blocker.run_no_wait(Number())
    eventually(lambda: ledger.select("blocker", "begin"))
    beats = "plait.running r JOIN plait.worker w ON w.id = r.worker_id"
    database.wait(f"SELECT w.heartbeat_at - r.started_at > interval '3 seconds' FROM {beats}", seconds=20)
    assert worker.id == worker_id
    assert database.count("attempt") == 0
    assert "lost its lease" not in worker.read_log()


def test_a_worker_whose_engine_has_died_ends_and_another_runs_its_tasks(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = hostile.declare(plait)
    worker = worker_process("hostile", timings=QUICK)
    run = declared.engine_ender.run_no_wait(Number())
    assert worker.wait() == 1
    assert "the thread plait-engine of Plait's engine ended: SystemExit(3)" in worker.read_log()
    run.cancel()
    good = declared.good.run_no_wait(Number(n=3))
    worker_process("hostile", timings=QUICK)
    assert good.result(30) == 3
    check_at_rest(database)


PROGRAM = """
import sys, time
from plait import Context, EmptyModel, Plait
from plait.client import get_access

plait = Plait(sys.argv[1])

@plait.task()
def task(input: EmptyModel, ctx: Context) -> int:
    return 1

task.run_no_wait()
engine = get_access(plait).engine
engine.portal.loop.call_soon_threadsafe(sys.exit, 3)
while not engine.portal.has_died:
    time.sleep(0.01)
task.run_no_wait()
"""


def test_a_program_whose_engine_has_died_gets_another_one(database: Database) -> None:
    # In a process of its own: what is open on a loop that ends like this is never closed.
    program = [sys.executable, "-c", PROGRAM, database.url]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert database.count("run") == 2


def test_threads_that_go_on_after_their_tasks_are_over_are_counted(
    plait: Plait, work: Any, caplog: pytest.LogCaptureFixture
) -> None:
    door = threading.Event()

    @plait.task(execution_timeout="50ms")
    def deaf(input: EmptyModel, ctx: Context) -> int:
        door.wait(60)
        return 1

    @plait.task()
    def brief(input: EmptyModel, ctx: Context) -> int:
        return 2

    executor = work(deaf, brief, slots=1).worker._session.executor
    for count in (1, 2):
        with pytest.raises(FailedTaskRunExceptionGroup, match="did not finish within"):
            deaf.run()
        assert executor.count_hung() == count
    assert "2 threads are still busy with tasks that are over, more than the worker has slots (1)" in caplog.text
    assert brief.run() == 2
    assert executor.count_hung() == 2
    door.set()
    eventually(lambda: executor.count_hung() == 0)
