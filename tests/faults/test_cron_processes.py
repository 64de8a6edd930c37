"""Crons and scheduled runs that several processes look after, some of which die."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows import ticking
from plait import Plait
from plait.client import get_access
from support.database import Database
from support.ledger import Ledger
from support.workers import STEADY

SECONDS = 20
FIRES = "SELECT (metadata ->> 'fire_time')::timestamptz FROM plait.run WHERE trigger_kind = 3 ORDER BY 1"


@pytest.mark.long
def test_three_processes_one_killed_give_exactly_one_run_to_every_second(
    plait: Plait, database: Database, ledger: Ledger, worker_process: Callable[..., Any]
) -> None:
    workers = [worker_process("ticking", timings=STEADY) for _ in range(3)]
    assert database.count("cron") == 1
    database.wait("SELECT count(*) >= %s FROM plait.run WHERE status <> 0", SECONDS // 2)
    leader = database.value("SELECT w.pid FROM plait.lease l JOIN plait.worker w ON w.id = l.holder")
    victim = next(worker for worker in workers if worker.pid == leader)
    victim.kill()  # the one that fires them
    database.wait("SELECT count(*) >= %s FROM plait.run WHERE status <> 0", SECONDS)
    plait.cron.pause(plait.cron.list()[0].id)
    database.wait_ended(SECONDS)
    fires = [row[0] for row in database.query(FIRES)]
    assert fires == [fires[0] + timedelta(seconds=n) for n in range(len(fires))]
    assert len(fires) >= SECONDS
    assert {entry.pid for entry in ledger.read()} > {victim.pid}
    assert database.value("SELECT bool_and(status = 2) FROM plait.run")


def test_many_leaders_at_a_time_fire_each_time_once(plait: Plait, database: Database) -> None:
    """Two leaders can be at work for a moment, when a lease changes hands; here eight are, on purpose."""
    from plait.maintenance.schedules import Schedules  # noqa: PLC0415 - asyncpg comes with it

    flow = ticking.declare(plait, expression="@yearly").tick
    crons = [flow.create_cron(f"every second {n}", "* * * * * *", catch_up="all") for n in range(5)]
    moments = [datetime.now(UTC) for _ in range(50)]
    scheduled = [flow.schedule(moment) for moment in moments]
    database.query("UPDATE plait.cron SET next_at = date_trunc('second', now()) - interval '100 seconds'")
    others = [Plait(database.url) for _ in range(8)]

    async def work(other: Plait) -> None:
        loop = Schedules((await get_access(other).open_engine()).store)
        for _ in range(10):
            await loop.run_once()

    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(lambda other: get_access(other).portal.call(work(other)), others))
    for other in others:
        other.close()
    for cron in crons:
        rows = database.query(FIRES.replace("ORDER", "AND trigger_id = %s ORDER"), cron.id)
        fires = [row[0] for row in rows]
        assert len(fires) >= 101
        assert fires == [fires[0] + timedelta(seconds=n) for n in range(len(fires))]
    assert database.count("run", "trigger_kind = 4") == len(scheduled)
    assert database.count("scheduled", "run_id IS NULL") == 0
