"""PostgreSQL crashes, stays away, and loses replies; nothing acknowledged is lost and nothing finished runs again."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import pipeline
from flows.steps import Gate, Number
from plait import Plait
from plait.errors import DatabaseUnavailableError
from support.database import Database
from support.ledger import Ledger
from support.oracle import check_oracle, check_outcomes
from support.proxy import Proxy
from support.server import OwnServer
from support.waiting import eventually
from support.workers import STEADY, Timings, WorkerProcess

StartProcess = Callable[..., Any]
HoldLeft = Callable[..., tuple[WorkerProcess, list[Any]]]


@pytest.fixture
def hold_left(
    database: Database, plait: Plait, ledger: Ledger, worker_process: StartProcess, tmp_path: Path
) -> HoldLeft:
    """Starts a worker and so many runs, each of which stands still in its task "left", all else being done."""

    def start(count: int, **options: Any) -> tuple[WorkerProcess, list[Any]]:
        flow = pipeline.declare(plait).flow
        worker = worker_process("pipeline", hold="left", gates=str(tmp_path), **options)
        references = flow.run_many_no_wait([flow.create_bulk_run_item(Number(n=n)) for n in range(count)])
        eventually(lambda: len(ledger.select("left", "begin")) == count)
        database.wait("SELECT count(*) = %s FROM plait.attempt", 3 * count)
        return worker, references

    return start


def test_results_finished_while_postgresql_was_away_are_stored_and_not_run_again(
    own_server: OwnServer,
    database: Database,
    ledger: Ledger,
    hold_left: HoldLeft,
    tmp_path: Path,
) -> None:
    worker, references = hold_left(10, slots=20)
    own_server.stop(immediate=True)
    Gate(tmp_path, "left").open()
    eventually(lambda: len(ledger.select("left", "end")) == 10, "they finish during the outage")
    eventually(lambda: "cannot store results" in worker.read_log())
    own_server.start()
    assert [reference.result(30) for reference in references] == [pipeline.expect({"n": n}) for n in range(10)]
    assert worker.process.poll() is None
    check_oracle(database, ledger, pipeline.expect, runs=10, reruns=0)


def test_every_acknowledged_trigger_survives_crashes_of_postgresql(
    own_server: OwnServer, database: Database, plait: Plait, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = pipeline.declare(plait)
    workers = [worker_process("pipeline", work_ms=5) for _ in range(2)]
    acknowledged: list[Any] = []
    stop = threading.Event()

    async def trigger_on_and_on() -> None:
        while not stop.is_set():
            acknowledged.append(await declared.flow.aio_run_no_wait(Number(n=len(acknowledged))))
            await asyncio.sleep(0.01)

    client = threading.Thread(target=lambda: asyncio.run(trigger_on_and_on()), daemon=True)
    client.start()
    for _ in range(3):
        goal = len(acknowledged) + 15
        eventually(lambda goal=goal: len(acknowledged) >= goal, "triggers go through")  # type: ignore[misc]
        own_server.stop(immediate=True)
        own_server.start()
    goal = len(acknowledged) + 5
    eventually(lambda: len(acknowledged) >= goal, "triggers go through")
    stop.set()
    client.join(30)
    assert not client.is_alive()
    stored = {str(row[0]) for row in database.query("SELECT id FROM plait.run")}
    assert stored == {reference.workflow_run_id for reference in acknowledged}
    database.wait_ended(len(acknowledged), seconds=60)
    assert [worker.process.poll() for worker in workers] == [None, None]
    check_oracle(database, ledger, pipeline.expect, runs=len(acknowledged), reruns=0)


def test_after_an_outage_longer_than_the_lease_tasks_run_again_once(
    own_server: OwnServer,
    database: Database,
    ledger: Ledger,
    hold_left: HoldLeft,
    tmp_path: Path,
) -> None:
    worker, references = hold_left(5, slots=20, timings=STEADY)
    own_server.stop()
    eventually(lambda: "lost its lease" in worker.read_log(), "the worker lets go by itself")
    own_server.start()
    eventually(lambda: len(ledger.select("left", "begin")) == 10, "they run again")
    Gate(tmp_path, "left").open()
    assert [reference.result(30) for reference in references] == [pipeline.expect({"n": n}) for n in range(5)]
    assert worker.process.poll() is None
    assert set(ledger.count_begins().values()) == {1, 2}
    check_oracle(database, ledger, pipeline.expect, runs=5, reruns=5)


def test_results_that_waited_longer_than_the_lease_are_stored_if_nobody_has_taken_over(
    own_server: OwnServer,
    database: Database,
    ledger: Ledger,
    hold_left: HoldLeft,
    tmp_path: Path,
) -> None:
    timings = Timings(heartbeat=2.5, lease=4, margin=0.5)
    worker, references = hold_left(20, slots=40, timings=timings)
    own_server.stop()
    Gate(tmp_path, "left").open()
    eventually(lambda: len(ledger.select("left", "end")) == 20, "they finish during the outage")
    eventually(lambda: "lost its lease" in worker.read_log(), "the worker lets go by itself")
    own_server.start()
    assert [reference.result(30) for reference in references] == [pipeline.expect({"n": n}) for n in range(20)]
    check_oracle(database, ledger, pipeline.expect, runs=20, reruns=0)


@pytest.mark.parametrize("connection", ["plait claims", "plait finishes"])
def test_a_workers_commit_whose_reply_was_lost_is_neither_lost_nor_repeated(
    proxy: Proxy,
    database: Database,
    plait: Plait,
    ledger: Ledger,
    worker_process: StartProcess,
    connection: str,
) -> None:
    declared = pipeline.declare(plait)
    worker = worker_process("pipeline", url=proxy.build_url(database), slots=20)
    for number in range(4):
        proxy.lose_reply(connection)
        items = [declared.flow.create_bulk_run_item(Number(n=n)) for n in range(10)]
        runs = declared.flow.run_many_no_wait(items)
        assert [run.result(30) for run in runs] == [pipeline.expect({"n": n}) for n in range(10)]
        eventually(lambda number=number: len(proxy.lost) == number + 1, "a reply was lost")  # type: ignore[misc]
    assert "came too late" not in worker.read_log()
    if connection == "plait finishes":
        eventually(lambda: "had been stored by an earlier try" in worker.read_log())
    check_oracle(database, ledger, pipeline.expect, runs=40, reruns=0)


def test_replies_lost_all_the_time_do_not_repeat_anything_either(
    proxy: Proxy, database: Database, plait: Plait, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = pipeline.declare(plait)
    for _ in range(2):
        worker_process("pipeline", url=proxy.build_url(database), slots=5)
    proxy.lose_reply("plait claims", 6)
    proxy.lose_reply("plait finishes", 6)
    items = [declared.flow.create_bulk_run_item(Number(n=n)) for n in range(30)]
    runs = declared.flow.run_many_no_wait(items)
    assert [run.result(30) for run in runs] == [pipeline.expect({"n": n}) for n in range(30)]
    check_oracle(database, ledger, pipeline.expect, runs=30, reruns=0)


def test_a_trigger_whose_reply_was_lost_makes_one_run(
    proxy: Proxy, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    client = Plait(proxy.build_url(database))
    declared = pipeline.declare(client)
    worker_process("pipeline")
    first = declared.flow.run_no_wait(Number(n=0))  # connects and registers
    proxy.lose_reply("plait", 2)
    second = declared.flow.run_no_wait(Number(n=1))
    assert proxy.lost == ["plait", "plait"]
    third = declared.flow.run_no_wait(Number(n=2), idempotency_key="k")
    proxy.lose_reply("plait")
    fourth = declared.flow.run_no_wait(Number(n=99), idempotency_key="k")
    assert fourth.workflow_run_id == third.workflow_run_id
    for number, reference in enumerate((first, second, third)):
        assert reference.result(30) == pipeline.expect({"n": number})
    client.close()
    check_outcomes(database, ledger, pipeline.expect, runs=3)


def test_a_waiter_outlives_a_crash_of_postgresql(
    own_server: OwnServer,
    database: Database,
    plait: Plait,
    ledger: Ledger,
    worker_process: StartProcess,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, logger="plait.results")
    declared = pipeline.declare(plait)
    worker_process("pipeline", hold="root", gates=str(tmp_path))
    results: list[Any] = []
    waiter = threading.Thread(target=lambda: results.append(declared.flow.run(Number(n=1))), daemon=True)
    waiter.start()
    eventually(lambda: ledger.select("root", "begin"))
    own_server.stop(immediate=True)
    eventually(lambda: "cannot read results of runs" in caplog.text, "it has asked in vain")
    own_server.start()
    Gate(tmp_path, "root").open()
    waiter.join(30)
    assert results == [pipeline.expect({"n": 1})]


def test_a_trigger_without_a_database_fails_clearly_and_works_again_later(
    own_server: OwnServer, plait: Plait, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.engine.repeat.PATIENCE", 0.3)
    declared = pipeline.declare(plait)
    declared.flow.run_no_wait(Number(n=1))
    own_server.stop()
    with pytest.raises(DatabaseUnavailableError, match="not available"):
        declared.flow.run_no_wait(Number(n=2))
    other = Plait(database.url)
    with pytest.raises(DatabaseUnavailableError, match="not available"):
        other.runs.list()
    own_server.start()
    declared.flow.run_no_wait(Number(n=3))
    assert len(other.runs.list()) == 2
    other.close()


def test_an_idle_worker_reconnects_gently(
    proxy: Proxy, own_server: OwnServer, database: Database, worker_process: StartProcess
) -> None:
    worker = worker_process("pipeline", url=proxy.build_url(database))
    database.wait("SELECT count(*) = 1 FROM plait.lease")  # it has started altogether
    own_server.stop()
    eventually(lambda: "cannot renew the lease" in worker.read_log(), "a heartbeat has failed")
    seconds, connects = 3, proxy.connects
    time.sleep(seconds)  # a rate is what is measured
    assert proxy.connects - connects <= 5 * (seconds + 1)
    own_server.start()
    database.wait("SELECT heartbeat_at > plait.now() - interval '1 second' FROM plait.worker")
    eventually(lambda: "can renew the lease again after" in worker.read_log())
    lines = [line for line in worker.read_log().splitlines() if "cannot" in line]
    assert lines
    kinds = [line.partition(", trying again")[0].partition("cannot")[2] for line in lines]
    assert len(kinds) == len(set(kinds)), "each kind is told once"
