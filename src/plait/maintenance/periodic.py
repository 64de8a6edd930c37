"""The one shape of every maintenance loop: bounded work, counts returned, sleep until there is more to do."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress

import asyncpg

from plait.errors import PlaitError
from plait.store.connection import iter_backoff
from plait.store.outage import Outage

logger = logging.getLogger("plait.maintenance")


class PeriodicService(ABC):
    """A loop around ``run_once``. ``start`` and ``stop`` may be called in any order and repeatedly; a failing round is
    logged and tried again later, it never ends the loop."""

    name = "service"
    hint: str | None = None
    """The kind of hint upon which the next round is due at once."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._poked = asyncio.Event()
        self._outage = Outage(logger, f"run the {self.name}")

    @abstractmethod
    async def run_once(self) -> float:
        """Do one bounded round and return the seconds until the next is due; 0 when there is more to do now."""

    def poke(self, _subjects: list[str] | None = None) -> None:
        """Have the next round now. A subscriber of hints."""
        self._poked.set()

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        if not self.is_running:
            self._task = asyncio.create_task(self._run(), name=f"plait-{self.name}")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        backoff = iter_backoff()
        while True:
            self._poked.clear()
            try:
                pause = await self.run_once()
                backoff = iter_backoff()
                self._outage.end()
            except (PlaitError, asyncpg.PostgresError) as error:
                pause = self._outage.note(error)
            except Exception:
                pause = next(backoff)
                logger.exception("%s failed; again in %.1f s", self.name, pause)
            with suppress(TimeoutError):
                if pause > 0:
                    # Not wait_for: before Python 3.12 it swallows a cancellation that comes together with the poke.
                    async with asyncio.timeout(pause):
                        await self._poked.wait()
