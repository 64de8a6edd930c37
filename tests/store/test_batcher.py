"""Group commit: many callers' items in one write, within bounds, in order, and nobody fails for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.errors import DatabaseUnavailableError
from plait.store.batcher import Batcher


class Writer:
    """Notes what is written together; the first write waits until all callers have spoken."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()

    async def write(self, items: list[int]) -> Sequence[int]:
        if not self.batches:
            self.batches.append(items)
            await self.gate.wait()
        else:
            self.batches.append(items)
        if 13 in items:
            raise ValueError("poison")
        if 99 in items:
            raise DatabaseUnavailableError("away")
        return [item * 2 for item in items]


async def submit_all(writer: Writer, batcher: Batcher[int, int], calls: list[list[int]]) -> list[object]:
    tasks = []
    for call in calls:
        tasks.append(asyncio.create_task(batcher.submit(call)))
        for _ in range(3):  # the first is being written when the others come
            await asyncio.sleep(0)
    writer.gate.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


@given(st.lists(st.lists(st.integers(100, 200), max_size=12), max_size=12))
def test_everybody_gets_their_own_results_whatever_was_written_together(calls: list[list[int]]) -> None:
    async def check() -> None:
        writer = Writer()
        batcher = Batcher(writer.write, cap=5, weigh=lambda item: item, heaviest=500)
        results = await submit_all(writer, batcher, calls)
        assert results == [[item * 2 for item in call] for call in calls]
        assert sorted(item for batch in writer.batches for item in batch) == sorted(
            item for call in calls for item in call
        )
        for batch in writer.batches:
            assert len(batch) <= 5
            assert sum(batch) <= 500 or len(batch) == 1

    asyncio.run(check())


async def test_calls_that_come_during_a_write_share_the_next() -> None:
    writer = Writer()
    batcher = Batcher(writer.write, cap=100)
    await submit_all(writer, batcher, [[1], [2], [3, 4], [5]])
    assert len(writer.batches) == 2


async def test_who_comes_during_a_large_call_waits_for_one_batch_of_it_and_not_for_all() -> None:
    writer = Writer()
    batcher = Batcher(writer.write, cap=5)
    await submit_all(writer, batcher, [list(range(100, 150)), [1], [2]])
    assert writer.batches[:2] == [list(range(100, 105)), [1, 2]]
    assert [item for batch in writer.batches for item in batch if item >= 100] == list(range(100, 150))


async def test_what_cannot_be_written_of_a_large_call_keeps_nothing_else_of_it_back() -> None:
    writer = Writer()
    writer.gate.set()
    with pytest.raises(ValueError, match="poison"):
        await Batcher(writer.write, cap=2).submit([100, 101, 13, 102, 103, 104])
    assert [103, 104] in writer.batches


async def test_where_there_is_no_database_the_rest_of_a_large_call_is_not_tried() -> None:
    writer = Writer()
    writer.gate.set()
    with pytest.raises(DatabaseUnavailableError):
        await Batcher(writer.write, cap=2).submit([99, 100, 101, 102])
    assert writer.batches == [[99, 100]]


async def test_a_poison_parcel_fails_alone() -> None:
    writer = Writer()
    batcher = Batcher(writer.write, cap=100)
    results = await submit_all(writer, batcher, [[1], [2], [13, 3], [4], [5]])
    assert isinstance(results.pop(2), ValueError)
    assert results == [[2], [4], [8], [10]]


async def test_an_outage_fails_all_without_being_tried_by_halves() -> None:
    writer = Writer()
    batcher = Batcher(writer.write, cap=100)
    results = await submit_all(writer, batcher, [[1], [2], [99], [4]])
    assert results[0] == [2]
    assert all(isinstance(result, DatabaseUnavailableError) for result in results[1:])
    assert len(writer.batches) == 2


async def test_nothing_submitted_writes_nothing() -> None:
    writer = Writer()
    assert await Batcher(writer.write, cap=10).submit([]) == []
    assert writer.batches == []
