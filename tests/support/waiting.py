"""Waiting for a condition, with a deadline; the only place of the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 60.0
"""Generous, because it only matters when a test fails: two busy cores are slow, not wrong."""

_LOOK_SECONDS = 0.01


def eventually(check: Callable[[], T], what: str = "", *, seconds: float = DEADLINE_SECONDS) -> T:
    """The first truthy answer of ``check``; an assertion fails at the deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what or check} (last answer: {answer!r})"
        time.sleep(_LOOK_SECONDS)
    return answer
