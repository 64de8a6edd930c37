"""Runs the server: in the foreground until a signal, or on a thread beside something else."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from plait.errors import OperationError
from plait.server.accounts import Account
from plait.server.app import create_app
from plait.server.middleware import is_loopback

if TYPE_CHECKING:
    from fastapi import FastAPI

    from plait.client import Plait

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8080
PORTS_TRIED = 20
GRACEFUL_SECONDS = 3


class DashboardServer(uvicorn.Server):
    """uvicorn, ending the streams of changes first: an open page must not keep it."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._dashboard = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._dashboard.state.broker.close()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # uvicorn tells those that are connected when it begins. One that was being accepted then would stay open, and
        # its browser would wait for an answer for as long as this process lives.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


class RunningServer:
    """A server on a daemon thread. ``url`` is where its pages are."""

    def __init__(self, plait: Plait, listener: socket.socket, app: FastAPI) -> None:
        self.url = describe_url(listener)
        self.app = app
        self._server = _make_server(app)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="plait-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it and wait for that."""
        self.app.state.broker.close()
        self._server.should_exit = True
        self._thread.join(GRACEFUL_SECONDS + 2)


def _make_server(app: FastAPI) -> DashboardServer:
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        proxy_headers=False,
    )
    return DashboardServer(config, app)


def bind(host: str, port: int, *, any_near: bool = False) -> socket.socket:
    """A listening socket. ``any_near``: where the port is taken, one of the next, or any. Raises ``OperationError``."""
    ports = [*range(port, min(port + PORTS_TRIED, 65_536)), 0] if any_near and port else [port]
    failure: OSError | None = None
    for number in ports:
        try:
            return _listen(host, number)
        except OSError as error:
            failure = error
    raise _explain(host, port, failure)


def _explain(host: str, port: int, failure: OSError | None) -> OperationError:
    """The error, with the way out as its note where the port is taken."""
    if failure is None or failure.errno != errno.EADDRINUSE:
        return OperationError(f"cannot listen on {host} port {port}: {failure}")
    error = OperationError(
        f"cannot listen on {host} port {port}: another program uses it, perhaps another plait dev or plait serve"
    )
    error.add_note(f"--port {port + 1 if port < 65_535 else port - 1}, or --port 0 for any that is free")
    return error


def _listen(host: str, port: int) -> socket.socket:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # The protocol is named: only then does asyncio switch Nagle's algorithm off, which held answers back for 40 ms.
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener


def describe_url(listener: socket.socket) -> str:
    """The address of the pages behind a socket."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def check_exposure(host: str, accounts: Sequence[Account]) -> None:
    """Raise ``OperationError`` when an address that others can reach is to be served without accounts."""
    if not accounts and not is_loopback(host):
        raise OperationError(
            f"{host} can be reached by others, and there is no account: set PLAIT_SERVER_TOKEN or "
            "PLAIT_SERVER_PASSWORD, or give --accounts FILE; without them only a loopback address (127.0.0.1) is served"
        )


def serve(
    plait: Plait,
    listener: socket.socket,
    *,
    accounts: Sequence[Account] = (),
    allowed_hosts: Sequence[str] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    check_exposure(listener.getsockname()[0], accounts)
    _make_server(create_app(plait, accounts=accounts, allowed_hosts=allowed_hosts)).run([listener])


def start(
    plait: Plait,
    *,
    host: str = DEFAULT_HOST,
    port: int = 0,
    accounts: Sequence[Account] = (),
    allowed_hosts: Sequence[str] | None = None,
    any_near: bool = True,
) -> RunningServer:
    """Serve on a thread; returns once it listens."""
    check_exposure(host, accounts)
    listener = bind(host, port, any_near=any_near)
    return RunningServer(plait, listener, create_app(plait, accounts=accounts, allowed_hosts=allowed_hosts))
