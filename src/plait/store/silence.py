"""Tells a slow link from a dead one: a call's time limit counts the time without a byte, not the time it takes."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

LOOKS = 4
"""How often within a time limit it is looked whether bytes moved."""


class Wire(asyncio.Protocol):
    """Stands between a connection's transport and the driver's protocol, and knows when bytes last came in.

    What goes out is seen by what is left to send: in the transport and, on Linux, in the kernel's buffers.
    """

    def __init__(self, transport: Any, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.received_at = loop.time()
        self._transport = transport
        self._loop = loop
        self._driver = protocol
        transport.set_protocol(self)

    def count_unsent(self) -> int:
        """Bytes that the other side has not confirmed, as far as that can be known."""
        unsent: int = self._transport.get_write_buffer_size()
        try:
            socket = self._transport.get_extra_info("socket")
            answer = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        except OSError:  # a socket that is closed, a system that cannot tell
            return unsent
        return unsent + int(struct.unpack("i", answer)[0])

    def data_received(self, data: bytes) -> None:
        self.received_at = self._loop.time()
        self._driver.data_received(data)

    def eof_received(self) -> Any:
        return self._driver.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._driver.connection_lost(exc)

    def pause_writing(self) -> None:
        self._driver.pause_writing()

    def resume_writing(self) -> None:
        self._driver.resume_writing()


class _Look:
    """Puts a time limit off, now and then, to so many seconds after the last byte that moved."""

    def __init__(self, limit: asyncio.Timeout, seconds: float, get_wire: Callable[[], Wire | None]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._get_wire = get_wire
        self._unsent = 0
        self._loop = asyncio.get_running_loop()
        self.timer = self._loop.call_later(seconds / LOOKS, self._look)

    def _look(self) -> None:
        if self._limit.expired():
            return
        if (wire := self._get_wire()) is not None:
            before, self._unsent = self._unsent, wire.count_unsent()
            moved_at = self._loop.time() if self._unsent < before else wire.received_at
            self._limit.reschedule(max(self._limit.when() or 0.0, moved_at + self._seconds))
        self.timer = self._loop.call_later(self._seconds / LOOKS, self._look)


@asynccontextmanager
async def limit_silence(seconds: float, get_wire: Callable[[], Wire | None]) -> AsyncIterator[None]:
    """``asyncio.timeout``, put off for as long as bytes move on the wire of the moment."""
    async with asyncio.timeout(seconds) as limit:
        look = _Look(limit, seconds, get_wire)
        try:
            yield
        finally:
            look.timer.cancel()
