"""Statements that change the course of runs: cancelling, replaying; and which version of a workflow is served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from plait.store.connection import LinkPool
from plait.store.statements import load_sql

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.graph.definition import WorkflowDefinition


class ControlStore:
    """Cancelling, replaying, and serving."""

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool

    async def serve_workflow(self, definition: WorkflowDefinition, version_id: int) -> None:
        """Make a version the one that events, crons and schedules start, unless a live worker has a newer one. Replaces
        the workflow's declared filters."""
        await self._pool.execute(
            load_sql("serve_workflow"),
            definition.name,
            version_id,
            list(definition.on_events),
            [rule.scope for rule in definition.filters],
            [rule.expression for rule in definition.filters],
            [rule.payload for rule in definition.filters],
        )

    async def list_to_serve(self, own: Sequence[int]) -> list[Record]:
        """The versions to serve, by the live workers: those that are not served yet, and those among ``own``; and
        whether the stored crons are theirs."""
        return await self._pool.fetch(load_sql("list_to_serve"), own)

    async def read_served(self, workflow: str) -> int | None:
        """The version of a workflow that is served now; None when no worker ever served it."""
        row = await self._pool.fetchrow(load_sql("read_served"), workflow)
        return row["version_id"] if row else None

    async def cancel_runs(self, runs: Sequence[UUID], reason: str) -> list[UUID]:
        """Cancel runs in one transaction, and order their descendants to be cancelled. Returns those that this
        ended."""
        row = await self._pool.fetchrow(load_sql("cancel_runs"), runs, reason)
        return list(row["run_ids"] or ()) if row else []

    async def carry_out_cancellations(self, most: int) -> tuple[list[UUID], int]:
        """Cancel up to ``most`` child runs that are ordered to be cancelled. Returns the runs that this ended, and how
        many it looked at."""
        row = await self._pool.fetchrow(load_sql("carry_out_cancellations"), most)
        return (list(row["ended"]), row["looked_at"]) if row else ([], 0)

    async def read_cancellations(self, runs: Sequence[UUID]) -> tuple[float | None, bool]:
        """Seconds until the next order to cancel children is due, None without any; and whether some that belong to
        the cancellation of ``runs`` were not gone through yet."""
        row = await self._pool.fetchrow(load_sql("read_cancellations"), runs)
        return (row["seconds"], row["untouched"]) if row else (None, False)

    async def is_being_cancelled(self, run_id: UUID) -> bool:
        """Whether child runs of a run are still to be cancelled, or it with a run above it."""
        row = await self._pool.fetchrow(load_sql("is_being_cancelled"), run_id)
        return bool(row and row["cancelled"])

    async def cancel_task(self, run_id: UUID, task: int) -> bool | None:
        """Ask for the cancellation of one task; False when the task has ended, None when its run has."""
        row = await self._pool.fetchrow(load_sql("cancel_task"), run_id, task)
        return row["asked"] if row else None

    async def read_replayable(self, runs: Sequence[UUID]) -> list[Record]:
        """Version, end and outcomes of runs."""
        return await self._pool.fetch(load_sql("read_replayable"), runs)

    async def replay_runs(self, plans: str) -> list[UUID]:
        """Replay ended runs by JSON plans. Returns those that were replayed; others changed meanwhile."""
        row = await self._pool.fetchrow(load_sql("replay_runs"), plans)
        return list(row["run_ids"] or ()) if row else []

    async def read_inputs(self, runs: Sequence[UUID]) -> list[Record]:
        """The inputs of runs and what triggered them."""
        return await self._pool.fetch(load_sql("read_inputs"), runs)

    async def is_run_free(self, run_id: UUID) -> bool:
        """Whether a run could be locked just now."""
        return await self._pool.fetchrow(load_sql("lock_free_run"), run_id) is not None
