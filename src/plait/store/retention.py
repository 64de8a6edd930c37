"""Statements that delete what is old enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from plait.store.connection import LinkPool
from plait.store.statements import load_sql

Age = tuple[datetime, int]
"""When a run was created, by the clock of the database, and its position."""


class Prunable(NamedTuple):
    """Runs that may be deleted, and the age of the last that was looked at; None when there is none further.
    ``families``: how many of them are no children of others."""

    run_ids: list[UUID]
    last: Age | None
    families: int


class RetentionStore:
    """Deleting ended runs and what has no use without them."""

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool

    async def read_moment(self, ago: timedelta) -> datetime:
        """The moment that is so long ago by the clock of the database; ahead, if that is negative."""
        row = await self._pool.fetchrow(load_sql("read_moment"), ago)
        assert row is not None
        moment: datetime = row["moment"]
        return moment

    async def list_prunable(self, after: Age, before: datetime, scanned: int, tasks: int) -> Prunable:
        """The runs to delete among the next ``scanned`` ones, as many as have about ``tasks`` tasks."""
        row = await self._pool.fetchrow(load_sql("list_prunable"), *after, before, scanned, tasks)
        assert row is not None
        last = None if row["last_position"] is None else (row["last_created_at"], row["last_position"])
        return Prunable(list(row["run_ids"] or ()), last, row["families"])

    async def prune_runs(self, runs: Sequence[UUID], before: datetime, lines: int) -> int:
        """Delete runs, their logs ``lines`` at a time before them. Returns how many were deleted: one that is being
        replayed, or was, stays with its children, and so does one whose idempotency key somebody holds."""
        while await self._delete(load_sql("prune_logs"), runs, before, lines) == lines:
            pass
        return await self._delete(load_sql("prune_runs"), runs, before)

    async def prune_events(self, before: datetime, limit: int) -> int:
        """Delete delivered events that no run that is kept can look at."""
        return await self._delete(load_sql("prune_events"), before, limit)

    async def prune_scheduled(self, before: datetime, limit: int) -> int:
        """Delete scheduled runs that were started."""
        return await self._delete(load_sql("prune_scheduled"), before, limit)

    async def prune_workers(self, before: datetime, limit: int) -> int:
        """Delete workers that have ended."""
        return await self._delete(load_sql("prune_workers"), before, limit)

    async def list_kept(self, runs: Sequence[UUID]) -> set[UUID]:
        """Which of these runs there are, active or ended."""
        return {row["id"] for row in await self._pool.fetch(load_sql("list_kept"), runs)}

    async def _delete(self, statement: str, *arguments: Any) -> int:
        row = await self._pool.fetchrow(statement, *arguments)
        return row["deleted"] if row else 0
