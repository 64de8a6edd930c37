"""Deletes runs that ended long ago, where a retention is set."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from plait.maintenance.periodic import PeriodicService

if TYPE_CHECKING:
    from plait.store.retention import RetentionStore

logger = logging.getLogger("plait.maintenance")

SCANNED = 500
"""Runs that one statement looks at."""
TASKS = 2000
"""About how many tasks the runs have that one statement deletes."""
LIMIT = 5000
"""Rows of anything else that one statement deletes."""
PAUSE_SECONDS = 60.0
"""Between two looks through what is old enough."""


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
    after its parent run; then events, started scheduled runs and ended workers of that time. What is active, what waits
    and what is still to be delivered stays, however old it is.
    """
    pruned = Pruned()
    while True:  # once for each generation: children follow when their parents are gone
        deleted = pruned.runs
        last: UUID | None = UUID(int=0)
        while last is not None:
            runs, last = await store.list_prunable(last, before, SCANNED, TASKS)
            if runs:
                pruned.runs += await store.prune_runs(runs, before, LIMIT)
                tell(pruned)
        if pruned.runs == deleted:
            break
    pruned.events = await _repeat(store.prune_events, before)
    pruned.scheduled = await _repeat(store.prune_scheduled, before)
    pruned.workers = await _repeat(store.prune_workers, before)
    return pruned


async def count_prunable(store: RetentionStore, before: datetime) -> int:
    """How many runs ended before a moment, without the child runs of such runs."""
    count = 0
    last: UUID | None = UUID(int=0)
    while last is not None:
        runs, last = await store.list_prunable(last, before, 10 * SCANNED, 2**31 - 1)
        count += len(runs)
    return count


async def _repeat(statement: Callable[[datetime, int], Awaitable[int]], before: datetime) -> int:
    total = count = await statement(before, LIMIT)
    while count == LIMIT:
        count = await statement(before, LIMIT)
        total += count
    return total


class Pruner(PeriodicService):
    """Deletes what is older than the retention, once a minute."""

    name = "pruner"

    def __init__(self, store: RetentionStore, retention: timedelta) -> None:
        super().__init__()
        self._store = store
        self._retention = retention

    async def run_once(self) -> float:
        before = await self._store.read_limit(self._retention)
        if pruned := await prune(self._store, before):
            logger.info(
                "older than the retention and deleted: %d runs, %d events, %d scheduled runs, %d workers",
                pruned.runs, pruned.events, pruned.scheduled, pruned.workers,
            )  # fmt: skip
        return PAUSE_SECONDS
