"""Links that carry little: a slow answer is not a dead one, and what is too much at once is sent in smaller parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from plait.store.connection import Link, UnansweredError
from support.database import Database
from support.server import OwnServer
from support.slow_link import SlowLink

LIMIT = 0.5
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
