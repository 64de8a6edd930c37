"""Hints go out at once where there are few, are bounded where there are many, and go where somebody waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from plait.store import hints
from plait.store.hints import Hub
from support.database import Database


class Ear:
    """A hub of another process, and what it hears."""

    def __init__(self, url: str) -> None:
        self.hub = Hub(url)
        self.heard: list[str] = []
        self._came = asyncio.Event()
        for kind in ("ready", "timer", hints.ASK):
            self.hub.subscribe(kind, partial(self._note, kind))
        self.hub.start()

    def _note(self, kind: str, subjects: list[str]) -> None:
        self.heard += [f"{kind} {subject}" for subject in subjects]
        self._came.set()

    async def wait_for(self, what: str) -> None:
        async with asyncio.timeout(30):
            while what not in self.heard:
                self._came.clear()
                await self._came.wait()

    async def open(self) -> Ear:
        await listen(self.hub)
        return self


async def listen(hub: Hub) -> None:
    """Wait until a hub hears what is asked for."""
    hub.start()
    async with asyncio.timeout(30):
        while not all(hub.is_listening(kind) for kind in hub._subscribers):
            await asyncio.sleep(0)


@pytest.fixture
async def ear(database: Database) -> AsyncIterator[Ear]:
    ear = await Ear(database.url).open()
    yield ear
    await ear.hub.stop()


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """That somebody asks counts at the moment only."""
    monkeypatch.setattr(hints, "ASK_SECONDS", 0.0)


async def test_a_few_hints_after_a_pause_go_at_once_though_they_come_one_after_another(hub: Hub, ear: Ear) -> None:
    hub._allowance.rate = 0.001
    for number in range(4):
        hub.publish("timer", [str(number)])
        await ear.wait_for(f"timer {number}")


@pytest.mark.usefixtures("forgetful")
async def test_hints_that_nobody_asks_for_are_kept_until_somebody_does(hub: Hub, ear: Ear) -> None:
    await listen(hub)
    hub.publish("ready", ["1"])
    hub.publish("timer", ["2"])
    await ear.wait_for("timer 2")
    assert "ready 1" not in ear.heard
    ear.hub.ask_for("ready")
    await ear.wait_for("ready 1")


async def test_hints_that_somebody_asks_for_are_sent_for_a_while(hub: Hub, ear: Ear) -> None:
    await listen(hub)
    hub._asked.clear()
    asked = asyncio.Event()
    hub.subscribe(hints.ASK, lambda subjects: asked.set() if subjects else None)
    ear.hub.ask_for("ready")
    await asyncio.wait_for(asked.wait(), 30)
    for number in range(3):
        hub.publish("ready", [str(number)])
        await ear.wait_for(f"ready {number}")


async def test_who_does_not_listen_cannot_know_who_asks_and_sends_all(hub: Hub, ear: Ear) -> None:
    hub.publish("ready", ["1"])
    await ear.wait_for("ready 1")


async def test_of_those_who_ask_for_the_same_one_says_so_for_all(database: Database, ear: Ear) -> None:
    other = await Ear(database.url).open()
    ear.hub.publish("timer", ["first"])
    assert ear.hub._sending is not None
    await ear.hub._sending  # from here on it knows its own hints
    ear.hub.ask_for("ready")
    await other.wait_for("ask ready")
    for name, one in (("one", ear), ("other", other)):
        for _ in range(3):
            one.hub.ask_for("ready")
        one.hub.publish("timer", [name])
    await ear.wait_for("timer other")
    await other.wait_for("timer one")
    assert "ask ready" not in ear.heard
    assert other.heard.count("ask ready") == 1
    await other.hub.stop()


async def test_what_is_kept_is_bounded_and_what_is_old_is_dropped(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub._hold("done", [str(number) for number in range(hints.MOST_HELD + 10)])
    assert next(iter(hub._held["done"])) == "10"
    assert len(hub._held["done"]) == hints.MOST_HELD
    monkeypatch.setattr(hints, "HELD_SECONDS", -1.0)
    hub._hold("done", ["x"])
    assert hub._held["done"] == {}


async def test_many_workers_share_what_all_may_send(hub: Hub) -> None:
    rates = list[float]()
    for workers in (1, 10, 100, 10_000):
        hub.note_fleet(workers)
        rates.append(hub._allowance.rate)
    assert rates == [hints.RATE, hints.RATE, 10.0, hints.LEAST_RATE]
