"""A thread for what exporting spans may cost: neither the engine nor a task waits for it."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

logger = logging.getLogger("plait.tracing")

MOST_WAITING = 20_000
"""Jobs that wait at most; where exporting is slower than working, what comes on top is not exported."""
WARN_SECONDS = 60.0


class Recorder:
    """Does jobs in order on a thread of its own, which starts with the first one. Any thread may give it some."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._pid = 0
        self._dropped = 0
        self._warned = -WARN_SECONDS

    def put(self, job: Callable[[], None]) -> None:
        """Have ``job`` done soon; returns at once."""
        if self._jobs.qsize() >= MOST_WAITING:
            self._dropped += 1
            return
        if self._pid != os.getpid():
            self._start()
        self._jobs.put(job)

    async def drain(self, seconds: float) -> bool:
        """Wait until everything that was given before is done; whether it is.

        Takes no thread but the recorder's own: at the end of the interpreter there are no executors any more.
        """
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def tell_done() -> None:
            with suppress(RuntimeError):  # too late: the loop is closed
                loop.call_soon_threadsafe(done.set)

        self.put(tell_done)
        try:
            async with asyncio.timeout(seconds):
                await done.wait()
        except TimeoutError:
            return False
        return True

    def _start(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            if self._pid:  # a fork: the thread and what it had to do are the parent's
                self._jobs = SimpleQueue()
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="plait-tracing", daemon=True).start()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except Exception as error:
                self.tell(error)
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self.tell(f"{dropped} spans were dropped: they come faster than they are exported")

    def tell(self, what: object) -> None:
        """Log what is wrong with tracing, now and then: it may go wrong with every single span."""
        now = time.monotonic()
        if now - self._warned > WARN_SECONDS:
            self._warned = now
            logger.warning("tracing: %s", what if isinstance(what, str) else f"{type(what).__name__}: {what}")
