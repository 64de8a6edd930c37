"""Stores what tasks write to their logs, apart from their outcomes: in batches, on a connection of its own.

A task never waits for its log. Each attempt may write so much; what the database does not take in time is dropped
with a warning.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from plait.engine.current import current_attempt
from plait.errors import DatabaseUnavailableError
from plait.graph.attempt import Attempt
from plait.store.changes import LOGGED, ChangeTeller
from plait.store.connection import LinkPool
from plait.store.logs import LogRow, LogStore
from plait.store.outage import Outage

if TYPE_CHECKING:
    from plait.store.hints import Hub

logger = logging.getLogger("plait.worker")

FLUSH_SECONDS = 0.2
"""Lines are stored that soon; at once when their attempt ends."""
BATCH_LINES, BATCH_BYTES = 2_000, 1 << 20
MOST_LINES, MOST_BYTES = 10_000, 1 << 20
"""What one attempt may write. Of more, one line says that it was cut."""
LINE_LIMIT = 10_000
"""Characters of one line; of a longer one the beginning is kept."""
PENDING_LINES, PENDING_BYTES = 50_000, 32 << 20
"""What waits in memory for the database at most."""
WARN_SECONDS = 10.0
CLOSE_SECONDS = 2.0

_last_seq = 0
_seq_lock = threading.Lock()


def make_line(text: str) -> str:
    """``text`` as it can be stored and shown."""
    if len(text) > LINE_LIMIT:
        text = f"{text[:LINE_LIMIT]}… {len(text) - LINE_LIMIT} characters left out"
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def _next_seq() -> int:
    """Microseconds since 1970, each given once by this process."""
    global _last_seq
    with _seq_lock:
        _last_seq = max(time.time_ns() // 1000, _last_seq + 1)
        return _last_seq


class AttemptLog:
    """What one attempt wrote so far. Any thread may write."""

    __slots__ = ("_bytes", "_key", "_lines", "_lock", "_writer")

    def __init__(self, writer: LogWriter, key: tuple[UUID, int, int]) -> None:
        self._writer = writer
        self._key = key
        self._lines = self._bytes = 0
        self._lock = threading.Lock()

    def write(self, level: int, text: str) -> None:
        """Add a line, unless the attempt wrote too much already."""
        line = make_line(text)
        with self._lock:
            if self._lines > MOST_LINES:
                return
            self._lines += 1
            self._bytes += len(line)
            if self._lines > MOST_LINES or self._bytes > MOST_BYTES:
                self._lines = MOST_LINES + 1
                level = logging.WARNING
                line = f"… cut: this attempt logged more than {MOST_LINES:,} lines or {MOST_BYTES >> 20} MiB"
            seq = _next_seq()
        run_id, task, attempt = self._key
        self._writer.add(LogRow(run_id, seq, task, attempt, min(max(level, 0), 100), line))


class LogWriter:
    """Takes lines from any thread and stores them from the engine's loop."""

    def __init__(self, url: str, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = LinkPool(url, size=1, name="plait logs")
        self._store = LogStore(self._pool)
        self._teller = ChangeTeller(hub, LOGGED)
        self._loop = loop
        self._pending: deque[LogRow] = deque()
        self._pending_bytes = 0
        self._outage = Outage(logger, "store what tasks log")
        self._dropped = 0
        self._warned = -WARN_SECONDS
        self._woken = False
        self._timer: asyncio.TimerHandle | None = None
        self._draining: asyncio.Task[None] | None = None

    # from any thread

    def open_log(self, attempt: Attempt) -> AttemptLog:
        """The log of an attempt."""
        return AttemptLog(self, (attempt.run.id, attempt.task, attempt.attempt))

    def add(self, row: LogRow) -> None:
        """Take a line; returns at once."""
        if len(self._pending) >= PENDING_LINES or self._pending_bytes >= PENDING_BYTES:
            self._dropped += 1
            return
        self._pending.append(row)
        self._pending_bytes += len(row.line)
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._arm)
            except RuntimeError:  # the engine is gone; the process is ending
                return

    # on the engine's loop

    def start(self) -> None:
        """Begin to tell watchers of new lines."""
        self._teller.start()

    def hurry(self) -> None:
        """An attempt ended: store now what it wrote."""
        if self._pending and (self._draining is None or self._draining.done()):
            self._begin()

    async def close(self) -> None:
        """Store what waits, for a bounded time, and disconnect."""
        self.hurry()
        if self._draining is not None:
            await asyncio.wait([self._draining], timeout=CLOSE_SECONDS)
            self._draining.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._pending:
            logger.warning("%d lines of tasks' logs were not stored", len(self._pending))
        self._teller.stop()
        await self._pool.close()

    def _arm(self) -> None:
        if self._timer is None and (self._draining is None or self._draining.done()):
            self._timer = self._loop.call_later(FLUSH_SECONDS, self._begin)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._draining is None or self._draining.done():
            self._draining = self._loop.create_task(self._drain(), name="plait-logs")

    async def _drain(self) -> None:
        while True:
            # Before looking: a line that comes while nothing is left wakes the loop again.
            self._woken = False
            batch = self._take()
            if not batch:
                break
            await self._write(batch)
            self._warn_of_dropped()

    def _take(self) -> list[LogRow]:
        batch: list[LogRow] = []
        size = 0
        while self._pending and len(batch) < BATCH_LINES and size < BATCH_BYTES:
            row = self._pending.popleft()
            size += len(row.line)
            batch.append(row)
        self._pending_bytes -= size
        return batch

    async def _write(self, batch: list[LogRow]) -> None:
        while True:
            try:
                await self._store.insert(batch)
                self._outage.end()
                break
            except DatabaseUnavailableError as error:
                await self._outage.pause(error, f"{len(batch) + len(self._pending)} lines wait in memory")
            except asyncpg.PostgresError as error:
                logger.warning("the database refused %d lines of tasks' logs: %s", len(batch), error)
                return
        self._teller.tell({row.run_id for row in batch})

    def _warn_of_dropped(self) -> None:
        if self._dropped and time.monotonic() - self._warned > WARN_SECONDS:
            self._warned = time.monotonic()
            dropped, self._dropped = self._dropped, 0
            logger.warning("%d lines of tasks' logs were dropped: tasks log faster than the database stores", dropped)


class TaskLogHandler(logging.Handler):
    """Gives what a task logs by Python's logging to the log of its attempt, where its worker wants that."""

    def emit(self, record: logging.LogRecord) -> None:
        """Store a record that was made inside a task; Plait's own are left out."""
        current = current_attempt.get()
        if (
            current is None
            or not current.host.capture_logs
            or record.name == "plait"
            or record.name.startswith("plait.")
        ):
            return
        try:
            current.write_log(record.levelno, self.format(record))
        except Exception:  # a record that cannot be formatted: logging's own way to say so
            self.handleError(record)


_handler = TaskLogHandler()
_users = 0


@contextmanager
def capture_logs() -> Iterator[None]:
    """Have the root logger pass on what tasks log, for the time of the block; counted, as workers may overlap."""
    global _users
    _users += 1
    if _users == 1:
        logging.getLogger().addHandler(_handler)
    try:
        yield
    finally:
        _users -= 1
        if _users == 0:
            logging.getLogger().removeHandler(_handler)
