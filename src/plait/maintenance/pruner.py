"""Deletes runs that ended long ago, where a retention is set."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from plait.maintenance.periodic import PeriodicService

if TYPE_CHECKING:
    from plait.store.retention import Age, RetentionStore

logger = logging.getLogger("plait.maintenance")

SCANNED = 500
"""Runs that one statement looks at."""
TASKS = 2000
"""About how many tasks the runs have that one statement deletes."""
LIMIT = 5000
"""Rows of anything else that one statement deletes."""
PAUSE_SECONDS = 60.0
"""Between two looks through what is old enough."""
FIRST = datetime(1, 1, 2, tzinfo=UTC), 0
"""Older than any run."""


@dataclass(slots=True)
class Pruned:
    """How many of each were deleted."""

    runs: int = 0
    events: int = 0
    scheduled: int = 0
    workers: int = 0

    def __bool__(self) -> bool:
        return bool(self.runs or self.events or self.scheduled or self.workers)


async def prune(store: RetentionStore, before: datetime, tell: Callable[[Pruned], None] = lambda _: None) -> Pruned:
    """Delete what is older than ``before``, a small statement at a time; ``tell`` after each what is deleted so far.

    Deleted are runs that ended before, with their attempts, logs, waits and idempotency keys, but a child run only
    with its parent run or after it; then events, started scheduled runs and ended workers of that time. What is active,
    what waits and what is still to be delivered stays, however old it is.

    What cannot be deleted does not keep the rest from it: the first error is raised when all was tried.
    """
    pruned = Pruned()
    failed: list[Exception] = []
    for kind, steps in (
        ("runs", _prune_runs(store, before)),
        ("events", _repeat(store.prune_events, before)),
        ("scheduled", _repeat(store.prune_scheduled, before)),
        ("workers", _repeat(store.prune_workers, before)),
    ):
        try:
            async for count in steps:
                setattr(pruned, kind, getattr(pruned, kind) + count)
                tell(pruned)
        except Exception as error:
            logger.warning("old %s could not be deleted: %s", kind, error)
            failed.append(error)
    if failed:
        raise failed[0]
    return pruned


async def count_prunable(store: RetentionStore, before: datetime) -> int:
    """How many runs ended before a moment, without the child runs of such runs."""
    count = 0
    last: Age | None = FIRST
    while last is not None:
        _, last, families = await store.list_prunable(last, before, SCANNED, 2**31 - 1)
        count += families
    return count


async def _prune_runs(store: RetentionStore, before: datetime) -> AsyncIterator[int]:
    """Delete runs; yields how many after each statement.

    A child goes with its parent or on a later page. Only where the server's clock was set back is it on an earlier one,
    and waits for another look from the start.
    """
    deleted = 1
    while deleted:
        deleted = 0
        last: Age | None = FIRST
        while last is not None:
            runs, last, _ = await store.list_prunable(last, before, SCANNED, TASKS)
            if runs:
                count = await store.prune_runs(runs, before, LIMIT)
                deleted += count
                yield count


async def _repeat(statement: Callable[[datetime, int], Awaitable[int]], before: datetime) -> AsyncIterator[int]:
    """Repeat a statement as long as it finds as much as it may delete; yields how much after each."""
    count = LIMIT
    while count == LIMIT:
        count = await statement(before, LIMIT)
        yield count


class Pruner(PeriodicService):
    """Deletes what is older than the retention, once a minute."""

    name = "pruner"

    def __init__(self, store: RetentionStore, retention: timedelta) -> None:
        super().__init__()
        self._store = store
        self._retention = retention

    async def run_once(self) -> float:
        before = await self._store.read_moment(self._retention)
        if pruned := await prune(self._store, before):
            logger.info(
                "older than the retention and deleted: %d runs, %d events, %d scheduled runs, %d workers",
                pruned.runs, pruned.events, pruned.scheduled, pruned.workers,
            )  # fmt: skip
        return PAUSE_SECONDS
