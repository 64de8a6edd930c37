"""How often something may be done: so many times a second in the long run, and a few times at once after a pause."""

from __future__ import annotations

import time
from collections.abc import Callable


class Allowance:
    """``rate`` times a second, ``burst`` times at once, for whoever keeps to ``delay`` and calls ``take``."""

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._burst = burst
        self._clock = clock
        self._spent_until = 0.0
        """When all that was taken would have been taken at the rate."""

    def delay(self) -> float:
        """Seconds to wait until the next time; 0: it may be now."""
        return max(0.0, self._spent_until - (self._burst - 1) / self.rate - self._clock())

    def take(self) -> None:
        """It is done once more."""
        self._spent_until = max(self._clock(), self._spent_until) + 1 / self.rate
