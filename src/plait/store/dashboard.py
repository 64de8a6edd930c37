"""Statements of the dashboard: lists that look at a bounded number of rows, and payloads in part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
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


class LogRow(NamedTuple):
    """One line to store, in the order of ``insert_logs.sql``."""

    run_id: UUID
    seq: int
    task: int
    attempt: int
    level: int
    line: str


class DashboardStore:
    """What the dashboard reads. No statement looks at more rows than it is told to, or than one run has."""

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool

    # runs

    async def search_runs(
        self, before: UUID, first: UUID, filters: RunFilters, look_at: int, limit: int
    ) -> list[Record]:
        """At most ``limit`` runs that pass, among the newest ``look_at`` from ``first`` to below ``before``."""
        return await self._pool.fetch(load_sql("search_runs"), before, first, *filters, look_at, limit)

    async def find_run_before(self, before: UUID, first: UUID, places: int) -> UUID | None:
        """The id of the run ``places`` before another; None when there are not so many down to ``first``."""
        row = await self._pool.fetchrow(load_sql("find_run_before"), before, first, places)
        return row["id"] if row else None

    async def find_active_runs(
        self, before: UUID, first: UUID, workflows: Sequence[str] | None, limit: int
    ) -> list[UUID]:
        """Ids of runs that have not ended, newest first."""
        rows = await self._pool.fetch(load_sql("find_active_runs"), before, first, workflows, limit)
        return [row["run_id"] for row in rows]

    async def find_triggered_runs(self, trigger_id: UUID, before: UUID, first: UUID, limit: int) -> list[UUID]:
        """Ids of runs that something started, newest first."""
        rows = await self._pool.fetch(load_sql("find_triggered_runs"), trigger_id, before, first, limit)
        return [row["run_id"] for row in rows]

    async def filter_runs(self, run_ids: Sequence[UUID], filters: RunFilters) -> list[Record]:
        """Those of these runs that pass, newest first."""
        return await self._pool.fetch(load_sql("filter_runs"), run_ids, *filters)

    async def chart_runs(
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

    async def read_run(self, run_id: UUID, input_bytes: int) -> Record | None:
        """One run with the beginning of its input, and what started it by name."""
        return await self._pool.fetchrow(load_sql("read_run_view"), run_id, input_bytes)

    async def survey_tasks(self, run_id: UUID, actions: Sequence[int]) -> list[Record]:
        """All attempts of a run's tasks and the rooms of its open tasks, without payloads."""
        return await self._pool.fetch(load_sql("survey_tasks"), run_id, actions)

    async def read_attempts(self, run_id: UUID, task: int, output_bytes: int) -> list[Record]:
        """Errors and the beginnings of outputs of a task's attempts."""
        return await self._pool.fetch(load_sql("read_attempts"), run_id, task, output_bytes)

    async def read_payload(self, run_id: UUID, task: int) -> Record | None:
        """Output and error of a task, whole."""
        return await self._pool.fetchrow(load_sql("read_payload"), run_id, task)

    async def list_children(self, run_id: UUID, after: UUID, limit: int) -> list[Record]:
        """A page of the child runs of a run, oldest first."""
        return await self._pool.fetch(load_sql("list_children"), run_id, after, limit)

    # workflows

    async def measure_workflow(self, workflow: str, look_at: int, limit: int) -> list[Record]:
        """Durations and outcomes of the newest finished runs of a workflow."""
        return await self._pool.fetch(load_sql("measure_workflow"), workflow, look_at, limit)

    async def measure_tasks(self, run_ids: Sequence[UUID], limit: int) -> list[Record]:
        """Durations and failures of the tasks of some runs, by action."""
        return await self._pool.fetch(load_sql("measure_tasks"), run_ids, limit)

    # events

    async def search_events(self, *arguments: Any) -> list[Record]:
        """A page of events; arguments as ``search_events.sql`` numbers them."""
        return await self._pool.fetch(load_sql("search_events"), *arguments)

    async def find_event_before(self, before: UUID, first: UUID, places: int) -> UUID | None:
        """The id of the event ``places`` before another; None when there are not so many down to ``first``."""
        row = await self._pool.fetchrow(load_sql("find_event_before"), before, first, places)
        return row["id"] if row else None

    # logs

    async def list_logs(
        self,
        run_id: UUID,
        tasks: Sequence[int],
        after: tuple[int, int],
        search: str | None,
        limit: int,
        attempt: int | None,
    ) -> list[Record]:
        """Lines of some tasks of a run behind (seq, task), oldest first."""
        return await self._pool.fetch(load_sql("list_logs"), run_id, tasks, *after, search, limit, attempt)

    async def insert_logs(self, rows: Sequence[LogRow]) -> None:
        """Store lines."""
        await self._pool.execute(load_sql("insert_logs"), *map(list, zip(*rows, strict=True)))
