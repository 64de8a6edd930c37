"""Statements that look at runs: lists that look at a bounded number of rows, and payloads in part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from plait.store.connection import LinkPool
from plait.store.statements import load_sql

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Record


class RunFilters(NamedTuple):
    """Which runs, as ``search_runs.sql`` numbers it from $3 on. ``None`` is any."""

    workflows: Sequence[str] | None = None
    statuses: Sequence[int] | None = None
    begun: bool | None = None
    triggers: Sequence[int] | None = None
    metadata_keys: Sequence[str] | None = None
    metadata_values: Sequence[str] | None = None
    metadata: str | None = None


class RunStore:
    """Looking at runs. No statement looks at more rows than it is told to, or than one run has."""

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool

    async def search(self, before: UUID, first: UUID, filters: RunFilters, look_at: int, limit: int) -> list[Record]:
        """At most ``limit`` runs that pass, among the newest ``look_at`` from ``first`` to below ``before``."""
        return await self._pool.fetch(load_sql("search_runs"), before, first, *filters, look_at, limit)

    async def find_before(self, before: UUID, first: UUID, places: int) -> UUID | None:
        """The id of the run ``places`` before another; None when there are not so many down to ``first``."""
        row = await self._pool.fetchrow(load_sql("find_run_before"), before, first, places)
        return row["id"] if row else None

    async def find_active(
        self, behind: UUID | None, first: UUID, until: UUID, workflows: Sequence[str] | None, limit: int
    ) -> list[UUID]:
        """Ids, from ``first`` to below ``until``, of runs that have not ended, last triggered first: those that were
        triggered before the run ``behind``, if one is given."""
        rows = await self._pool.fetch(load_sql("find_active_runs"), behind, first, until, workflows, limit)
        return [row["run_id"] for row in rows]

    async def find_triggered(self, trigger_id: UUID, before: UUID, first: UUID, limit: int) -> list[UUID]:
        """Ids of runs that something started, newest first."""
        rows = await self._pool.fetch(load_sql("find_triggered_runs"), trigger_id, before, first, limit)
        return [row["run_id"] for row in rows]

    async def filter(self, run_ids: Sequence[UUID], filters: RunFilters) -> list[Record]:
        """Those of these runs that pass, newest first."""
        return await self._pool.fetch(load_sql("filter_runs"), run_ids, *filters)

    async def chart(
        self,
        before: UUID,
        first: UUID,
        filters: RunFilters,
        span: tuple[datetime | None, datetime | None],
        look_at: int,
        bars: int,
    ) -> list[Record]:
        """Counts of the newest ``look_at`` runs that pass, by bar of a histogram over ``span`` and by status."""
        return await self._pool.fetch(load_sql("chart_runs"), before, first, *filters, *span, look_at, bars)

    async def read_view(self, run_id: UUID, input_bytes: int | None) -> Record | None:
        """One run with its input, or the beginning of it, and what started it by name."""
        return await self._pool.fetchrow(load_sql("read_run_view"), run_id, input_bytes)

    async def survey_tasks(
        self, run_id: UUID, actions: Sequence[int], output_bytes: int | None, task: int | None = None
    ) -> list[Record]:
        """All attempts of a run's tasks and the rooms of its open tasks; payloads as ``survey_tasks.sql`` says."""
        return await self._pool.fetch(load_sql("survey_tasks"), run_id, actions, output_bytes, task)

    async def list_children(self, run_id: UUID, after: UUID, limit: int) -> list[Record]:
        """A page of the child runs of a run, oldest first."""
        return await self._pool.fetch(load_sql("list_children"), run_id, after, limit)

    async def measure_workflow(self, workflow: str, look_at: int, limit: int) -> list[Record]:
        """Durations and outcomes of the newest finished runs of a workflow."""
        return await self._pool.fetch(load_sql("measure_workflow"), workflow, look_at, limit)

    async def measure_tasks(self, run_ids: Sequence[UUID], limit: int) -> list[Record]:
        """Durations and failures of the tasks of some runs, by action."""
        return await self._pool.fetch(load_sql("measure_tasks"), run_ids, limit)
