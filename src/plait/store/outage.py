"""Waiting for a database that does not answer, and telling people of it: once at the start, once a minute, once at the
end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from plait.store.connection import iter_backoff

TELL_SECONDS = 60.0
"""A line of one kind comes at most so often, and one more when it is over."""


class Outage:
    """What every loop that sends something again does between two tries. One for each kind of work of a worker.

    ``doing`` completes "cannot …": "store results". Failures that begin within a minute of the last that were told are
    not told themselves but counted, and so is their end.
    """

    def __init__(self, logger: logging.Logger, doing: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._doing = doing
        self._clock = clock
        self._backoff: Iterator[float] = iter_backoff()
        self._since: float | None = None
        self._told_at = -TELL_SECONDS
        self._is_told = False
        self._untold = 0

    @property
    def lasts(self) -> bool:
        """Whether the last try failed."""
        return self._since is not None

    async def pause(self, error: BaseException, waiting: str = "") -> None:
        """A try failed: tell it, if it is time, and wait a little longer than the last time. ``waiting`` says what
        waits meanwhile."""
        await asyncio.sleep(self.note(error, waiting))

    def note(self, error: BaseException, waiting: str = "") -> float:
        """As ``pause``, but returns the seconds to wait."""
        now = self._clock()
        begins = self._since is None
        if self._since is None:
            self._since = now
        if now - self._told_at >= TELL_SECONDS:
            self._told_at, self._is_told = now, True
            start = "cannot" if begins else f"for {now - self._since:.0f} s now cannot"
            kept = f" ({waiting})" if waiting else ""
            since = f" ({self._untold} times more since the last such line)" if self._untold else ""
            self._untold = 0
            # What it does stands in the text itself: that makes it a kind of line of its own (worker/lines.py).
            self._logger.warning(f"%s {self._doing}%s, trying again: %s%s", start, kept, error, since)
        elif begins:
            self._untold += 1
        return next(self._backoff)

    def end(self, done: str = "") -> None:
        """A try succeeded. ``done`` says what that brought, if it was an outage."""
        if self._since is None:
            return
        if self._is_told:
            brought = f", {done}" if done else ""
            self._logger.warning(f"can {self._doing} again after %.0f s%s", self._clock() - self._since, brought)
        self._since, self._is_told, self._backoff = None, False, iter_backoff()
