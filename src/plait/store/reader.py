"""Reads inputs and outcomes of any size over any link: many small ones with one statement, a large one in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from plait.errors import DatabaseUnavailableError
from plait.graph.attempt import TaskResult
from plait.graph.definition import STATUS_BY_CODE, Status
from plait.store.outage import Outage
from plait.store.portion import Portion
from plait.store.statements import load_sql

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.connection import LinkPool

T = TypeVar("T")
Key = tuple[Any, ...]
TaskKey = tuple[UUID, int]

PAGE = 250
"""Values that one statement asks for."""
PAGE_BYTES = 4 << 20
"""Most bytes of values that one statement brings."""


def build_result(status: int, value: bytes | None, reason: str | None) -> TaskResult:
    """The outcome of a task whose value is the output if it completed, else the error."""
    if status == Status.COMPLETED:
        return TaskResult(Status.COMPLETED, value, None, reason)
    return TaskResult(STATUS_BY_CODE[status], None, value, reason)


def is_withheld(row: Record) -> bool:
    """Whether a row came without its value because that would have been too much."""
    return row["value"] is None and row["size"] is not None


def is_page_full(portion: Portion, asked: int, most: int, rows: Sequence[Record]) -> bool:
    """Whether the answer for ``asked`` of at most ``most`` keys was about all that one statement may bring now."""
    return asked >= portion.share(most) or any(map(is_withheld, rows))


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is read: a page of many values by their keys, and a piece of a single one."""

    key: tuple[str, ...]
    read_page: Callable[[Sequence[Key], int], Awaitable[list[Record]]]
    read_piece: Callable[[Key, int, int], Awaitable[Record | None]]


class ValueReader:
    """Reads until everything was read, however long the database is away and however slow the link is: whoever does
    not want it any more cancels. ``outage`` tells of both."""

    def __init__(self, pool: LinkPool, outage: Outage) -> None:
        self._outage = outage
        self._portion = Portion(PAGE_BYTES)
        self._turn = asyncio.Lock()
        """Of the pool's few links it takes one; who reads much takes turns with who reads little."""
        self._outcomes = _Kind(
            ("run_id", "task"),
            lambda keys, most: pool.fetch(load_sql("read_outcomes"), *map(list, zip(*keys, strict=True)), most),
            lambda key, begin, count: pool.fetchrow(load_sql("read_outcome_piece"), *key, begin, count),
        )
        self._inputs = _Kind(
            ("id",),
            lambda keys, most: pool.fetch(load_sql("read_run_inputs"), [key[0] for key in keys], most),
            lambda key, begin, count: pool.fetchrow(load_sql("read_input_piece"), *key, begin, count),
        )

    async def read_outcomes(self, keys: Sequence[TaskKey]) -> AsyncIterator[dict[TaskKey, TaskResult]]:
        """The outcomes of tasks by run and number, where there is one; some at a time, as they come."""
        async for page in self._read(self._outcomes, keys):
            yield {
                (row["run_id"], row["task"]): build_result(row["status"], value, row["reason"]) for row, value in page
            }

    async def read_inputs(self, runs: Sequence[UUID]) -> AsyncIterator[dict[UUID, bytes]]:
        """The inputs of runs, where there is such a run; some at a time, as they come."""
        async for page in self._read(self._inputs, [(run_id,) for run_id in runs]):
            yield {row["id"]: value for row, value in page if value is not None}

    async def _read(self, kind: _Kind, keys: Sequence[Key]) -> AsyncIterator[list[tuple[Record, bytes | None]]]:
        left = list(keys)
        while left:
            page, most, rows = await self._send(lambda: self._read_page(kind, left), self._is_full)  # noqa: B023
            left = left[len(page) :]
            yield [(row, row["value"]) for row in rows if not is_withheld(row)]
            for row in filter(is_withheld, rows):
                key = tuple(row[name] for name in kind.key)
                if row["size"] <= most:
                    left.append(key)
                elif (value := await self._read_large(kind, key, row["size"])) is not None:
                    yield [(row, value)]

    async def _read_page(self, kind: _Kind, left: Sequence[Key]) -> tuple[Sequence[Key], int, list[Record]]:
        page, most = left[: self._portion.share(PAGE)], self._portion.bytes
        return page, most, await kind.read_page(page, most)

    def _is_full(self, answer: tuple[Sequence[Key], int, list[Record]]) -> bool:
        page, _, rows = answer
        return is_page_full(self._portion, len(page), PAGE, rows)

    async def _read_large(self, kind: _Kind, key: Key, size: int) -> bytes | None:
        """A value in pieces; None if it is there no more."""
        value = bytearray()

        async def read_piece() -> Record | None:
            return await kind.read_piece(key, len(value) + 1, self._portion.bytes)

        while len(value) < size:
            row = await self._send(read_piece, lambda row: row is not None)
            if row is None or not row["piece"]:
                return None
            value += row["piece"]
        return bytes(value)

    async def _send(self, send: Callable[[], Awaitable[T]], is_full: Callable[[T], bool]) -> T:
        """The answer to what ``send`` sends: anew for each try, because it may have to be less."""
        while True:
            try:
                async with self._turn:
                    with self._portion.carry() as load:
                        answer = await send()
                        load.is_full = is_full(answer)
            except DatabaseUnavailableError as error:
                await self._outage.pause(error)
            else:
                self._outage.end()
                return answer
