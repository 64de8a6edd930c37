"""What several workers cost the database while nothing is to be done, and what they tell each other: by counts, each in
proportion to another, so that no clock is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from flows import pipeline
from plait import Context, EmptyModel, Plait
from plait.ids import new_run_id
from plait.maintenance import leader
from plait.store.store import Fleet, Store, WorkerRow
from plait.worker import claimer, heartbeat
from support.database import Database
from support.waiting import eventually
from support.workers import CALM, WorkerThread, serve

Work = Callable[..., WorkerThread]

WORKERS, BEATS = 3, 10


def count(database: Database, pattern: str, *, what: str = "calls") -> int:
    return int(
        database.value(
            f"SELECT coalesce(sum({what}), 0) FROM pg_stat_statements WHERE toplevel AND query LIKE %s "
            "AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
            pattern,
        )
    )


BEAT, CLAIM, LEASE = (
    "%UPDATE plait.worker w%SET heartbeat_at%",
    "%DELETE FROM plait.ready r USING picked%",
    "%INSERT INTO plait.lease AS l%",
)
REAP, FLEET, HINTS = "%INSERT INTO plait.watch%", "%AS peers FROM other%", "%SELECT pg_backend_pid() AS pid, pg_notify%"


@contextmanager
def open_fleet(database: Database, count: int, **options: Any) -> Iterator[list[WorkerThread]]:
    """Workers with the same code, each with connections of its own, as in processes of their own."""
    started = []
    for _ in range(count):
        plait = Plait(database.url)

        @plait.task(name="sample")
        async def sample(input: EmptyModel, ctx: Context) -> int:
            return 7

        started.append((plait, serve(plait, sample, **options)))
    try:
        yield [worker for _, worker in started]
    finally:
        for plait, worker in started:
            worker.stop()
            plait.close()


def get_session(worker: WorkerThread) -> Any:
    return worker.worker._session


def wait_until_counted(workers: Sequence[WorkerThread], others: int) -> None:
    """Wait until each knows the others."""
    eventually(lambda: all(get_session(worker).identity.others == others for worker in workers), "all are counted")


def test_an_idle_fleet_writes_heartbeats_and_what_its_leader_does_and_tells_next_to_nothing(
    statements: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "RENEW_SECONDS", 0.1)
    with open_fleet(statements, WORKERS, timings=replace(CALM, heartbeat=0.2)) as workers:
        wait_until_counted(workers, WORKERS - 1)
        kinds = (BEAT, CLAIM, LEASE, REAP, FLEET)

        def read() -> dict[str, int]:
            return {kind: count(statements, kind) for kind in kinds} | {
                "hints": count(statements, HINTS, what="rows"),
                "ids": statements.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8"),
                "all": count(statements, "%plait.%"),
            }

        before = read()
        eventually(lambda: count(statements, BEAT) >= before[BEAT] + WORKERS * BEATS)
        after = read()
        spent = {name: after[name] - before[name] for name in after}
    # Those who do not lead, and whoever claims and finds nothing, read only.
    assert spent[LEASE] >= 20
    assert spent["ids"] <= spent[BEAT] + spent[REAP] + spent[LEASE] * 0.6 + 5
    assert spent[CLAIM] <= spent[BEAT]
    assert spent[FLEET] <= WORKERS
    assert spent["hints"] <= WORKERS
    assert spent["all"] <= spent[BEAT] + spent[LEASE] + spent[REAP] + 2 * spent[BEAT]


@pytest.mark.usefixtures("ledger")
def test_what_a_worker_frees_and_takes_itself_it_tells_nobody(plait: Plait, database: Database, work: Work) -> None:
    flow = pipeline.declare(plait).flow
    with Plait(database.url) as other:
        second = serve(other, pipeline.declare(other).flow)
        first = work(flow)
        wait_until_counted([first, second], 1)
        with psycopg.connect(database.url, autocommit=True) as listener:
            listener.execute("LISTEN plait_ready")
            for n in range(10):
                flow.run({"n": n})
            database.query("SELECT pg_notify('plait_ready', 'end')")
            told = set[str]()
            for notice in listener.notifies(timeout=30):
                if notice.payload == "end":
                    break
                told.update(notice.payload.split(","))
        second.stop()
    roots = {str(action) for (action,) in database.query("SELECT id FROM plait.action WHERE task = 'root'")}
    assert told <= roots


@pytest.mark.usefixtures("ledger")
def test_a_worker_without_slots_tells_others_what_it_frees(plait: Plait, database: Database, work: Work) -> None:
    flow = pipeline.declare(plait).flow
    first = work(flow, slots=1)
    with Plait(database.url) as other:
        second = serve(other, pipeline.declare(other).flow, slots=1)
        wait_until_counted([first, second], 1)
        with psycopg.connect(database.url, autocommit=True) as listener:
            listener.execute("LISTEN plait_ready")
            flow.run_no_wait({"n": 1})
            children = {
                str(action)
                for (action,) in database.query("SELECT id FROM plait.action WHERE task IN ('left', 'right', 'extra')")
            }
            assert any(children & set(notice.payload.split(",")) for notice in listener.notifies(timeout=30))
        database.wait_ended(1)
        second.stop()


def test_of_many_idle_workers_those_who_found_nothing_wait_before_they_look_again(
    statements: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claimer, "LONGEST_POLL", 600.0)
    with open_fleet(statements, 1) as (worker,):
        session = get_session(worker)
        eventually(lambda: session.identity.is_alone, "the others are counted")
        session.heartbeat._count_not_before = math.inf
        session.identity.peers = 10**9
        action = str(session.actions[0])
        before = count(statements, CLAIM)
        for _ in range(100):
            session._loop.call_soon_threadsafe(session._hub.publish, "ready", [action])
            statements.value("SELECT pg_sleep(0.005)")
        # A hint that comes during a look counts for the next one, and there may be a poll.
        assert 1 <= count(statements, CLAIM) - before <= 3 * claimer.LOOKS_AT_ONCE


async def test_workers_with_the_same_code_are_peers_and_who_shares_no_action_is_alone(database: Database) -> None:
    store = Store(database.url)

    async def register(*actions: int) -> Any:
        worker_id = new_run_id()
        row = WorkerRow(worker_id, "w", "h", 0, 1, None, list(actions), "0", 60, [])
        await store.register_worker(row, None)
        return worker_id

    first = await register(1, 2, 3)
    assert await store.read_fleet(first) == Fleet(0, 0, True)
    other = await register(4, 5)
    assert await store.read_fleet(first) == Fleet(1, 0, True)
    same = await register(1, 2, 3)
    assert await store.read_fleet(first) == Fleet(2, 1, False)
    await store.end_worker(same)
    sharing = await register(3, 9)
    assert await store.read_fleet(first) == Fleet(2, 0, False)
    assert await store.read_fleet(other) == Fleet(2, 0, True)
    await store.end_worker(sharing)
    assert await store.read_fleet(first) == Fleet(1, 0, True)
    await store.close()


def test_a_worker_hears_that_another_has_come_and_that_it_has_gone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "FLEET_SECONDS", 3600.0)
    quick = replace(CALM, heartbeat=0.2)
    with open_fleet(database, 1, timings=quick) as (first,):
        eventually(lambda: get_session(first).identity.is_alone, "it is alone")
        with open_fleet(database, 1, timings=quick):
            eventually(lambda: not get_session(first).identity.is_alone, "it is not alone")
        eventually(lambda: get_session(first).identity.is_alone, "it is alone again")


def test_many_workers_look_for_the_lease_about_as_often_as_a_few() -> None:
    def choose(others: int) -> float:
        return leader.Leader(None, None, new_run_id, lambda: others, ())._choose_pause()  # type: ignore[arg-type]

    assert [choose(others) for others in (0, 1, leader.MANY)] == [leader.RENEW_SECONDS] * 3
    for others in (2 * leader.MANY, 5 * leader.MANY):
        assert 0.5 * others / leader.MANY <= choose(others) <= others / leader.MANY
    assert choose(10**6) <= leader.LONGEST_SECONDS
