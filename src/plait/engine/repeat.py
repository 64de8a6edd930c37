"""Patience with a database that does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from plait.engine.current import current_attempt
from plait.errors import DatabaseUnavailableError

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds for which a statement is sent again while the database does not answer."""
FIRST_TRY = PATIENCE / 3
"""How long the first try may take: what a dead connection swallowed goes through another one well in time."""

LEAST_TRY = 1.0


async def repeat(send: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Send a statement that bears repetition until it is answered, for up to ``PATIENCE`` seconds, inside a task for as
    long as its worker's lease. Then raises ``DatabaseUnavailableError``; at once where the database refuses."""
    return await persist(partial(repeat_briefly, send), *args)


async def repeat_briefly(send: Callable[..., Awaitable[T]], *args: Any) -> T:
    """``repeat`` for what several callers share: never for longer than ``PATIENCE``."""
    from plait.store.connection import call_limit, iter_backoff  # noqa: PLC0415 - asyncpg comes with it

    deadline = time.monotonic() + PATIENCE
    limit = FIRST_TRY
    for delay in iter_backoff():
        token = call_limit.set(limit)
        try:
            return await send(*args)
        except DatabaseUnavailableError as error:
            left = deadline - time.monotonic() - delay
            if left <= 0 or error.refused:
                raise
            limit = max(LEAST_TRY, left)
        finally:
            call_limit.reset(token)
        await asyncio.sleep(delay)
    raise AssertionError("iter_backoff never ends")


async def persist(send: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Call what raises ``DatabaseUnavailableError`` when its own patience is over; inside a task again, for as long as
    its worker's lease. For so long the worker keeps the task, and the task shall not fail for an outage either."""
    current = current_attempt.get()
    deadline = time.monotonic() + (0.0 if current is None else current.host.lease)
    while True:
        try:
            return await send(*args)
        except DatabaseUnavailableError as error:
            if error.refused or time.monotonic() > deadline:
                raise
