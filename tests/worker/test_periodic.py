"""Maintenance loops: how they begin and end."""

from __future__ import annotations

import asyncio

from plait.maintenance.periodic import PeriodicService


class Sleeper(PeriodicService):
    """Counts its rounds and has nothing to do for an hour."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds = 0
        self.round_begun = asyncio.Event()

    async def run_once(self) -> float:
        self.rounds += 1
        self.round_begun.set()
        return 3600.0


async def test_a_stop_that_comes_together_with_a_poke_ends_the_loop() -> None:
    service = Sleeper()
    service.start()
    await service.round_begun.wait()
    await asyncio.sleep(0)  # now it sleeps

    service.poke()
    stopping = asyncio.create_task(service.stop())
    done, _ = await asyncio.wait([stopping], timeout=5)
    assert done, "the loop goes on"


async def test_a_poke_brings_the_next_round_at_once() -> None:
    service = Sleeper()
    service.start()
    await service.round_begun.wait()
    service.round_begun.clear()

    service.poke()
    async with asyncio.timeout(5):
        await service.round_begun.wait()

    assert service.rounds == 2
    await service.stop()


async def test_starting_twice_and_stopping_twice_is_fine() -> None:
    service = Sleeper()
    service.start()
    service.start()
    await service.round_begun.wait()
    await service.stop()
    await service.stop()
    assert service.rounds == 1


async def test_a_round_that_fails_is_tried_again() -> None:
    class Failing(Sleeper):
        async def run_once(self) -> float:
            self.rounds += 1
            if self.rounds == 1:
                raise KeyError("unforeseen")
            self.round_begun.set()
            return 3600.0

    service = Failing()
    service.start()
    async with asyncio.timeout(5):
        await service.round_begun.wait()
    assert service.rounds == 2
    await service.stop()
