"""How many attempts a worker ended lately. Always counted: once per commit, not per task."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOWS = (10, 60, 300)
"""Seconds over which it is told."""


class Pace:
    """Ended and failed attempts by second, for the longest of the windows. On the engine's loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds: deque[list[int]] = deque()

    def note(self, ended: int, failed: int) -> None:
        """So many attempts ended now, ``failed`` of them by failing."""
        now = int(self._clock())
        if self._seconds and self._seconds[-1][0] == now:
            self._seconds[-1][1] += ended
            self._seconds[-1][2] += failed
        else:
            self._seconds.append([now, ended, failed])
            self._forget(now)

    def read(self) -> list[int]:
        """Ended and failed attempts for each window, as ``plait.worker.pace`` has it."""
        now = int(self._clock())
        self._forget(now)
        told = []
        for window in WINDOWS:
            recent = [second for second in self._seconds if second[0] > now - window]
            told += [sum(second[1] for second in recent), sum(second[2] for second in recent)]
        return told

    def _forget(self, now: int) -> None:
        while self._seconds and self._seconds[0][0] <= now - WINDOWS[-1]:
            self._seconds.popleft()
