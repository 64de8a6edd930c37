"""The health endpoint among callers that keep their connections, and that read nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from plait.worker import endpoint as module
from plait.worker.address import Address
from plait.worker.endpoint import MOST_CONNECTIONS, Endpoint

BODY = 50_000_000
"""Characters of metrics: more than the buffers of a connection hold."""


async def render() -> bytes:
    return b"x" * BODY


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(Address(), readiness=lambda: None, metrics=render)
    await endpoint.open()
    yield endpoint
    await endpoint.close()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def ask_livez(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"GET /livez HTTP/1.1\r\n\r\n")
    answer = await read_all(reader)
    writer.close()
    return answer


async def test_idle_connections_keep_no_probe_out_the_oldest_goes(endpoint: Endpoint) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", endpoint.port) for _ in range(MOST_CONNECTIONS)]
    probe = await asyncio.open_connection("127.0.0.1", endpoint.port)
    answers = [(await ask_livez(*connection))[:12] for connection in (probe, *idle)]
    assert answers == [b"HTTP/1.1 200", b""] + [b"HTTP/1.1 200"] * (MOST_CONNECTIONS - 1)


async def test_who_takes_no_answer_loses_the_connection_at_the_time_limit(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.3)
    known = asyncio.all_tasks()
    reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    await asyncio.wait(asyncio.all_tasks() - known)
    assert len(await read_all(reader)) < BODY
    writer.close()
