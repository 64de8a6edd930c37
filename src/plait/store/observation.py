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

    async def read_paces(self, limit: int) -> list[Record]:
        """How fast each live worker works, as it last told."""
        return await self._pool.fetch(load_sql("read_paces"), limit)
