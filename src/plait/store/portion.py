"""How much one statement may carry: less after each that was not answered in time, more while answers come quickly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from plait.store.connection import UnansweredError

LEAST_BYTES = 32 * 1024
QUICK_SECONDS = 1.0
"""An answer within it shows that the link carries more."""


@dataclass(slots=True)
class Load:
    """One statement on its way. Who sends it says with ``is_full`` whether it carried about all that it may: only then
    does a quick answer show anything. ``seconds``: how long the answer took."""

    is_full: bool = False
    seconds: float = 0.0


class Portion:
    """The bytes of values that one statement may carry now, between ``LEAST_BYTES`` and ``most``. Each statement that
    carries values is sent inside ``with portion.carry() as load``."""

    def __init__(self, most: int) -> None:
        self.bytes = most
        self._most = most

    def share(self, count: int) -> int:
        """The part of a count of rows that is as large as the part of the bytes; at least one."""
        return max(1, count * self.bytes // self._most)

    def is_filled(self, size: int, rows: int, most_rows: int) -> bool:
        """Whether so many bytes in so many rows are about all that one statement may carry now, of at most so many
        rows."""
        return 2 * size > self.bytes or rows >= self.share(most_rows)

    @contextmanager
    def carry(self) -> Iterator[Load]:
        """Around a statement and its answer: what was too much for its time shall be half as much, and what was
        answered quickly though it was full, twice as much."""
        load, sent = Load(), time.monotonic()
        try:
            yield load
        except UnansweredError:
            self.bytes = max(LEAST_BYTES, self.bytes // 2)
            raise
        load.seconds = time.monotonic() - sent
        if load.is_full and load.seconds < QUICK_SECONDS:
            self.bytes = min(self._most, self.bytes * 2)
