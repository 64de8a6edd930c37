"""Statements about runs that time starts: crons and scheduled runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.errors import OperationError
from plait.store.connection import LinkPool
from plait.store.statements import load_sql

if TYPE_CHECKING:
    from asyncpg import Record


@dataclass(frozen=True, slots=True)
class CronRow:
    """A cron to store. ``input`` is JSON bytes, ``metadata`` JSON text; ``next_at`` None for never."""

    id: UUID
    workflow: str
    name: str
    expression: str
    timezone: str
    catch_up: str
    bound_us: int
    input: bytes
    metadata: str | None
    priority: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class CronStep:
    """A cron to move on from ``due``, which its ``next_at`` was when this was decided, to ``next_at``. ``runs``: run
    id, fire time, and the fire time as the task will read it."""

    id: UUID
    due: datetime
    next_at: datetime | None
    runs: tuple[tuple[UUID, datetime, str], ...]


@dataclass(frozen=True, slots=True)
class ScheduledRow:
    """A run to start at ``run_at``. ``input`` is JSON bytes, ``metadata`` JSON text."""

    id: UUID
    version_id: int
    run_at: datetime
    input: bytes
    metadata: str | None
    priority: int


class ScheduleStore:
    """Keeping crons and scheduled runs, and starting what is due of them."""

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool

    # what is due

    async def read_next(self, excluded: Sequence[UUID] = ()) -> tuple[float | None, float | None]:
        """Seconds until the next cron and the next scheduled run, negative when late; None where there is none."""
        row = await self._pool.fetchrow(load_sql("read_next_schedule"), excluded)
        return (row["cron"], row["scheduled"]) if row else (None, None)

    async def list_due_crons(self, limit: int, excluded: Sequence[UUID]) -> list[Record]:
        """Crons that are due, with the time ``now``."""
        return await self._pool.fetch(load_sql("list_due_crons"), limit, excluded)

    async def fire_crons(self, steps: Sequence[CronStep]) -> tuple[int, int]:
        """Move crons on and start their runs in one commit; a cron that somebody moved before is left alone. Returns
        how many were moved, and how many runs started."""
        runs = [(place, *run) for place, step in enumerate(steps, 1) for run in step.runs]
        flat = [list(column) for column in zip(*runs, strict=True)] or [[] for _ in range(4)]
        row = await self._pool.fetchrow(
            load_sql("fire_crons"),
            [step.id for step in steps],
            [step.due for step in steps],
            [step.next_at for step in steps],
            *flat,
        )
        return (row["moved"], row["started"]) if row else (0, 0)

    async def list_due_scheduled(self, limit: int, excluded: Sequence[UUID]) -> list[Record]:
        """Id and workflow of scheduled runs that are due."""
        return await self._pool.fetch(load_sql("list_due_scheduled"), limit, excluded)

    async def start_scheduled(self, ids: Sequence[UUID], run_ids: Sequence[UUID]) -> int:
        """Start scheduled runs that are due in one commit, each once. Returns how many."""
        row = await self._pool.fetchrow(load_sql("start_scheduled"), ids, run_ids)
        return row["started"] if row else 0

    # the version that is started

    async def find_version(self, workflow: str) -> tuple[int | None, datetime]:
        """The version of a workflow that is started by its name, None for an unknown one; and the time now."""
        row = await self._pool.fetchrow(load_sql("find_version"), workflow)
        if row is None:
            raise OperationError("find_version returned nothing")
        return row["version_id"], row["now"]

    # crons

    async def insert_cron(self, row: CronRow) -> Record | None:
        """Store a cron made at run time, and return it. None when its workflow has another one of this name."""
        return await self._pool.fetchrow(load_sql("insert_cron"), *_spread_cron(row))

    async def list_declared_crons(self, workflows: Sequence[str]) -> list[Record]:
        """The declared crons of workflows."""
        return await self._pool.fetch(load_sql("list_declared_crons"), workflows)

    async def sync_crons(self, workflow: str, version_id: int, rows: Sequence[CronRow]) -> None:
        """Make ``rows`` the declared crons of a workflow, if that version is still served. Those paused stay so."""
        columns = [list(column) for column in zip(*map(_spread_cron, rows), strict=True)] or [[] for _ in range(11)]
        del columns[1]
        await self._pool.execute(load_sql("sync_crons"), workflow, *columns, version_id)

    async def read_cron(self, cron_id: UUID) -> Record | None:
        """One cron, or None."""
        return await self._pool.fetchrow(load_sql("read_cron"), cron_id)

    async def list_crons(self, *filters: Any) -> list[Record]:
        """A page of crons; ``filters`` as ``list_crons.sql`` numbers them."""
        return await self._pool.fetch(load_sql("list_crons"), *filters)

    async def change_cron(self, row: CronRow, moves: bool) -> bool:
        """Replace what is stored of a cron; its next time only if it ``moves``. False when it is gone or has fired
        since that next time was looked up."""
        values = _spread_cron(row)
        changed = await self._pool.fetchrow(load_sql("change_cron"), row.id, *values[3:], moves)
        return changed is not None

    async def set_cron_paused(self, cron_id: UUID, paused: bool, next_at: datetime | None) -> None:
        """Pause a cron, or let a paused one go on at ``next_at``. Does nothing where it is so already."""
        await self._pool.execute(load_sql("set_cron_paused"), cron_id, paused, next_at)

    async def delete_cron(self, cron_id: UUID, *, declared_too: bool) -> bool:
        """Delete a cron. False when it is gone, or declared and that matters."""
        return await self._pool.fetchrow(load_sql("delete_cron"), cron_id, declared_too) is not None

    async def run_cron(self, cron_id: UUID, run_id: UUID, fire_text: str) -> bool:
        """Start a run of a cron now. False when it is gone."""
        return await self._pool.fetchrow(load_sql("run_cron"), cron_id, run_id, fire_text) is not None

    # scheduled runs

    async def schedule_runs(self, rows: Sequence[ScheduledRow]) -> datetime:
        """Store scheduled runs in one commit. Returns when they were stored."""
        answer = await self._pool.fetchrow(
            load_sql("schedule_runs"),
            [row.id for row in rows],
            [row.version_id for row in rows],
            [row.run_at for row in rows],
            [row.input for row in rows],
            [row.metadata for row in rows],
            [row.priority for row in rows],
        )
        if answer is None:
            raise OperationError("plait.schedule_runs returned nothing")
        stored_at: datetime = answer["stored_at"]
        return stored_at

    async def read_scheduled(self, ids: Sequence[UUID]) -> list[Record]:
        """Scheduled runs by id, those there are."""
        return await self._pool.fetch(load_sql("read_scheduled"), ids)

    async def list_scheduled(self, *filters: Any) -> list[Record]:
        """A page of scheduled runs; ``filters`` as ``list_scheduled.sql`` numbers them."""
        return await self._pool.fetch(load_sql("list_scheduled"), *filters)

    async def move_scheduled(self, ids: Sequence[UUID], run_ats: Sequence[datetime]) -> set[UUID]:
        """Give scheduled runs other times. Returns those that were moved: they exist and have not started."""
        return {row["id"] for row in await self._pool.fetch(load_sql("move_scheduled"), ids, run_ats)}

    async def delete_scheduled(self, ids: Sequence[UUID]) -> set[UUID]:
        """Delete scheduled runs. Returns those that were deleted: they existed and had not started."""
        return {row["id"] for row in await self._pool.fetch(load_sql("delete_scheduled"), ids)}

    async def delete_matching_scheduled(self, workflow: str | None, metadata: str | None) -> set[UUID]:
        """Delete scheduled runs that have not started, by filter. Returns their ids."""
        rows = await self._pool.fetch(load_sql("delete_matching_scheduled"), workflow, metadata)
        return {row["id"] for row in rows}


def _spread_cron(row: CronRow) -> tuple[Any, ...]:
    return (
        row.id,
        row.workflow,
        row.name,
        row.expression,
        row.timezone,
        row.catch_up,
        row.bound_us,
        row.input,
        row.metadata,
        row.priority,
        row.next_at,
    )
