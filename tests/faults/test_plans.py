"""Plans that were made while the database was young still probe indexes when it has a history."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from faults.test_control_races import WAITER, start_child
from plait.ids import new_run_id
from support.driver import Driver

OpenDriver = Callable[..., Awaitable[Driver]]


HISTORY = 20_000
MOST_READ = 1000
"""Rows and index entries that one statement may look at; the most are a few for each of 100 events."""

FILL = (
    "INSERT INTO plait.run (id, created_at, version_id, priority, pending, input) "
    "SELECT uuidv7(), plait.now(), 1, 1, '{}', '{}' FROM generate_series(1, $1::int)",
    "INSERT INTO plait.waiting "
    "(run_id, position, due_at, schedule_us, action_id, task, attempt, retry, lost, priority) "
    "SELECT id, position, 'infinity', -1, 1, 0, 1, 0, 0, 1 FROM plait.run ORDER BY id DESC LIMIT $1",
    "INSERT INTO plait.wait (run_id, since, position, task, met) "
    "SELECT run_id, plait.now(), 0, task, '{}' FROM plait.waiting ORDER BY run_id DESC LIMIT $1",
    "INSERT INTO plait.awaited_event (run_id, position, version_id, task, condition, key) "
    "SELECT run_id, 0, 1, task, 0, 'other' FROM plait.waiting ORDER BY run_id DESC LIMIT $1",
    "INSERT INTO plait.attempt (run_id, task, attempt, retry, status, finished_at) "
    "SELECT run_id, 1, 1, 0, 2, plait.now() FROM plait.waiting ORDER BY run_id DESC LIMIT $1",
    "INSERT INTO plait.child (parent_run_id, run_id, parent_task, key) "
    "SELECT gen_random_uuid(), gen_random_uuid(), 0, n::text FROM generate_series(1, $1::int) n",
    "INSERT INTO plait.event (id, created_at, position, key, payload) "
    "SELECT uuidv7(), plait.now() + interval '1 h', n, 'other' || n % 1000, '{}' FROM generate_series(1, $1::int) n",
    "INSERT INTO plait.filter (id, workflow, scope, expression, payload, declared) "
    "SELECT gen_random_uuid(), 'waiter', 'tenant' || n, 'true', '{}', false FROM generate_series(1, $1::int) n",
)


async def count_reads(driver: Driver, name: str, *arguments: Any) -> tuple[str, int]:
    """Rows of full scans and entries of indexes that a statement looked at, by PostgreSQL's own count."""

    async def count() -> int:
        await driver.connection.execute("SELECT pg_stat_force_next_flush()")
        await driver.connection.execute("SELECT pg_stat_clear_snapshot()")
        rows = "SELECT sum(seq_tup_read) FROM pg_stat_user_tables"
        [row] = await driver.connection.fetch(f"SELECT sum(idx_tup_read) + ({rows}) AS n FROM pg_stat_user_indexes")
        return int(row["n"])

    before = await count()
    await driver.run(name, *arguments)
    return name, await count() - before


def list_calls(driver: Driver, run_id: UUID, attempt: int, pushed: int) -> list[tuple[Any, ...]]:
    """Statements about a task that waits and 100 events, one of which it waits for."""
    ids, keys, nothing = [new_run_id() for _ in range(100)], ["new"] * 99 + ["go"], [None] * 100
    parked = (driver.id, [run_id], [0], [attempt], [driver.version.id], [-1], [None], [0], ["{}"])
    asked = ["new", "go"]
    return [
        ("park_tasks", *parked, ['[[0, "go", null]]']),
        ("push_events", ids, keys, [b"{}"] * 100, nothing, nothing, nothing),
        ("read_inbox", 100, 1 << 20, []),
        ("read_listeners", asked, ["acme", ""]),
        ("deliver_events", ids, 1000, *[[]] * 10),
        ("read_waits", [run_id], [0]),
        ("read_events_since", [json.dumps(asked)], [pushed], [0], True, 200, 1 << 20),
        ("cancel_runs", [run_id], "why"),
        ("carry_out_cancellations", 1000),
    ]


async def count_reads_of(driver: Driver, statement: str) -> int:
    """What this statement looks at among all, where one run waits that has a child."""
    [run_id] = await driver.start(1)
    [run] = await driver.connection.fetch("SELECT position FROM plait.run WHERE id = $1", run_id)
    [held] = await driver.claim("waits")
    child = await start_child(driver, run_id)
    calls = list_calls(driver, run_id, held.attempt, run["position"])
    reads = [await count_reads(driver, *call) for call in calls]
    ended = "SELECT count(*) FROM plait.run WHERE id IN ($1, $2) AND status = 3"
    assert await driver.connection.fetchval(ended, run_id, child) == 2
    return dict(reads)[statement]


async def age(driver: Driver, statement: str) -> int:
    """What this statement looks at once there is a history, on a connection opened before there was anything."""
    await driver.store.control.serve_workflow(driver.version.definition, driver.version.id)
    await driver.connection.execute("UPDATE plait.workflow SET on_events = '{new}'")
    calls = list_calls(driver, new_run_id(), 1, 0)
    # The tables are empty for all but a delivery: that comes with its first event.
    for call in sorted(calls, key=lambda call: call[0] in ("push_events", "deliver_events")):
        await count_reads(driver, *call)
    for _ in range(2):
        await count_reads_of(driver, statement)
    for fill in FILL:
        await driver.connection.execute(fill, HISTORY)
    return await count_reads_of(driver, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "push_events",
        "read_inbox",
        "read_listeners",
        "deliver_events",
        "read_waits",
        "read_events_since",
        "park_tasks",
        "cancel_runs",
        "carry_out_cancellations",
    ],
)
async def test_a_plan_made_in_an_empty_database_probes_when_it_has_a_history(
    open_driver: OpenDriver, statement: str
) -> None:
    assert await age(await open_driver(WAITER), statement) <= MOST_READ
