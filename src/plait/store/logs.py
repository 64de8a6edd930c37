"""Statements about the lines that tasks logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from plait.store.connection import LinkPool
from plait.store.statements import load_sql

if TYPE_CHECKING:
    from asyncpg import Record


class LogRow(NamedTuple):
    """One line to store, in the order of ``insert_logs.sql``."""

    run_id: UUID
    seq: int
    task: int
    attempt: int
    level: int
    line: str


class LogStore:
    """Writing and reading lines."""

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool

    async def list(
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

    async def insert(self, rows: Sequence[LogRow]) -> None:
        """Store lines."""
        await self._pool.execute(load_sql("insert_logs"), *map(list, zip(*rows, strict=True)))
