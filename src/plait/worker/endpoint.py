"""A very small HTTP server for probes and Prometheus, on the engine's loop: ``/livez``, ``/readyz`` and ``/metrics``.

It answers one request a connection, and knows GET and HEAD. On a port, or on a Unix socket for the supervisor.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple

from plait.errors import OperationError
from plait.worker.address import Address

REQUEST_SECONDS = 5.0
"""How long a request may take to come, and its answer to be taken."""
MOST_CONNECTIONS = 50
"""Open at a time; one more drops the oldest, so that idle ones keep no probe out."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: bytes
    media_type: str = "application/json"


class Endpoint:
    """Serves until closed. ``readiness`` says None when the process is ready, else why it is not."""

    def __init__(
        self, address: Address, *, readiness: Callable[[], str | None], metrics: Callable[[], Awaitable[bytes]]
    ) -> None:
        self._address = address
        self._readiness = readiness
        self._metrics = metrics
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, None] = {}

    async def open(self) -> None:
        """Listen. Raises ``OperationError`` when the address is taken or does not exist."""
        address = self._address
        try:
            if address.path is not None:
                self._server = await asyncio.start_unix_server(self._serve, address.path)
            else:
                self._server = await asyncio.start_server(self._serve, address.host, address.port)
        except OSError as error:
            where = address.path or f"{address.host}:{address.port}"
            # asyncio's own text names the address again.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
            raise OperationError(f"the health port {where} cannot be opened: {reason}; give it another one") from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(self._connections) >= MOST_CONNECTIONS:
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.transport.abort()
        self._connections[writer] = None
        # Then `drain` returns when all is sent, and closing has nothing left to wait for.
        writer.transport.set_write_buffer_limits(0)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await build_response(head, self._choose))
                await writer.drain()
        except TimeoutError:
            writer.transport.abort()  # a polite close would wait for whoever does not read
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._connections.pop(writer, None)
            writer.close()

    async def _choose(self, path: str) -> Answer:
        if path == "/livez":
            return say(200, "ok")
        if path == "/readyz":
            why_not = self._readiness()
            return say(200, "ok") if why_not is None else say(503, "not ready", why_not)
        if path == "/metrics":
            return Answer(200, await self._metrics(), METRICS_TYPE)
        return say(404, "not found", "there are /livez, /readyz and /metrics")


def say(status: int, word: str, detail: str | None = None) -> Answer:
    """An answer in words."""
    words = {"status": word} | ({} if detail is None else {"detail": detail})
    return Answer(status, json.dumps(words).encode())


async def build_response(head: bytes, choose: Callable[[str], Awaitable[Answer]]) -> bytes:
    """The response to the head of a request."""
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    method = words[0]
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        answer = say(400, "bad request")
    elif method not in ("GET", "HEAD"):
        answer = say(405, "only GET")
    else:
        answer = await choose(words[1].partition("?")[0])
    lines = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Content-Type: {answer.media_type}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode() + (b"" if method == "HEAD" else answer.body)
