"""Links that carry little: a slow answer is not a dead one, and what is too much at once is sent in smaller parts."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
from pydantic import BaseModel

from plait import Context, EmptyModel, Plait
from plait.errors import FailedTaskRunExceptionGroup
from plait.maintenance.deliverer import Deliverer
from plait.store.connection import Link, UnansweredError
from plait.store.hints import Hub
from plait.store.portion import LEAST_BYTES, Portion
from plait.store.store import Store
from plait.values.evaluator import Evaluator
from support.database import Database
from support.proxy import Proxy
from support.server import OwnServer
from support.slow_link import SlowLink
from support.waiting import eventually
from support.workers import serve

LIMIT = 0.7
"""Seconds without a byte after which a call is given up, in these tests."""
MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.store.connection.CALL_TIMEOUT", LIMIT)


@pytest.fixture
def slow(own_server: OwnServer) -> Iterator[SlowLink]:
    slow = SlowLink(own_server, MEGABYTE)
    yield slow
    slow.close()


@pytest.fixture
async def link(slow: SlowLink, database: Database) -> AsyncIterator[Link]:
    link = Link(slow.build_url(database))
    await link.fetch("SELECT 1")
    yield link
    slow.rate = 100 * MEGABYTE
    await link.close()


async def test_an_answer_that_takes_longer_than_the_limit_arrives_while_its_bytes_move(link: Link) -> None:
    row = await link.fetchrow("SELECT repeat('x', 2000000) AS text")
    assert row is not None
    assert len(row["text"]) == 2 * MEGABYTE


async def test_what_takes_longer_to_send_than_the_limit_is_sent_while_its_bytes_move(link: Link) -> None:
    row = await link.fetchrow("SELECT length($1::text) AS length", "x" * 2 * MEGABYTE)
    assert row is not None
    assert row["length"] == 2 * MEGABYTE


async def test_an_answer_whose_bytes_stop_is_given_up(link: Link, slow: SlowLink) -> None:
    begun = slow.carried
    call = asyncio.create_task(link.fetchrow("SELECT repeat('x', 2000000)"))
    while slow.carried < begun + MEGABYTE / 2:
        await asyncio.sleep(0.01)
    slow.rate = 0
    with pytest.raises(UnansweredError, match="did not answer"):
        await call


async def test_a_statement_that_sends_no_byte_is_given_up(link: Link) -> None:
    with pytest.raises(UnansweredError, match="did not answer"):
        await link.fetch("SELECT pg_sleep(30)")


CARRIES = 300_000
"""Bytes that get through together, in the tests below."""
SMALL, LARGE = "s" * 100_000, "l" * 700_000


@pytest.mark.parametrize("is_full", [True, False])
def test_a_load_is_halved_until_it_gets_through_and_doubled_while_full_ones_are_answered_quickly(
    is_full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    portion = Portion(8 * LEAST_BYTES)

    def send(*, answered: bool) -> None:
        with suppress(UnansweredError), portion.carry() as load:
            load.is_full = is_full
            if not answered:
                raise UnansweredError("it took too long")

    for expected in (4, 2, 1, 1):
        send(answered=False)
        assert portion.bytes == expected * LEAST_BYTES
    monkeypatch.setattr("plait.store.portion.QUICK_SECONDS", 0.0)
    send(answered=True)
    assert portion.bytes == LEAST_BYTES, "a slow answer does not show that more would have been answered"
    monkeypatch.setattr("plait.store.portion.QUICK_SECONDS", 60.0)
    for expected in (2, 4, 8, 8):
        send(answered=True)
        assert portion.bytes == (expected if is_full else 1) * LEAST_BYTES


async def test_a_deliverer_reads_more_events_at_once_again_when_the_link_is_quick_again(
    proxy: Proxy, database: Database, plait: Plait, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.maintenance.deliverer.BATCH_BYTES", 8 * LEAST_BYTES)
    monkeypatch.setattr("plait.store.portion.QUICK_SECONDS", 60.0)
    monkeypatch.setattr("plait.store.portion.LEAST_BYTES", LEAST_BYTES // 4)
    proxy.carries = LEAST_BYTES
    store, evaluator = Store(proxy.build_url(database)), Evaluator()
    deliverer = Deliverer(store, hub, evaluator)

    async def deliver() -> list[int]:
        """How many events each round takes out of the inbox, until it is empty."""
        rounds, left = [], 0
        while now := database.count("event_inbox"):
            if left > now:
                rounds.append(left - now)
            left = now
            with suppress(UnansweredError):
                await deliverer.run_once()
        return [*rounds, left]

    async def push(count: int) -> None:
        for _ in range(count):
            await plait.event.aio_push("key", {"value": "x" * (LEAST_BYTES // 4)})

    await push(8)
    assert max(await deliver()) <= 4
    assert proxy.stuck, "something was too much at once"
    proxy.carries = math.inf
    await push(60)
    rounds = await deliver()
    assert max(rounds) >= 16, rounds
    await evaluator.close()
    await store.close()


class Value(BaseModel):
    value: str


@pytest.fixture
def narrow(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """Carries little at a time; statements begin with somewhat more than that, so that few are in vain."""
    monkeypatch.setattr("plait.worker.claimer.CLAIM_BYTES", 4 * CARRIES)
    monkeypatch.setattr("plait.worker.flusher.FLUSH_BYTES", 4 * CARRIES)
    monkeypatch.setattr("plait.store.reader.PAGE_BYTES", 4 * CARRIES)
    proxy.carries = CARRIES
    return proxy


def test_tasks_get_inputs_that_one_answer_cannot_carry(narrow: Proxy, far: Plait, plait: Plait, work: Any) -> None:
    begun: Counter[str] = Counter()

    def declare(plait: Plait) -> Any:
        @plait.task(name="measure", input_validator=Value)
        async def measure(input: Value, ctx: Context) -> int:
            begun[ctx.workflow_run_id] += 1
            return len(input.value)

        return measure

    near, measure = declare(plait), declare(far)
    inputs = [Value(value=SMALL)] * 8 + [Value(value=LARGE)]
    refs = near.run_many_no_wait([near.create_bulk_run_item(one) for one in inputs])
    worker = serve(far, measure)
    assert [ref.result(60) for ref in refs] == [len(one.value) for one in inputs]
    worker.stop()
    assert narrow.stuck, "something was too much at once"
    assert set(begun.values()) == {1}


def test_a_task_gets_outputs_of_parents_that_one_answer_cannot_carry_and_holds_up_nobody(
    narrow: Proxy, far: Plait, plait: Plait
) -> None:
    begun = threading.Event()

    def declare(plait: Plait, *, hang: bool) -> Any:
        flow = plait.workflow(name="join")

        async def part(input: EmptyModel, ctx: Context) -> str:
            return LARGE if ctx.task_name == "part_0" else SMALL

        parts = [flow.task(name=f"part_{number}")(part) for number in range(6)]

        @flow.task(name="join", parents=parts)
        async def join(input: EmptyModel, ctx: Context) -> int:
            if hang:
                begun.set()
                await asyncio.Event().wait()
            return sum(len(ctx.task_output(one)) for one in parts)

        @plait.task(name="other")
        async def other(input: EmptyModel, ctx: Context) -> int:
            return 1

        return flow, other

    (near_flow, near_other), (flow, other) = declare(plait, hang=True), declare(far, hang=False)
    first = serve(plait, near_flow)
    run = near_flow.run_no_wait()
    assert begun.wait(30)
    first.stop()  # it hands the join back
    narrow.carries = 0.9 * len(SMALL)
    second = serve(far, flow, other)
    eventually(lambda: narrow.stuck, "the outputs were too much at once")
    assert near_other.run() == 1
    assert run.result(60)["join"] == len(LARGE) + 5 * len(SMALL)
    second.stop()


def test_outputs_that_one_statement_cannot_carry_are_stored(narrow: Proxy, far: Plait, plait: Plait) -> None:
    begun: Counter[str] = Counter()
    together = asyncio.Barrier(7)

    def declare(plait: Plait) -> Any:
        @plait.task(name="make")
        async def make(input: EmptyModel, ctx: Context) -> str:
            begun[ctx.workflow_run_id] += 1
            await together.wait()
            return SMALL

        return make

    near, make = declare(plait), declare(far)
    refs = near.run_many_no_wait([near.create_bulk_run_item() for _ in range(7)])
    worker = serve(far, make)
    assert {ref.result(60) for ref in refs} == {SMALL}
    worker.stop()
    assert narrow.stuck, "something was too much at once"
    assert set(begun.values()) == {1}


def test_an_output_that_the_link_cannot_carry_fails_its_task_and_holds_up_nobody(
    narrow: Proxy, far: Plait, plait: Plait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.worker.flusher.LARGE_TRIES", 2)

    def declare(plait: Plait) -> Any:
        @plait.task(name="large")
        async def large(input: EmptyModel, ctx: Context) -> str:
            return LARGE

        @plait.task(name="other")
        async def other(input: EmptyModel, ctx: Context) -> int:
            return 1

        return large, other

    (near_large, near_other), tasks = declare(plait), declare(far)
    worker = serve(far, *tasks)
    run = near_large.run_no_wait()
    eventually(lambda: narrow.stuck, "the output was too much")
    assert near_other.run() == 1
    with pytest.raises(FailedTaskRunExceptionGroup) as raised:
        run.result(60)
    assert "did not get through to the database" in str(raised.value.exceptions[0])
    worker.stop()


def test_results_of_a_run_that_one_answer_cannot_carry_arrive_and_hold_up_nobody(
    narrow: Proxy, far: Plait, plait: Plait
) -> None:
    def declare(plait: Plait) -> Any:
        flow = plait.workflow(name="wide")
        for number in range(5):

            @flow.task(name=f"task_{number}")
            async def make(input: EmptyModel, ctx: Context) -> str:
                return LARGE if ctx.task_name == "task_0" else SMALL

        return flow

    near, flow = declare(plait), declare(far)
    worker = serve(plait, near)
    result = flow.run()
    worker.stop()
    assert narrow.stuck, "something was too much at once"
    assert [len(value) for value in result.values()] == [len(LARGE), *[len(SMALL)] * 4]
