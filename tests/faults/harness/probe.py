"""An unrelated task that is run over and over while harm is done: what its callers notice of it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from flows import probe
from flows.steps import Number
from plait import Plait
from plait.errors import DatabaseUnavailableError

PAUSE_SECONDS = 0.05


class Probe:
    """Calls ``probe`` again and again from a thread, through a client of its own, and notes how long each call took
    from its trigger to its result. Its worker is the test's to start."""

    def __init__(self, url: str) -> None:
        self.seconds: list[float] = []
        self.failures: list[BaseException] = []
        """Calls that the database was away for too long for."""
        self._plait = Plait(url)
        self._task = probe.declare(self._plait).probe
        self._stop = threading.Event()
        self._begun = 0.0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._call()), name="probe", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it with the call under way."""
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), f"the probe's last call has not come back for {self.waiting:.0f} s"
        self._plait.close()

    @property
    def waiting(self) -> float:
        """Seconds since the call under way was made."""
        return time.monotonic() - self._begun

    def find_percentile(self, share: float) -> float:
        """The time that ``share`` of the calls did not exceed."""
        if not self.seconds:
            return 0.0
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * share))]

    async def _call(self) -> None:
        while not self._stop.is_set():
            self._begun = time.monotonic()
            try:
                result: Any = await self._task.aio_run(Number(n=len(self.seconds)))
                assert result == len(self.seconds)
                self.seconds.append(time.monotonic() - self._begun)
            except DatabaseUnavailableError as error:
                self.failures.append(error)
            await asyncio.sleep(PAUSE_SECONDS)
