"""A TCP proxy in front of PostgreSQL: it loses, holds back, delays and forgets what it is told to."""

from __future__ import annotations

import math
import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from support.database import Database
from support.server import OwnServer

CHUNK = 65536


class Proxy:
    """Forwards connections to a server's Unix socket, whole replies at a time.

    - ``lose_reply("plait finishes")`` loses the next reply with rows on a connection of that application name and
      resets the connection: the statement was committed and its sender will never know.
    - ``reset()`` resets every connection that is open.
    - ``freeze()`` is a partition: nothing gets through, either way, and new connections get no answer, until
      ``thaw()``. What was sent meanwhile arrives then, as TCP has it.
    - ``forget()`` is what firewalls do to idle connections: those that are open hear and tell nothing any more, new
      ones work. Of one application only, if it is named.
    - ``close_upstream()`` leaves the connections half-open: the server is told that they are over, the client is not.
    - ``carries`` is how many bytes get through together: a larger message or reply never arrives, nor does anything
      after it on its connection, as if it took longer than its sender waits. ``stuck`` counts them.
    - ``delay`` (seconds a message) and ``rate`` (bytes a second, replies only) make it slow.
    """

    def __init__(self, server: OwnServer) -> None:
        self._upstream = str(server.socket)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._closed = threading.Event()
        self._to_lose: dict[str, int] = {}
        self._to_spare: dict[str, int] = {}
        self._wires: list[_Wire] = []
        self.delay = 0.0
        self.rate = 0
        self.lost: list[str] = []
        """Application names of the connections whose replies were lost."""
        self.connects = 0
        self.carries = math.inf
        self.stuck = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def build_url(self, database: Database) -> str:
        """The URL of a database through this proxy."""
        user = urlsplit(database.url).username
        port = self._listener.getsockname()[1]
        return f"postgresql://{user}@127.0.0.1:{port}/{database.name}?sslmode=disable"

    def lose_reply(self, application: str, count: int = 1, *, after: int = 0) -> None:
        """Lose the next ``count`` replies, but let ``after`` of them through before."""
        with self._lock:
            self._to_spare[application] = after
            self._to_lose[application] = self._to_lose.get(application, 0) + count

    def reset(self) -> int:
        """Returns how many connections that were."""
        wires = self._take_open()
        for wire in wires:
            wire.reset()
        return len(wires)

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def forget(self, application: str | None = None) -> int:
        """Returns how many connections that were."""
        wires = [wire for wire in self._take_open() if application in (None, wire.application)]
        for wire in wires:
            wire.forgotten = True
        return len(wires)

    def close_upstream(self) -> int:
        """Returns how many connections that were."""
        wires = self._take_open()
        for wire in wires:
            wire.forgotten = True
            with suppress(OSError):
                wire.server.shutdown(socket.SHUT_RDWR)
        return len(wires)

    def close(self) -> None:
        self._closed.set()
        self._flowing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for wire in self._take_open():
            wire.close()

    def _take_open(self) -> list[_Wire]:
        """Those that are open, forgotten ones left out."""
        with self._lock:
            self._wires = [wire for wire in self._wires if not wire.is_over]
            return [wire for wire in self._wires if not wire.forgotten or self._closed.is_set()]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connects += 1
                wire = _Wire(client)
                with self._lock:
                    self._wires.append(wire)
                threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire: _Wire) -> None:
        self._flowing.wait()
        with wire.client, wire.server, suppress(OSError):
            wire.server.connect(self._upstream)
            length = struct.unpack("!I", _read(wire.client, 4))[0]
            startup = _read(wire.client, length - 4)
            wire.server.sendall(struct.pack("!I", length) + startup)
            words = startup[4:].split(b"\0")
            if b"application_name" not in words:  # a request to cancel: it has no answer
                return
            application = wire.application = words[words.index(b"application_name") + 1].decode()
            threading.Thread(target=self._forward_calls, args=(wire,), daemon=True).start()
            with suppress(OSError):
                self._forward_replies(wire, application)
            if wire.forgotten:
                self._closed.wait()  # the client hears nothing, not even an end
            wire.close()  # a close of the sockets alone would wait for the thread that reads
        wire.is_over = True

    def _forward_calls(self, wire: _Wire) -> None:
        with suppress(OSError):
            while True:
                data = _read(wire.client, 5)
                data += _read(wire.client, struct.unpack("!I", data[1:])[0] - 4)
                self._check_size(data, wire.client)
                self._flowing.wait()
                self._pause(0)
                if not wire.forgotten:
                    wire.server.sendall(data)
        if not wire.forgotten:
            with suppress(OSError):
                wire.server.shutdown(socket.SHUT_RDWR)

    def _forward_replies(self, wire: _Wire, application: str) -> None:
        rows = b""  # held back until the whole reply is there
        while True:
            head = _read(wire.server, 5)
            kind, message = head[:1], head + _read(wire.server, struct.unpack("!I", head[1:])[0] - 4)
            if kind == b"D" or rows:
                rows += message
                if kind != b"Z":
                    continue
                if self._loses(application):
                    wire.reset()
                    return
                message, rows = rows, b""
                self._check_size(message, wire.server)
            for start in range(0, len(message), CHUNK):
                chunk = message[start : start + CHUNK]
                self._flowing.wait()
                self._pause(len(chunk))
                if not wire.forgotten:
                    wire.client.sendall(chunk)

    def _check_size(self, message: bytes, source: socket.socket) -> None:
        if len(message) > self.carries:
            self.stuck += 1
            while source.recv(CHUNK):
                pass
            raise OSError("closed")

    def _pause(self, size: int) -> None:
        if seconds := self.delay + (size / self.rate if self.rate else 0.0):
            self._closed.wait(seconds)

    def _loses(self, application: str) -> bool:
        with self._lock:
            if not self._to_lose.get(application):
                return False
            if self._to_spare.get(application):
                self._to_spare[application] -= 1
                return False
            self._to_lose[application] -= 1
            self.lost.append(application)
            return True


class _Wire:
    """One connection, both of its ends."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.server = socket.socket(socket.AF_UNIX)
        self.application = ""
        self.forgotten = False
        self.is_over = False

    def reset(self) -> None:
        """End it with a RST to the client."""
        with suppress(OSError):
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _read(source: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = source.recv(min(count - len(parts), 1 << 20))
        if not part:
            raise OSError("closed")
        parts += part
    return bytes(parts)
