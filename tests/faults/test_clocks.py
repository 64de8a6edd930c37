"""Clocks that are wrong, or are set while everything runs: that of the server, and those of clients and workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from faults.harness.scale import pick
from faults.harness.storm import Storm
from flows import note, pipeline
from flows.steps import Gate, Number
from plait import Context, EmptyModel, Plait, UserEventCondition, WorkflowRunStatus
from plait.client import get_access
from plait.features.run_search import RunFilter
from plait.maintenance.pruner import prune
from support import launcher
from support.database import Database
from support.faketime import MovableClock, build_environment
from support.launcher import TESTS
from support.ledger import Ledger
from support.oracle import check_oracle, check_server_log
from support.pool import Pool
from support.server import OwnServer
from support.waiting import eventually
from support.workers import CALM, QUICK, WorkerThread

Work = Callable[..., WorkerThread]
StartProcess = Callable[..., Any]


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    """A PostgreSQL whose clock can be set, for all tests here."""
    server = OwnServer(movable=True)
    yield server
    check_server_log(server)
    server.close()


@pytest.fixture(scope="module")
def database_pool(server: OwnServer) -> Iterator[Pool]:
    """Databases of that server."""
    pool = Pool(server)
    yield pool
    pool.close()


@pytest.fixture
def clock(server: OwnServer) -> Iterator[MovableClock]:
    """The server's clock, which is right when the test begins."""
    assert server.clock is not None
    server.clock.set("+0")
    yield server.clock
    server.clock.set("+0")


def trigger(database: Database, offset: str, *numbers: int) -> list[str]:
    """Have runs of ``note`` triggered by a process whose clock is off. Returns their ids."""
    env = {**os.environ, "DATABASE_URL": database.url, **build_environment(offset)}
    done = launcher.run(["-m", "flows.note", *map(str, numbers)], cwd=TESTS, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def wait_for_rounds(database: Database, rounds: int) -> None:
    """Wait until a leader has looked for silent workers so many times more; a round counts for 0.2 s at least."""
    seen = database.value("SELECT coalesce(max(watched_us), 0) FROM plait.watch")
    database.wait("SELECT max(watched_us) > %s FROM plait.watch", seen + rounds * 200_000)


# events


def declare_waiter(plait: Plait) -> Any:
    flow = plait.workflow(name="waiter")

    @flow.task(wait_for=[UserEventCondition("go")])
    def wait(input: EmptyModel, ctx: Context) -> Any:
        return ctx.trigger_data

    return flow


def test_a_run_sees_what_is_pushed_after_it_though_the_clock_was_set_back(
    plait: Plait, database: Database, clock: MovableClock, work: Work
) -> None:
    waiter = declare_waiter(plait)
    run = waiter.run_no_wait()
    clock.set("-3600")
    plait.event.push("go", {"n": 1})
    work(waiter)
    database.wait("SELECT count(*) = 1 FROM plait.event WHERE position IS NOT NULL")
    assert run.result(30) == {"wait": {"go": {"n": 1}}}


def test_a_run_that_waits_already_is_woken_though_the_clock_was_set_back(
    plait: Plait, database: Database, clock: MovableClock, work: Work
) -> None:
    waiter = declare_waiter(plait)
    work(waiter)
    run = waiter.run_no_wait()
    database.wait("SELECT count(*) = 1 FROM plait.waiting")
    clock.set("-3600")
    plait.event.push("go", {"n": 1})
    assert run.result(30) == {"wait": {"go": {"n": 1}}}


def test_a_run_does_not_see_what_was_pushed_before_it_though_the_clock_was_set_back(
    plait: Plait, database: Database, clock: MovableClock, work: Work
) -> None:
    waiter = declare_waiter(plait)
    plait.event.push("go", {"n": 1})
    clock.set("-3600")
    run = waiter.run_no_wait()
    work(waiter)
    database.wait("SELECT count(*) = 1 FROM plait.event WHERE position IS NOT NULL")
    database.wait("SELECT count(*) = 1 FROM plait.waiting")
    plait.event.push("go", {"n": 2})
    assert run.result(30) == {"wait": {"go": {"n": 2}}}


# what goes first, lists, retention


def test_runs_start_in_the_order_of_their_triggers_whatever_the_clocks_of_clients_say(
    plait: Plait, database: Database, work: Work
) -> None:
    order: list[int] = []
    task = note.declare(plait, order.append)
    first = task.run_no_wait(Number(n=0))
    trigger(database, "+1d", 1, 2)
    trigger(database, "-1d", 3, 4)
    last = task.run_many_no_wait([task.create_bulk_run_item(Number(n=n)) for n in range(5, 30)])
    work(task, slots=1)
    first.result(30)
    last[-1].result(30)
    assert order == list(range(30))


def test_every_active_run_is_listed_once_whatever_the_clocks_of_clients_say(
    plait: Plait, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.features.run_search.CANDIDATES", 1)
    task = note.declare(plait)
    triggered = [task.run_no_wait(Number(n=0)).workflow_run_id]
    for offset in ("+1d", "-1d"):
        triggered += trigger(database, offset, 1)
        triggered.append(task.run_no_wait(Number(n=0)).workflow_run_id)
    wanted = RunFilter(statuses=[WorkflowRunStatus.QUEUED])
    page = plait.runs.search(wanted, limit=1)
    listed = [run.id for run in page.items]
    while page.next is not None:
        page = plait.runs.search(wanted, limit=1, before=page.next)
        listed += [run.id for run in page.items]
    assert listed == triggered[::-1]


def test_runs_are_deleted_by_when_they_ended_and_not_by_their_ids(plait: Plait, database: Database, work: Work) -> None:
    task = note.declare(plait)
    runs = [*trigger(database, "+400d", 1), *trigger(database, "-400d", 2)]
    worker = work(task)
    database.wait_ended(2)
    worker.stop()
    now = database.value("SELECT clock_timestamp()")
    portal, store = get_access(plait).portal, get_access(plait).engine.store.retention
    assert portal.call(prune(store, now - timedelta(hours=1))).runs == 0
    assert [plait.runs.get_status(run) for run in runs] == ["COMPLETED"] * 2
    assert portal.call(prune(store, datetime.now(UTC) + timedelta(minutes=1))).runs == 2


# workers and leaders


def test_a_clock_that_jumps_beyond_the_lease_costs_no_worker_its_tasks(
    plait: Plait, database: Database, clock: MovableClock, ledger: Ledger, worker_process: StartProcess, tmp_path: Path
) -> None:
    flow = pipeline.declare(plait).flow
    leader = worker_process("pipeline", slots=1, timings=CALM, hold="left", gates=str(tmp_path))
    database.wait("SELECT count(*) = 1 FROM plait.lease")
    other = worker_process("pipeline", slots=1, timings=CALM, hold="left", gates=str(tmp_path))
    runs = [flow.run_no_wait(Number(n=n)) for n in range(2)]
    eventually(lambda: {entry.pid for entry in ledger.select("left", "begin")} == {leader.pid, other.pid}, "both work")
    other.pause()  # so that its next heartbeat comes only when all have looked at the new time
    clock.set("+1d")
    wait_for_rounds(database, 12)
    other.resume()
    clock.set("-3600")
    wait_for_rounds(database, 12)
    assert database.value("SELECT count(*) FROM plait.worker WHERE ended_at IS NOT NULL") == 0
    Gate(tmp_path, "left").open()
    assert [run.result(30) for run in runs] == [pipeline.expect({"n": n}) for n in range(2)]
    check_oracle(database, ledger, pipeline.expect, runs=2, reruns=0)


@pytest.mark.parametrize("offset", ["-3600", "+1d"])
def test_a_killed_leader_is_replaced_and_its_tasks_run_elsewhere_though_the_clock_was_set(
    plait: Plait,
    database: Database,
    clock: MovableClock,
    ledger: Ledger,
    worker_process: StartProcess,
    tmp_path: Path,
    offset: str,
) -> None:
    flow = pipeline.declare(plait).flow
    leader = worker_process("pipeline", timings=QUICK, hold="left", gates=str(tmp_path))
    run = flow.run_no_wait(Number(n=1))
    eventually(lambda: ledger.select("left", "begin"), "the leader is in the middle of the graph")
    database.wait("SELECT count(*) = 3 FROM plait.attempt")
    database.wait("SELECT count(*) = 1 FROM plait.lease")
    leader.kill()
    clock.set(offset)
    worker_process("pipeline", timings=QUICK)
    assert run.result(30) == pipeline.expect({"n": 1})
    check_oracle(database, ledger, pipeline.expect, runs=1, reruns=1)


# what time starts, and what is put off


def test_no_fire_time_of_a_cron_gets_two_runs_though_the_clock_was_set_back(
    plait: Plait, database: Database, clock: MovableClock, work: Work
) -> None:
    tick = plait.task(name="tick")(lambda input, ctx: None)
    cron = tick.create_cron("each", "* * * * * *")
    work(tick)
    database.wait("SELECT count(*) >= 2 FROM plait.run")
    clock.set("-3")
    seen = database.count("run")
    plait.cron.pause(cron.id)
    unpaused = plait.cron.unpause(cron.id)
    assert unpaused.next_at is not None
    assert unpaused.last_at is not None
    assert unpaused.next_at > unpaused.last_at
    assert plait.cron.update(cron.id, expression="*/1 * * * * *").next_at is not None
    database.wait("SELECT count(*) >= %s FROM plait.run", seen + 2)
    times = "count(DISTINCT metadata ->> 'fire_time'), count(*)"
    [(different, runs)] = database.query(f"SELECT {times} FROM plait.run")
    assert different == runs


def test_in_two_hours_is_in_two_hours_of_the_servers_whatever_the_clock_of_the_command_says(
    plait: Plait, database: Database
) -> None:
    note.declare(plait).run_no_wait(Number(n=1))
    env = {**os.environ, "DATABASE_URL": database.url, **build_environment("+1d")}
    done = launcher.run(["-m", "plait", "scheduled", "create", "note", "2h", "n=1"], cwd=TESTS, env=env)
    assert done.returncode == 0, done.stderr
    [planned] = plait.scheduled.list()
    assert timedelta(hours=1) < planned.run_at - database.value("SELECT clock_timestamp()") < timedelta(hours=3)


def test_child_runs_are_cancelled_though_the_clock_was_set_back(
    plait: Plait, database: Database, clock: MovableClock, work: Work
) -> None:
    child = plait.task(name="child")(lambda input, ctx: None)
    run = child.run_no_wait()
    parent = child.run_no_wait()
    database.query(
        "INSERT INTO plait.child (parent_run_id, run_id, parent_task, key) VALUES (%s, %s, 0, '0')",
        parent.workflow_run_id,
        run.workflow_run_id,
    )
    database.query(
        "INSERT INTO plait.cancellation (run_id, asked_id, reason) VALUES (%s, %s, 'why')",
        parent.workflow_run_id,
        parent.workflow_run_id,
    )
    clock.set("-3600")
    assert database.value("SELECT looked_at FROM plait.carry_out_cancellations(10)") == 1
    assert plait.runs.get_status(run.workflow_run_id) == "CANCELLED"


# everything at once


def storm_of_clocks(storm: Storm, clock: MovableClock, rounds: int) -> None:
    """The server's clock jumps, far ahead or a little back, and one of the workers is a day behind."""
    storm.start_workers(1, timings=CALM, env=build_environment("-1d"))
    storm.start_workers(2, timings=CALM)
    storm.start_probe()
    storm.start_client()
    seconds = 0
    for _ in range(rounds):
        storm.wait_for_ends(20)
        seconds += storm.chance.choice([86_400, 3600, 40, -1, -2])
        clock.set(f"{seconds:+d}")
        storm.note_fault()
    storm.settle(max_reruns=0)


def test_a_clock_that_jumps(storm: Storm, clock: MovableClock) -> None:
    storm_of_clocks(storm, clock, 5)


@pytest.mark.thorough
def test_a_clock_that_jumps_again_and_again(storm: Storm, clock: MovableClock) -> None:
    storm_of_clocks(storm, clock, pick(5, 60))
