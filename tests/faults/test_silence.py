"""For how long a worker was silent: counted while somebody watches, by nobody's clock on the wall."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from plait.ids import new_run_id
from plait.maintenance.reaper import Reaper
from plait.store.hints import Hub
from plait.worker.heartbeat import Heartbeat
from plait.worker.identity import Identity
from support.driver import Driver, make_definition, settle
from support.workers import QUICK

OpenDriver = Callable[..., Awaitable[Driver]]

ONE = make_definition("one", only=[])


@pytest.fixture
async def driver(open_driver: OpenDriver) -> Driver:
    """A worker whose lease is a minute, and that never beats unless told to."""
    driver = await open_driver(ONE)
    driver.id = new_run_id()
    await driver.register(lease=60)
    return driver


async def test_silence_is_counted_across_leaders(driver: Driver) -> None:
    first = await driver.store.reap_workers(10)
    first = await driver.store.reap_workers(10, step=40, watched=first.watched)
    assert first.workers == 0
    second = await driver.store.reap_workers(10)  # another leads: at first it has watched nothing
    second = await driver.store.reap_workers(10, step=15, watched=second.watched)
    assert second.workers == 0
    second = await driver.store.reap_workers(10, step=15, watched=second.watched)
    assert (second.workers, second.watched) == (1, 70_000_000)


async def test_two_who_watch_at_once_count_once(driver: Driver) -> None:
    seen = await driver.store.reap_workers(10)
    for _ in range(2):
        reaped = await driver.store.reap_workers(10, step=40, watched=seen.watched)
    assert (reaped.workers, reaped.watched) == (0, 40_000_000)


async def test_a_heartbeat_ends_the_silence_and_a_new_worker_begins_with_none(driver: Driver) -> None:
    reaped = await driver.store.reap_workers(10)
    for _ in range(3):
        reaped = await driver.store.reap_workers(10, step=40, watched=reaped.watched)
        assert reaped.workers == 0
        assert await driver.store.beat_worker(driver.id, time.time()) is not None
    driver.id = new_run_id()
    await driver.register(lease=60)
    reaped = await driver.store.reap_workers(10, step=40, watched=reaped.watched)
    assert reaped.workers == 0


async def test_a_worker_is_given_the_step_by_which_its_heartbeat_may_be_younger(driver: Driver) -> None:
    reaped = await driver.store.reap_workers(10)
    for seconds in (30, 32):
        reaped = await driver.store.reap_workers(10, step=seconds, watched=reaped.watched, longest_step=32)
        assert reaped.workers == 0


async def test_a_reaper_counts_one_round_at_the_most(driver: Driver, hub: Hub) -> None:
    reaper = Reaper(driver.store, hub, every=0.001)
    await reaper.run_once()
    reaper._answered -= 60.0  # as if the process had stood still
    await reaper.run_once()
    assert (await driver.store.reap_workers(10)).watched == 1000


async def test_a_heartbeat_saves_its_worker_from_a_reaping_that_had_begun(
    driver: Driver, open_driver: OpenDriver
) -> None:
    holder, reaper = await open_driver(ONE), await open_driver(ONE)
    watched = (await driver.store.reap_workers(10)).watched
    transaction = holder.connection.transaction()
    await transaction.start()
    await holder.connection.execute("UPDATE plait.watch SET watched_us = watched_us + 50000000")
    reaping = asyncio.create_task(reaper.run("reap_workers", 10, 50_000_000, watched + 50_000_000, 0))
    await settle(reaping, reaper.pid, driver.connection)
    await driver.connection.execute(
        "UPDATE plait.worker SET watched_us = 100000000 WHERE id = ANY ($1)", [driver.id, holder.id, reaper.id]
    )
    await transaction.commit()
    [row] = await reaping
    assert (row["watched_us"], row["dead"]) == (100_000_000, 0)


async def test_a_worker_that_stands_still_while_it_is_answered_says_so(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endings: asyncio.Queue[str] = asyncio.Queue()
    beat_worker = driver.store.beat_worker

    async def beat_and_stand_still(*arguments: Any) -> Any:
        answer = await beat_worker(*arguments)
        time.sleep(2 * QUICK.lease)  # noqa: ASYNC251 - a task holds the interpreter
        return answer

    async def lose(_why: str, ending: str) -> None:
        await endings.put(ending)

    monkeypatch.setattr(driver.store, "beat_worker", beat_and_stand_still)
    identity = Identity("driver", 1, QUICK, id=driver.id)
    identity.begin()
    heartbeat = Heartbeat(
        driver.store,
        identity,
        read_pace=lambda: [1, 0] * 3,
        list_switched_off=list,
        lose=lose,
        note_fleet=lambda _: None,
    )
    beating = asyncio.create_task(heartbeat.run())
    assert await endings.get() == "stalled"
    beating.cancel()
