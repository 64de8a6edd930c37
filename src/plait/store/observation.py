"""Statements for those who watch: what traces are made of, what runs now and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from plait.store.connection import LinkPool
from plait.store.statements import load_sql

if TYPE_CHECKING:
    from asyncpg import Record


class ObservationStore:
    """Looking at the work as a whole. Every statement is bounded by what runs now, or by the runs it is asked for."""

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool

    async def read_lifetimes(self, run_ids: Sequence[UUID]) -> list[Record]:
        """Ended runs with the times and outcomes of their attempts."""
        return await self._pool.fetch(load_sql("read_lifetimes"), run_ids)

    async def survey_running(self, limit: int) -> list[Record]:
        """What each worker runs now, by action: the ``limit`` greatest groups."""
        return await self._pool.fetch(load_sql("survey_running"), limit)

    async def list_slowest(self, limit: int) -> list[Record]:
        """The tasks that have been running the longest."""
        return await self._pool.fetch(load_sql("list_slowest"), limit)

    async def list_suspects(self, limit: int) -> list[Record]:
        """Tasks that were lost with their workers and are to run again, or do, by workflow and task."""
        return await self._pool.fetch(load_sql("list_suspects"), limit)

    async def list_idle_workers(self, seconds: float) -> list[Record]:
        """Live workers with free slots that take nothing though tasks of theirs have been ready for so long."""
        return await self._pool.fetch(load_sql("list_idle_workers"), seconds)

    async def list_switched_off(self, *, workflows: bool = False) -> list[Record]:
        """Expressions that workers have switched off, and how many; if asked, with the ``workflows`` they are of."""
        return await self._pool.fetch(load_sql("list_switched_off"), workflows)

    async def list_clocks(self) -> list[Record]:
        """Live workers by how far their clock is off, the worst first."""
        return await self._pool.fetch(load_sql("list_clocks"))

    async def measure_connections(self) -> list[Record]:
        """Open connections beside the limits of the server, the database and the role."""
        return await self._pool.fetch(load_sql("measure_connections"))

    async def list_holders(self, seconds: float) -> list[Record]:
        """Transactions that have kept dead rows from removal for so long, the oldest first; five at most."""
        return await self._pool.fetch(load_sql("list_holders"), seconds)

    async def read_paces(self, limit: int) -> list[Record]:
        """How fast each live worker works, as it last told."""
        return await self._pool.fetch(load_sql("read_paces"), limit)
