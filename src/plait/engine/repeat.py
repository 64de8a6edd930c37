"""Patience with a database that does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from plait.errors import DatabaseUnavailableError

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds for which a statement is sent again while the database does not answer."""


async def repeat(send: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Send a statement that bears repetition until it is answered, for up to ``PATIENCE`` seconds. Then raises
    ``DatabaseUnavailableError``."""
    from plait.store.connection import iter_backoff  # noqa: PLC0415 - asyncpg comes with it

    deadline = time.monotonic() + PATIENCE
    for delay in iter_backoff():
        try:
            return await send(*args)
        except DatabaseUnavailableError:
            if time.monotonic() + delay > deadline:
                raise
            await asyncio.sleep(delay)
    raise AssertionError("iter_backoff never ends")
