"""Waiting for a condition, with a deadline; the only place of the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 60.0
"""Generous, because it only matters when a test fails: two busy cores are slow, not wrong."""

_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.01, 0.1
_SHARE = 1 / 20
"""Of the time waited so far until the next look: a look is work for both sides, and what takes long may be seen a
twentieth later."""


def eventually(
    check: Callable[[], T], what: str = "", *, seconds: float = DEADLINE_SECONDS, pace: float | None = None
) -> T:
    """The first truthy answer of ``check``; an assertion fails at the deadline. ``pace``: seconds from one look to the
    next, for a state that does not stay."""
    start = time.monotonic()
    while not (answer := check()):
        waited = time.monotonic() - start
        assert waited < seconds, f"not within {seconds:g} s: {what or check} (last answer: {answer!r})"
        time.sleep(pace or min(max(waited * _SHARE, _SHORTEST_SECONDS), _LONGEST_SECONDS))
    return answer
