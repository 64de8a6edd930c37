"""A link to PostgreSQL that carries only so many bytes a second, in both directions together."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

from support.database import Database
from support.server import OwnServer

CHUNK = 16_384
BUFFER = 32_768
"""Small, so that the ends of the link feel how slow it is."""


class SlowLink:
    """Forwards connections to a server's Unix socket. ``rate`` is bytes a second and may be changed at any time; 0
    stops everything, with the connections left open."""

    def __init__(self, server: OwnServer, rate: float, *, buffer: int = BUFFER) -> None:
        self.rate = rate
        self.carried = 0
        """Bytes so far."""
        self._buffer = buffer
        self._upstream = str(server.socket)
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._lock = threading.Lock()
        self._free_at = time.monotonic()
        self._sockets: list[socket.socket] = []
        self._is_closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def build_url(self, database: Database) -> str:
        """The URL of a database through this link."""
        user = urlsplit(database.url).username
        port = self._listener.getsockname()[1]
        return f"postgresql://{user}@127.0.0.1:{port}/{database.name}?sslmode=disable"

    def close(self) -> None:
        self._is_closed = True
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer)
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
                server.connect(self._upstream)
                self._sockets += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                self._wait_for(len(data))
                target.sendall(data)
                self.carried += len(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _wait_for(self, count: int) -> None:
        while not self.rate and not self._is_closed:
            time.sleep(0.01)
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + (count / self.rate if self.rate else 0)
            pause = self._free_at - now
        time.sleep(pause)
