"""The monotonic clock by which attempts are timed. Tests move it forward instead of waiting; nothing else does."""

from __future__ import annotations

import time

_ahead = 0.0


def monotonic() -> float:
    """Seconds on the clock of ``execution_timeout``; only differences mean anything."""
    return time.monotonic() + _ahead


def shift(seconds: float) -> None:
    """Let ``seconds`` pass at once for every attempt of this process; negative ones take that back."""
    global _ahead
    _ahead += seconds
