"""A worker that was declared dead: it takes nothing any more, hears of it, and goes on under another id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from plait import Context, EmptyModel, Plait
from plait.graph.definition import WorkflowDefinition
from plait.worker.identity import Timings
from support.database import Database
from support.driver import Driver, make_definition
from support.oracle import check_at_rest

OpenDriver = Callable[[WorkflowDefinition], Awaitable[Driver]]

ONE = make_definition("one", only=[])

DECLARE_DEAD = "UPDATE plait.worker SET ended_at = now(), ending = 'silent' WHERE id = %s"


async def test_a_worker_that_was_declared_dead_gets_no_task(open_driver: OpenDriver, database: Database) -> None:
    driver = await open_driver(ONE)
    await driver.start(2)
    database.query(DECLARE_DEAD, driver.id)
    claimed = await driver.store.claim_tasks(driver.id, driver.actions, 10)
    assert not claimed.alive
    assert claimed.rows == []
    assert claimed.seen == 0  # nothing to ask for again at once
    database.query("UPDATE plait.ready SET expires_at = '-infinity'")
    assert await driver.store.claim_expired(driver.id, 10) == []
    assert database.count("ready") == 2


def test_a_worker_that_was_declared_dead_hears_of_it_when_it_claims(
    plait: Plait, work: Callable[..., Any], database: Database
) -> None:
    @plait.task()
    def sample(input: EmptyModel, ctx: Context) -> int:
        return 7

    worker = work(sample, timings=Timings(heartbeat=500, lease=1000)).worker
    dead = worker.id
    database.query(DECLARE_DEAD, dead)
    assert sample.run_no_wait().result(30) == 7
    assert worker.id != dead
    assert database.query("SELECT worker_id FROM plait.attempt") == [(worker.id,)]
    check_at_rest(database)
