"""The engine's own thread and event loop, and the way onto it from any other thread or loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger("plait.engine")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop where it is installed (``pip install plait[uvloop]``), else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - optional
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Portal:
    """A daemon thread that runs one event loop. User code never runs on it, so nothing the user does delays it.

    ``call`` is how synchronous code uses the asynchronous engine: there is no second implementation of anything.
    """

    def __init__(self, name: str = "plait-engine") -> None:
        self.loop = new_event_loop()
        self.on_death: Callable[[BaseException | None], None] | None = None
        """Called on the dying thread when the loop ends although nobody stopped it."""
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def has_died(self) -> bool:
        """Whether the thread has ended although nobody stopped it."""
        return not self._stopped and not self._thread.is_alive()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the engine's loop and block until it is done.

        An interrupt (Ctrl-C) of the calling thread cancels the coroutine. Raises ``RuntimeError`` from the engine's
        own thread, where it would wait for itself.
        """
        self._refuse_own_thread(coroutine)
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def acall(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the engine's loop and wait for it from any other loop (or from this one)."""
        if threading.current_thread() is self._thread:
            return await coroutine
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the engine's loop without waiting."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def stop(self) -> None:
        """Cancel what still runs and end the thread; bounded to two seconds."""
        self._stopped = True
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout=2)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        error: BaseException | None = None
        try:
            self.loop.run_forever()
        except BaseException as raised:
            error = raised  # reported below; there is nobody to raise it to
        finally:
            if not self._stopped:
                self._report_death(error)
            pending = asyncio.all_tasks(self.loop)
            for task in pending:
                task.cancel()
            if pending:
                self.loop.run_until_complete(asyncio.wait(pending, timeout=1))
            self.loop.close()

    def _report_death(self, error: BaseException | None) -> None:
        logger.critical("the thread %s of Plait's engine ended: %r", self._thread.name, error, exc_info=error)
        if self.on_death is not None:
            self.on_death(error)

    def _refuse_own_thread(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("a blocking Plait call was made on the engine's own thread; use the aio_ twin")
