"""Who is asking, and whether that is enough: cookies, tokens, failed attempts."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import inspect
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fastapi import Request, Response

from plait.server.accounts import Account, Role, derive_key, hash_secret, verify_secret
from plait.server.answers import SessionView
from plait.server.errors import ProblemError
from plait.server.permissions import Access
from plait.server.requests import LoginRequest

if TYPE_CHECKING:
    from plait.server.clients import Clients

SESSION_SECONDS = 12 * 3600.0
FAILURES, FAILURE_SECONDS = 5, 60.0
"""Failed attempts from one address within that time before it has to wait."""
ALL_FAILURES = 100
"""The same of all addresses together: each attempt costs the server some 50 ms."""
_REMEMBERED = 1000

Authorize = Callable[[Request], "Role | Awaitable[Role | None] | None"]
"""A user's own answer to who is asking: a role, or None for a stranger."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking."""

    name: str | None
    role: Role


class Throttle:
    """Counts failures by address and refuses when there were too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._all: list[float] = []

    def check(self, address: str) -> None:
        """Raise 429 when this address, or all together, failed too often."""
        now = self._clock()
        self._all = [moment for moment in self._all if now - moment < FAILURE_SECONDS]
        recent = [moment for moment in self._failures.get(address, ()) if now - moment < FAILURE_SECONDS]
        if len(recent) < FAILURES and len(self._all) < ALL_FAILURES:
            return
        first = recent[0] if len(recent) >= FAILURES else self._all[0]
        wait = max(1, round(FAILURE_SECONDS - (now - first)))
        raise ProblemError(
            429,
            "too_many_attempts",
            f"too many failed attempts: try again in {wait} s",
            headers={"retry-after": str(wait)},
        )

    def note(self, address: str) -> None:
        """One more failure."""
        now = self._clock()
        recent = [moment for moment in self._failures.pop(address, []) if now - moment < FAILURE_SECONDS]
        self._failures[address] = [*recent, now][-FAILURES:]
        while len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)
        self._all.append(now)


class Gate:
    """Admits requests. Without accounts and without ``authorize`` everybody whom the guard lets through may do all."""

    def __init__(self, accounts: Sequence[Account], authorize: Authorize | None, clients: Clients) -> None:
        self._accounts = tuple(accounts)
        self._authorize = authorize
        self._clients = clients
        self._key = derive_key(accounts)
        self.cookie = f"plait_{self._key.hex()[:8]}"
        self.throttle = Throttle()
        self._known_tokens: OrderedDict[bytes, Account] = OrderedDict()
        self._memory_key = secrets.token_bytes(32)
        self._revoked: OrderedDict[str, None] = OrderedDict()
        self._verifying = asyncio.Semaphore(2)
        self._decoy = hash_secret(secrets.token_urlsafe(16)) if accounts else ""

    @property
    def is_open(self) -> bool:
        """Whether there is nothing to sign in to."""
        return not self._accounts and self._authorize is None

    async def admit(self, request: Request, access: Access) -> None:
        """Raise 401 or 403 unless whoever asks may do this."""
        if access is Access.PUBLIC or self.is_open:
            return
        identity = await self.identify(request)
        if identity is None:
            raise ProblemError(
                401,
                "unauthorized",
                "sign in first",
                hint="POST /api/v1/session, or the header Authorization: Bearer TOKEN",
                headers={"www-authenticate": "Bearer"},
            )
        if access is Access.WRITE and identity.role is not Role.WRITE:
            raise ProblemError(403, "forbidden", "this account may only read")

    async def identify(self, request: Request) -> Identity | None:
        """Who is asking; None for a stranger. A wrong token counts as a failed attempt."""
        if self.is_open:
            return Identity(None, Role.WRITE)
        if self._authorize is not None:
            role = self._authorize(request)
            if inspect.isawaitable(role):
                role = await role
            if role is not None:
                return Identity(None, Role(role))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            account = await self._check(request, "token", None, token.strip())
            return None if account is None else Identity(account.name, account.role)
        return self._read_cookie(request.cookies.get(self.cookie))

    async def describe(self, request: Request) -> SessionView:
        """Who is asking, for the dashboard."""
        identity = await self.identify(request)
        return await self._view(identity)

    async def sign_in(self, request: Request, response: Response, body: LoginRequest) -> SessionView:
        """Check a password or token and set the cookie. Raises 401 or 429."""
        kind: Literal["user", "token"] = "token" if body.token else "user"
        secret = body.token or body.password
        account = await self._check(request, kind, body.user, secret) if secret and self._accounts else None
        if account is None:
            raise ProblemError(401, "unauthorized", "wrong name, password or token")
        response.set_cookie(
            self.cookie,
            self._make_cookie(account),
            max_age=int(SESSION_SECONDS),
            path=request.scope.get("root_path") or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return await self._view(Identity(account.name, account.role))

    def sign_out(self, request: Request, response: Response) -> bool:
        """Forget the cookie, here and in the browser. Whether it was a session."""
        value = request.cookies.get(self.cookie)
        response.delete_cookie(
            self.cookie, path=request.scope.get("root_path") or "/", httponly=True, samesite="strict"
        )
        if value is None or self._read_cookie(value) is None:
            return False
        self._revoked[value] = None
        while len(self._revoked) > _REMEMBERED:
            self._revoked.popitem(last=False)
        return True

    async def _view(self, identity: Identity | None) -> SessionView:
        from plait import __version__  # noqa: PLC0415 - plait is being imported when this is

        kinds = {account.kind for account in self._accounts}
        login: Literal["none", "password", "token", "both"] = "none"
        if kinds:
            login = "both" if len(kinds) == 2 else "password" if "user" in kinds else "token"
        return SessionView(
            role=None if identity is None else identity.role.value,
            user=None if identity is None else identity.name,
            login=login,
            plait_version=None if identity is None else __version__,
            database=None if identity is None else await self._clients.describe_database(),
        )

    # secrets

    async def _check(
        self, request: Request, kind: Literal["user", "token"], name: str | None, secret: str
    ) -> Account | None:
        """The account that a secret belongs to. All candidates are tried, and one at least: time tells nothing."""
        remembered = hmac.new(self._memory_key, secret.encode("utf-8", "replace"), hashlib.sha256).digest()
        if kind == "token" and (known := self._known_tokens.get(remembered)) is not None:
            return known
        address = request.client.host if request.client else ""
        self.throttle.check(address)
        candidates = [one for one in self._accounts if one.kind == kind and (kind == "token" or one.name == name)]
        found: Account | None = None
        async with self._verifying:
            for account in candidates:
                if await asyncio.to_thread(verify_secret, secret, account.hash):
                    found = found or account
            if not candidates:
                await asyncio.to_thread(verify_secret, secret, self._decoy)
        if found is None:
            self.throttle.note(address)
        elif kind == "token":
            self._known_tokens[remembered] = found
            while len(self._known_tokens) > _REMEMBERED:
                self._known_tokens.popitem(last=False)
        return found

    # cookies: who, until when, signed

    def _make_cookie(self, account: Account) -> str:
        data = {
            "k": account.kind,
            "n": account.name,
            "e": int(time.time() + SESSION_SECONDS),
            "s": secrets.token_hex(8),
        }
        body = base64.urlsafe_b64encode(json.dumps(data).encode()).decode()
        return f"{body}.{self._sign(body)}"

    def _read_cookie(self, value: str | None) -> Identity | None:
        body, _, signature = (value or "").partition(".")
        if not body or not hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(body).encode()):
            return None
        if value in self._revoked:
            return None
        try:
            data = json.loads(base64.urlsafe_b64decode(body))
        except (ValueError, binascii.Error):
            return None
        if data["e"] < time.time():
            return None
        for account in self._accounts:
            if (account.kind, account.name) == (data["k"], data["n"]):
                return Identity(account.name, account.role)
        return None

    def _sign(self, body: str) -> str:
        return hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
