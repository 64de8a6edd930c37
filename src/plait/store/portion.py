"""How much one statement may carry: less after each that was not answered in time, more while answers come quickly."""

from __future__ import annotations

from plait.store.connection import UnansweredError

LEAST_BYTES = 32 * 1024
QUICK_SECONDS = 1.0
"""An answer within it shows that the link carries more."""


class Portion:
    """The bytes of values that one statement may carry now, between ``LEAST_BYTES`` and ``most``."""

    def __init__(self, most: int) -> None:
        self.bytes = most
        self._most = most

    def share(self, count: int) -> int:
        """The part of a count of rows that is as large as the part of the bytes; at least one."""
        return max(1, count * self.bytes // self._most)

    def note(self, seconds: float, *, full: bool) -> None:
        """A statement was answered after so long. ``full``: it carried about all that it may."""
        if full and seconds < QUICK_SECONDS:
            self.bytes = min(self._most, self.bytes * 2)

    def note_failure(self, error: Exception) -> None:
        """A statement failed: where it was too much for its time, the next shall be half as much."""
        if isinstance(error, UnansweredError):
            self.bytes = max(LEAST_BYTES, self.bytes // 2)
