"""Daemon threads for synchronous tasks: made when needed, kept while idle, never a reason for a process to hang."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class ThreadPool:
    """Runs callables on daemon threads.

    Unlike ``concurrent.futures`` there is no bound (the worker's slots are the bound) and no join at exit: a task
    that ignores its cancellation must not keep the process alive.
    """

    def __init__(self, name: str, *, idle_seconds: float = 30.0) -> None:
        self._name = name
        self._idle_seconds = idle_seconds
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._made = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` soon. It must not raise."""
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
                spawn = False
            else:
                self._made += 1
                spawn = True
        self._jobs.put(job)
        if spawn:
            threading.Thread(target=self._work, name=f"{self._name}-{self._made}", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._idle_seconds)
            except queue.Empty:
                with self._lock:
                    # Counted idle and nothing came: leave, unless a job was promised to this thread meanwhile.
                    if self._idle > 0:
                        self._idle -= 1
                        return
                continue
            if job is None:
                return
            job()
            with self._lock:
                self._idle += 1
