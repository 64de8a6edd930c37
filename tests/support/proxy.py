"""A TCP proxy in front of PostgreSQL that loses what it is told to lose."""

from __future__ import annotations

import math
import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from support.database import Database
from support.server import OwnServer


class Proxy:
    """Forwards connections to a server's Unix socket, whole replies at a time.

    ``lose_reply("plait finishes")`` loses the next reply with rows on a connection of that application name and resets
    the connection: the statement was committed and its sender will never know. ``forget()`` makes the connections that
    are open swallow everything, as a firewall does that has forgotten them; new ones work. While ``carries`` is set, a
    message or a reply of more bytes than that never arrives: what is too much for a link before its sender loses
    patience.
    """

    def __init__(self, server: OwnServer) -> None:
        self._upstream = str(server.socket)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._to_lose: dict[str, int] = {}
        self._to_spare: dict[str, int] = {}
        self._clients: list[socket.socket] = []
        self._forgotten: set[socket.socket] = set()
        self.lost: list[str] = []
        """Application names of the connections whose replies were lost."""
        self.connects = 0
        self.carries = math.inf
        self.stuck = 0
        """Messages and replies that were too large."""
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

    def forget(self) -> None:
        with self._lock:
            self._forgotten |= set(self._clients)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for client in self._clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connects += 1
                with self._lock:
                    self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        upstream = socket.socket(socket.AF_UNIX)
        with client, upstream, suppress(OSError):
            upstream.connect(self._upstream)
            length = struct.unpack("!I", _read(client, 4))[0]
            startup = _read(client, length - 4)
            upstream.sendall(struct.pack("!I", length) + startup)
            words = startup[4:].split(b"\0")
            if b"application_name" not in words:  # a request to cancel: it has no answer
                return
            application = words[words.index(b"application_name") + 1].decode()
            threading.Thread(target=self._forward_requests, args=(client, upstream), daemon=True).start()
            with suppress(OSError):
                self._forward_replies(upstream, client, application)
            for end in (client, upstream):  # a close alone would wait for the thread that reads
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _forward_requests(self, client: socket.socket, upstream: socket.socket) -> None:
        with suppress(OSError):
            while True:
                head = _read(client, 5)
                message = head + _read(client, struct.unpack("!I", head[1:])[0] - 4)
                if self._is_too_large(message):
                    _swallow(client)
                if client not in self._forgotten:
                    upstream.sendall(message)
        with suppress(OSError):
            upstream.shutdown(socket.SHUT_RDWR)

    def _is_too_large(self, message: bytes) -> bool:
        self.stuck += len(message) > self.carries
        return len(message) > self.carries

    def _forward_replies(self, upstream: socket.socket, client: socket.socket, application: str) -> None:
        rows = b""  # held back until the whole reply is there
        while True:
            head = _read(upstream, 5)
            kind, message = head[:1], head + _read(upstream, struct.unpack("!I", head[1:])[0] - 4)
            if kind == b"D" or rows:
                rows += message
                if kind != b"Z":
                    continue
                if self._loses(application):
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
                    client.shutdown(socket.SHUT_RDWR)
                    return
                message, rows = rows, b""
                if self._is_too_large(message):
                    _swallow(upstream)
            if client not in self._forgotten:
                client.sendall(message)

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


def _swallow(source: socket.socket) -> None:
    """Nothing of a connection arrives any more. Raises ``OSError`` when it is closed."""
    while source.recv(65536):
        pass
    raise OSError("closed")


def _read(source: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = source.recv(count - len(parts))
        if not part:
            raise OSError("closed")
        parts += part
    return bytes(parts)
