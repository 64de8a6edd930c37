"""Keeps a worker's log readable when much goes wrong at once: no storm of the same line."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_LINES, SECONDS = 10, 60.0
LOGGERS = ("plait.worker", "plait.maintenance", "plait.expressions")


@dataclass(slots=True)
class _Kind:
    since: float
    told: set[str] = field(default_factory=set)
    left_out: int = 0


class LineLimit(logging.Filter):
    """Of one kind it lets through ``MOST_LINES`` lines in ``SECONDS``, each text once, and counts the others; the next
    line of that kind has the count. A kind is what stands in the code, whatever the values are."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is told."""
        text, now = record.getMessage(), self._clock()
        with self._lock:
            kind = self._kinds.setdefault(str(record.msg), _Kind(now))
            if now - kind.since >= SECONDS:
                if kind.left_out:
                    record.msg = f"{record.msg} (and {kind.left_out} more such lines since the last one)"
                kind.since, kind.told, kind.left_out = now, set(), 0
            if text in kind.told or len(kind.told) == MOST_LINES:
                kind.left_out += 1
                return False
            kind.told.add(text)
            if len(kind.told) == MOST_LINES:
                record.msg = f"{record.msg} (the next such lines of this minute are only counted)"
            return True

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._kinds.clear()


line_limit = LineLimit()


def limit_lines() -> None:
    """Have the lines of a worker limited in this process. Repeatable."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(line_limit)
