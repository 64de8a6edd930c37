"""Work beside all else, which a stopping worker waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Tasks of the engine's loop that are kept until they are done."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin with something, without waiting for it."""
        task = asyncio.create_task(work, name="plait-beside")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def list_open(self) -> list[asyncio.Task[Any]]:
        """What is not done."""
        return list(self._tasks)
