"""Ids of runs and workers: UUIDv7 (RFC 9562), so that the order of keys is the order of time."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime
from uuid import UUID

_lock = threading.Lock()
_last = 0


def bound_run_id(moment: datetime) -> UUID:
    """The smallest id a run made at ``moment`` can have (by the clock of whoever made it)."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def new_run_id() -> UUID:
    """A fresh UUIDv7, greater than every one this process made before.

    48 bits of Unix milliseconds, then 12 bits that count within the millisecond (RFC 9562, section 6.2, method 3:
    sub-millisecond fraction, made monotonic), then 62 random bits.
    """
    global _last
    now = time.time_ns()
    stamp = (now // 1_000_000 << 12) | (now % 1_000_000 << 12) // 1_000_000
    with _lock:
        _last = stamp = max(stamp, _last + 1)
    tail = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=(stamp >> 12) << 80 | 0x7000 << 64 | (stamp & 0xFFF) << 64 | 0x8000 << 48 | tail)
