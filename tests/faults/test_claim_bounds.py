"""What a claim takes and what it costs: never more than asked, never more for what it cannot run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from plait.store.ranges import find_ranges
from plait.store.statements import load_sql
from plait.worker.assignment import Assignment
from support.database import Database
from support.driver import Driver, make_definition
from support.oracle import check_log

WIDE = make_definition("wide", **{f"task_{number}": [] for number in range(20)})
FOREIGN = make_definition("foreign", **{f"other_{number}": [] for number in range(5)})


@pytest.fixture
async def driver(open_driver: Any) -> Driver:
    driver: Driver = await open_driver(WIDE)
    return driver


@pytest.mark.parametrize("limit", [1, 3, 10, 100])
async def test_a_claim_never_returns_more_than_it_asked_for(driver: Driver, database: Database, limit: int) -> None:
    await driver.start(20)
    names = [task.name for task in WIDE.tasks]
    total = 0
    while held := await driver.claim(*names, limit=limit):
        assert len(held) <= limit
        total += len(held)
        assert database.count("running") == total
    assert total == 400


async def test_concurrent_claims_never_return_more_than_asked_nor_a_task_twice(
    driver: Driver, open_driver: Any, database: Database
) -> None:
    others = [await open_driver(WIDE) for _ in range(3)]
    await driver.start(100)
    names = [task.name for task in WIDE.tasks]
    seen: list[Any] = []

    async def drain(claimer: Driver, limit: int) -> None:
        empty = 0
        while empty < 3:  # what others hold locked at the moment is passed over
            held = await claimer.claim(*names, limit=limit)
            assert len(held) <= limit
            seen.extend(assignment.key for assignment in held)
            empty = 0 if held else empty + 1

    await asyncio.gather(
        *(drain(claimer, limit) for claimer, limit in zip([driver, *others], (7, 13, 50, 1), strict=True))
    )
    assert len(seen) == len(set(seen)) == database.count("running") == 2000
    check_log(database)


async def count_pages(driver: Driver, statement: str, *arguments: Any) -> int:
    """Pages that one execution touches, by PostgreSQL's own count; undone again, and after one to warm up."""
    pages = 0
    for _ in range(2):
        transaction = driver.connection.transaction()
        await transaction.start()
        text = await driver.connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {load_sql(statement)}", *arguments
        )
        await transaction.rollback()
        top = json.loads(text)[0]["Plan"]
        pages = top["Shared Hit Blocks"] + top["Shared Read Blocks"]
    return pages


async def count_all(driver: Driver, held: list[Assignment]) -> dict[str, int]:
    """Pages of every statement of a worker's daily life."""
    actions = driver.actions
    return {
        "claim_tasks": await count_pages(driver, "claim_tasks", driver.id, *actions, 10, 2, 2, 1 << 20, [0]),
        "peek_priority": await count_pages(driver, "peek_priority", actions.lows, actions.highs),
        "claim_expired": await count_pages(driver, "claim_expired", driver.id, 10),
        "finish_tasks": await count_pages(driver, "finish_tasks", driver.id, *driver.plan(held)),
        "wake_tasks": await count_pages(driver, "wake_tasks", 10),
        "read_next_due": await count_pages(driver, "read_next_due"),
    }


BACKLOGS = {
    "ready tasks of others": (
        "INSERT INTO plait.ready (run_id, position, queued_at, era, action_id, task, attempt, retry, lost, priority) "
        "SELECT gen_random_uuid(), nextval('plait.position'), now(), 1, (%s::int[])[1 + n %% 5], 0, 1, 0, 0, "
        "1 + n %% 3 "
        "FROM generate_series(1, 200000) AS n"
    ),
    "tasks that wait for later": (
        "INSERT INTO plait.waiting "
        "(run_id, position, due_at, schedule_us, action_id, task, attempt, retry, lost, priority) "
        "SELECT gen_random_uuid(), nextval('plait.position'), "
        "now() + interval '1 day', -1, (%s::int[])[1], 0, 1, 0, 0, 1 "
        "FROM generate_series(1, 200000) AS n"
    ),
    "history": (
        "INSERT INTO plait.attempt (run_id, finished_at, task, attempt, retry, status) "
        "SELECT gen_random_uuid(), now(), 0, (%s::int[])[1] * 0 + 1, 0, 2 FROM generate_series(1, 200000) AS n"
    ),
}


@pytest.mark.parametrize("backlog", BACKLOGS)
async def test_no_statement_costs_more_for_what_does_not_concern_it(
    driver: Driver, database: Database, backlog: str
) -> None:
    await driver.start(3)
    names = [task.name for task in WIDE.tasks]
    held = (await driver.claim(*names, limit=10))[:10]
    before = await count_all(driver, held)
    foreign = await driver.store.register_version(FOREIGN)
    database.query(BACKLOGS[backlog], list(foreign.actions))
    after = await count_all(driver, held)
    # An index of 200,000 entries is up to two levels deeper: a few pages more for each look-up, and nothing else.
    allowed = {statement: pages + 2 * LOOKUPS[statement] for statement, pages in before.items()}
    assert {name: pages for name, pages in after.items() if pages > allowed[name]} == {}, (before, after)


async def test_a_claim_costs_nothing_for_actions_of_which_nothing_is_ready(driver: Driver) -> None:
    """It goes from one action that has ready tasks to the next."""
    many = make_definition("many", **{f"task_{number}": [] for number in range(5_000)})
    await driver.start(1)
    version = await driver.store.register_version(many)
    pages = []
    for ranges in (driver.actions, find_ranges([driver.version.actions, version.actions])):
        claim = await count_pages(driver, "claim_tasks", driver.id, *ranges, 10, 2, 2, 1 << 20, [0, 0])
        pages.append((claim, await count_pages(driver, "peek_priority", ranges.lows, ranges.highs)))
    (claim, peek), (claim_of_many, peek_of_many) = pages
    # A look-up for the further range, among the tasks and among the suspects.
    assert claim_of_many <= claim + 4
    assert peek_of_many <= peek + 2


LOOKUPS = {
    "claim_tasks": 20 + 10 * 6,
    "peek_priority": 20 + 1,
    "claim_expired": 4,
    "finish_tasks": 10 * 10,
    "wake_tasks": 4,
    "read_next_due": 4,
}
"""At most so many index look-ups has each statement: for 20 actions, for 10 tasks."""
