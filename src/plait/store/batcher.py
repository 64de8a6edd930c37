"""Group commit in the client: while one write is in flight the next parcels gather, and go together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from plait.errors import DatabaseUnavailableError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Writes parcels of items, many callers' parcels in one batch, one batch at a time.

    A batch holds at most ``cap`` items, and no more of them than ``weigh`` about ``heaviest`` together: a statement of
    hundreds of megabytes would outlast its time limit, however often it were sent.

    Idle: a parcel is written at once. A write in flight: parcels collect. So batches grow with the load by
    themselves, and nobody waits for a timer. A call with more than one batch takes comes in several parcels, of which
    one at a time stands in the queue: others wait for one of them and not for all. ``write`` returns one result per
    item. A batch that fails for what is in it (not for want of a database: ``DatabaseUnavailableError``) is written
    again by halves, until the poison parcel fails alone.
    """

    def __init__(
        self,
        write: Callable[[list[Item]], Awaitable[Sequence[Result]]],
        *,
        cap: int,
        weigh: Callable[[Item], int] = lambda _: 0,
        heaviest: int = 1,
    ) -> None:
        self._write = write
        self._cap = cap
        self._weigh = weigh
        self._heaviest = heaviest
        self._queue: list[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def submit(self, items: Sequence[Item]) -> list[Result]:
        """Write ``items`` and return their results in order. Raises what ``write`` raised for them."""
        results: list[Result] = []
        failure: Exception | None = None
        for parcel in self._split(items):
            try:
                results += await self._enqueue(parcel)
            except DatabaseUnavailableError:
                raise  # neither is it there for the parcels behind this one
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return results

    async def _enqueue(self, parcel: Sequence[Item]) -> Sequence[Result]:
        written: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self._queue.append((parcel, written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain(), name="plait-batcher")
        return await written

    def _split(self, items: Sequence[Item]) -> list[Sequence[Item]]:
        parcels, begin, weight = [], 0, 0
        for place, item in enumerate(items):
            weight += self._weigh(item)
            if place > begin and (place - begin == self._cap or weight > self._heaviest):
                parcels.append(items[begin:place])
                begin, weight = place, self._weigh(item)
        return [*parcels, items[begin:]] if items else []

    async def _drain(self) -> None:
        while self._queue:
            size, weight, count = 0, 0, 0
            for items, _ in self._queue:
                size += len(items)
                weight += sum(map(self._weigh, items))
                if count and (size > self._cap or weight > self._heaviest):
                    break
                count += 1
            batch, self._queue = self._queue[:count], self._queue[count:]
            await self._write_batch(batch)

    async def _write_batch(self, batch: list[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]]) -> None:
        try:
            results = await self._write([item for items, _ in batch for item in items])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, DatabaseUnavailableError):
                middle = len(batch) // 2
                await self._write_batch(batch[:middle])
                await self._write_batch(batch[middle:])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        start = 0
        for items, future in batch:
            if not future.done():
                future.set_result(results[start : start + len(items)])
            start += len(items)
