"""What every request passes before anything of it is read: host, origin, size; and the headers of every answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

from plait.server.errors import ProblemError, answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 8 << 20
_TOO_LARGE = f"a request body may have at most {LARGEST_BODY >> 20} MiB"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cache-control": b"no-store",
}


def is_loopback(address: str) -> bool:
    """Whether an address to bind to, or to come from, is this machine's own."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware.

    - *Host*: only names in ``hosts`` are served (None: any), so that no foreign name can be made to point here.
    - *Client*: with ``local_only``, only from this machine.
    - *Origin*: what changes things must come from the dashboard's own pages, or from no browser.
    - *Size*: bodies end at ``LARGEST_BODY``.
    """

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str] | None, local_only: bool) -> None:
        self._app = app
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self._local_only = local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _add_headers(send)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        problem = self._find_problem(scope, headers)
        if problem is None:
            await self._app(scope, _limit(receive), send)
        else:
            await answer(problem.status, problem.problem)(scope, receive, send)

    def _find_problem(self, scope: Scope, headers: dict[bytes, str]) -> ProblemError | None:
        host = headers.get(b"host", "")
        if self._hosts is not None and _get_name(host) not in self._hosts:
            return ProblemError(
                421,
                "wrong_host",
                f"this server does not answer to the name {host[:200]!r}",
                hint="plait serve --allow-host NAME",
            )
        client = scope.get("client")
        if self._local_only and client is not None and not is_loopback(client[0]):
            return ProblemError(
                403, "forbidden", "a server without accounts answers only this machine", hint="plait serve --help"
            )
        if scope["method"] not in _SAFE and not _is_own(headers, host):
            return ProblemError(403, "cross_origin", "a page from another origin may not change anything here")
        length = headers.get(b"content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:20]) > LARGEST_BODY:
            return _too_large()
        return None


def _get_name(host: str) -> str:
    """The name in a Host header, without the port."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


def _is_own(headers: dict[bytes, str], host: str) -> bool:
    """Whether a request comes from a page of this origin, or from something that is no browser."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get(b"origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _too_large() -> ProblemError:
    return ProblemError(413, "too_large", _TOO_LARGE)


def _limit(receive: Receive) -> Receive:
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > LARGEST_BODY:
                raise HTTPException(413, _TOO_LARGE)  # the one kind that FastAPI lets through while it reads
        return message

    return limited


def _add_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *((name, value) for name, value in _HEADERS.items() if name not in present),
            ]
        await send(message)

    return sending
