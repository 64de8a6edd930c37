"""Retention beside those who use what is old: nobody waits, and what is used again stays whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from plait import Context, EmptyModel, NonRetryableException, Plait
from plait.client import get_access
from plait.maintenance.pruner import FIRST, Pruned, count_prunable, prune
from plait.store.statements import load_sql
from support.database import Database

Work = Callable[..., Any]

LATER = timedelta(hours=1)


def prune_all(plait: Plait) -> Pruned:
    """Delete whatever has ended."""
    engine = get_access(plait).portal.call(get_access(plait).open_engine())
    return get_access(plait).portal.call(prune(engine.store.retention, datetime.now(UTC) + LATER))


def choose_ended(plait: Plait, database: Database) -> tuple[datetime, list[UUID]]:
    """A moment, and the runs chosen for deletion as ended before it."""
    moment: datetime = database.value("SELECT clock_timestamp()")
    store = get_access(plait).engine.store.retention
    return moment, get_access(plait).portal.call(store.list_prunable(FIRST, moment, 10, 10)).run_ids


@pytest.fixture
def fails() -> list[bool]:
    """The task fails while there is something in it."""
    return [True]


@pytest.fixture
def task(plait: Plait, work: Work, fails: list[bool]) -> Any:
    @plait.task(name="task")
    async def task(input: EmptyModel, ctx: Context) -> int:
        ctx.log("a line")
        if fails:
            raise NonRetryableException("no")
        return 1

    work(task)
    return task


def test_a_run_whose_idempotency_key_a_transaction_holds_is_left_whole_and_nobody_waits(
    plait: Plait, database: Database, task: Any
) -> None:
    found = task.run_no_wait(idempotency_key="held")
    task.run_no_wait(idempotency_key="free")
    database.wait_ended(2)
    database.wait("SELECT count(*) = 2 FROM plait.log")
    with psycopg.connect(database.url) as connection:
        ref = task.run_no_wait(idempotency_key="held", connection=connection)
        assert ref.workflow_run_id == found.workflow_run_id
        assert prune_all(plait).runs == 1
        assert [database.count(table) for table in ("run", "log", "idempotency_key")] == [1, 1, 1]
    assert prune_all(plait).runs == 1
    assert [database.count(table) for table in ("run", "log", "idempotency_key")] == [0, 0, 0]


def test_a_run_that_was_replayed_after_it_was_chosen_stays_with_its_log(
    plait: Plait, database: Database, task: Any, fails: list[bool]
) -> None:
    ref = task.run_no_wait()
    database.wait_ended(1)
    database.wait("SELECT count(*) = 1 FROM plait.log")
    moment, chosen = choose_ended(plait, database)
    assert len(chosen) == 1
    fails.clear()
    plait.runs.replay(ref.workflow_run_id)
    assert ref.result(timeout=60) == 1
    database.wait("SELECT count(*) = 2 FROM plait.log")
    assert get_access(plait).portal.call(get_access(plait).engine.store.retention.prune_runs(chosen, moment, 10)) == 0
    assert plait.runs.get_status(ref.workflow_run_id) == "COMPLETED"
    assert database.count("log") == 2


def test_a_child_that_was_chosen_with_its_parent_stays_when_that_was_replayed(
    plait: Plait, work: Work, database: Database
) -> None:
    fails = [True]

    @plait.task(name="child")
    async def child(input: EmptyModel, ctx: Context) -> str:
        ctx.log("a line")
        return ctx.workflow_run_id

    @plait.task(name="parent")
    async def parent(input: EmptyModel, ctx: Context) -> str:
        found: str = await child.aio_run()
        if fails:
            raise NonRetryableException("no")
        return found

    work(parent, child)
    ref = parent.run_no_wait()
    database.wait_ended(2)
    database.wait("SELECT count(*) = 1 FROM plait.log")
    moment, chosen = choose_ended(plait, database)
    assert len(chosen) == 2
    fails.clear()
    plait.runs.replay(ref.workflow_run_id)
    found = ref.result(timeout=60)
    assert get_access(plait).portal.call(get_access(plait).engine.store.retention.prune_runs(chosen, moment, 10)) == 0
    assert (plait.runs.get_status(found), database.count("log")) == ("COMPLETED", 1)


CHAIN = """
    INSERT INTO plait.run
        (id, created_at, finished_at, version_id, priority, status, pending, input, trigger_kind, trigger_id)
    SELECT plait.lowest_id(day + n * interval '1 s'), day, day, v.id, 1, 2, '{}', '{}',
           CASE WHEN n > 0 THEN 1 END, CASE WHEN n > 0 THEN plait.lowest_id(day + (n - 1) * interval '1 s') END
    FROM plait.workflow_version v, generate_series(0, 399) n, CAST('2026-01-01' AS timestamptz) day
"""


def test_a_long_chain_of_runs_each_of_which_started_the_next_costs_few_statements(
    plait: Plait, database: Database, task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.maintenance.pruner.SCANNED", 50)
    task.run_no_wait()
    database.wait_ended(1)
    database.query(CHAIN)
    store = get_access(plait).engine.store.retention
    assert get_access(plait).portal.call(count_prunable(store, datetime.now(UTC) + LATER)) == 2
    sent: list[str] = []
    send = store._pool.fetchrow

    async def count(statement: str, *arguments: Any) -> Any:
        sent.append(statement)
        return await send(statement, *arguments)

    monkeypatch.setattr(store._pool, "fetchrow", count)
    assert prune_all(plait).runs == 401
    pages = 9  # the last is not full
    assert len(sent) < 3 * pages + 10


def test_a_chain_stays_whole_while_its_first_run_is_kept(plait: Plait, database: Database, task: Any) -> None:
    task.run_no_wait()
    database.wait_ended(1)
    database.query(CHAIN)
    database.query("UPDATE plait.run SET finished_at = 'infinity' WHERE trigger_kind IS NULL")
    assert prune_all(plait).runs == 0
    database.query("UPDATE plait.run SET finished_at = created_at")
    assert prune_all(plait).runs == 401


RUN = """
    INSERT INTO plait.run
        (id, position, events_from, created_at, finished_at, version_id, priority, status, pending, input)
    SELECT gen_random_uuid(), place, place, now() - age, 'infinity', 1, 1, 2, '{}', '{}'
    FROM (VALUES (%s::int8, %s::interval)) AS given(place, age)
"""
EVENTS = """
    INSERT INTO plait.event (id, created_at, pushed, position, key, payload)
    SELECT gen_random_uuid(), now() - %s::interval + n * interval '1 ms', %s + n, 1000000 + n, 'key', '{}'
    FROM generate_series(1, %s) n
"""


def test_an_event_stays_that_a_run_may_look_at_whatever_clocks_and_ids_say(plait: Plait, database: Database) -> None:
    database.query(RUN, 300, "30 s")  # of two, the one that was created later looks further back
    database.query(RUN, 200, "10 s")
    database.query(EVENTS, "2 hours", 100, 3)
    database.query(EVENTS, "1 hour", 200, 5)  # by a clock that was set back since
    assert prune_all(plait).events == 3
    database.query("DELETE FROM plait.run WHERE position = 200")
    assert prune_all(plait).events == 5


def test_an_event_stays_that_a_run_may_look_at_which_an_event_in_the_inbox_will_start(
    plait: Plait, database: Database
) -> None:
    database.query(EVENTS, "2 hours", 100, 3)
    database.query("INSERT INTO plait.event_inbox SELECT pushed, id FROM plait.event WHERE pushed = 102")
    database.query("UPDATE plait.event SET position = NULL WHERE pushed = 102")
    assert prune_all(plait).events == 1
    assert database.query("SELECT pushed FROM plait.event ORDER BY pushed") == [(102,), (103,)]


def test_runs_that_wait_for_no_event_keep_none(plait: Plait, database: Database, task: Any) -> None:
    task.run_no_wait()
    database.query(EVENTS, "1 hour", 100, 3)
    assert prune_all(plait).events == 3


def test_events_that_an_old_run_may_look_at_cost_no_look_at_each(database: Database) -> None:
    database.query(RUN, 100, "400 days")
    database.query(EVENTS, "300 days", 200, 20_000)
    database.query(EVENTS, "401 days", 50, 3)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute("PREPARE prune(timestamptz, int) AS " + load_sql("prune_events"))  # type: ignore[arg-type]
        [plan] = connection.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE prune (now(), 5000)").fetchone()  # type: ignore[misc]
    assert set(re.findall(r'"Rows Removed by (?:Filter|Index Recheck)": (\d+)', json.dumps(plan))) <= {"0"}
    assert plan[0]["Plan"]["Shared Hit Blocks"] < 100
    assert database.count("event") == 20_000


def test_what_cannot_be_deleted_does_not_keep_the_rest_from_it(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    @plait.task(name="task")
    async def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    async def fail(*_: Any) -> int:
        raise RuntimeError("no events to-day")

    work(task).stop()
    task.schedule(datetime.now(UTC))
    work(task)
    database.wait_ended(1)
    monkeypatch.setattr(get_access(plait).engine.store.retention, "list_prunable", fail)
    monkeypatch.setattr(get_access(plait).engine.store.retention, "prune_events", fail)
    with pytest.raises(RuntimeError, match="no events to-day"):
        prune_all(plait)
    assert [database.count(table) for table in ("run", "scheduled", "worker")] == [1, 0, 1]
