"""Connections: one that heals itself, a few of them, and the words for what goes wrong."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from plait.errors import (
    DatabaseUnavailableError,
    OperationError,
    SchemaError,
    UnknownVersionError,
)
from plait.store.codecs import SharingConnection
from plait.store.schema import check_not_moved
from plait.store.silence import Wire, limit_silence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = TypeVar("T")

CALL_TIMEOUT = 10.0
"""Seconds that one statement may go on, connecting included, without a byte that moves: a black-holed connection is
given up after that."""

# Plans are made once (they do not depend on values) and must use the indexes even while a room is empty: a plan that
# was right for ten rows would stay for ten million.
SESSION_SETTINGS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_mergejoin": "off",
    "enable_memoize": "off",
    "jit": "off",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
}

# Up to the last @: no parser is to be trusted with a URL whose password may be written wrongly.
_USER_PASSWORD = re.compile(r"^(.*?://[^:]*|(?!.*://)[^:]*):.*@", re.DOTALL)
_NAMED_PASSWORD = re.compile(r"(\b(?:ssl)?password\s*=\s*)[^&]*", re.IGNORECASE)

UNKNOWN_VERSION = "PLT01"
"""SQLSTATE raised by ``plait.start_runs``."""

REFUSALS = (asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a call raises, translated or not, when the server refuses what was sent, or the driver cannot encode it."""

_BROKEN = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.IdleSessionTimeoutError,
    asyncpg.exceptions.TooManyConnectionsError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    asyncpg.exceptions.DiskFullError,
    asyncpg.exceptions.OutOfMemoryError,
)
# Classes of SQLSTATE that speak of the server's state and not of what was sent: connection, transaction rollback (a
# deadlock), resources, object not in prerequisite state (a lock), operator intervention, system error.
_TRANSIENT_CLASSES = frozenset({"08", "40", "53", "55", "57", "58"})
_REFUSED = (
    asyncpg.exceptions.InvalidAuthorizationSpecificationError,
    asyncpg.exceptions.InvalidCatalogNameError,
    asyncpg.exceptions.InsufficientPrivilegeError,
)
_NO_SCHEMA = (
    asyncpg.exceptions.UndefinedTableError,
    asyncpg.exceptions.UndefinedColumnError,
    asyncpg.exceptions.UndefinedFunctionError,
    asyncpg.exceptions.InvalidSchemaNameError,
)


class UnansweredError(DatabaseUnavailableError):
    """The database may well be there, but a statement was not answered in time: it may have been too much at once."""


def normalise_url(url: str) -> str:
    """A URL as asyncpg takes it: SQLAlchemy's ``postgresql+driver://`` and ``postgres://`` become ``postgresql://``.

    Raises ``OperationError`` for any other scheme.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise OperationError(
            f"the database URL {hide_password(url)!r} is not a PostgreSQL URL: write "
            "postgresql://user:password@host:5432/database"
        )
    return f"postgresql://{rest}"


def hide_password(url: str) -> str:
    """The URL with its passwords replaced, fit for messages and logs.

    It takes away rather too much than too little: a password with an unescaped ``/``, ``?``, ``#`` or ``@`` is hidden
    whole, though such a URL cannot be used.
    """
    return _USER_PASSWORD.sub(r"\1:***@", _NAMED_PASSWORD.sub(r"\1***", url))


def iter_backoff(first: float = 0.1, ceiling: float = 2.0) -> Iterator[float]:
    """Seconds to wait between attempts to reach the database: doubling, with jitter, for ever."""
    delay = first
    while True:
        yield delay * (0.5 + random.random() / 2)
        delay = min(ceiling, delay * 2)


def translate_error(error: BaseException, url: str) -> Exception | None:
    """The Plait error for what a driver raised, or None when it is no matter of operation (a bad value, a bug)."""
    if _read_sqlstate(error) == UNKNOWN_VERSION:
        return UnknownVersionError(
            "the database does not know the workflow versions that this process stored: somebody replaced or "
            "restored the database. Nothing was started. Trigger again: the versions are then stored again"
        )
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return None  # a value that the driver cannot encode
    if isinstance(error, _NO_SCHEMA):
        return SchemaError(f"the database has no (complete) Plait schema: run `plait db upgrade` ({error})")
    if isinstance(error, asyncpg.exceptions.InsufficientPrivilegeError):
        return DatabaseUnavailableError(
            f"PostgreSQL at {hide_password(url)} refused: {error}. Grant that to the role (to use Plait: USAGE on "
            "schema plait, SELECT, INSERT, UPDATE, DELETE on its tables); `plait db upgrade` must be able to create it"
        )
    if isinstance(error, _REFUSED):
        return DatabaseUnavailableError(f"PostgreSQL at {hide_password(url)} refused: {error}")
    if isinstance(error, asyncpg.exceptions.QueryCanceledError):
        return UnansweredError(f"PostgreSQL at {hide_password(url)} gave up a statement that took too long")
    if isinstance(error, _BROKEN) or (_read_sqlstate(error)[:2] in _TRANSIENT_CLASSES):
        what = str(error) or type(error).__name__
        return DatabaseUnavailableError(f"PostgreSQL at {hide_password(url)} is not available: {what}")
    return None


def _read_sqlstate(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""


async def connect(url: str, *, application_name: str = "plait", timeout: float = CALL_TIMEOUT) -> SharingConnection:
    """Open a connection with Plait's session settings. Raises ``DatabaseUnavailableError``."""
    try:
        connection: SharingConnection = await asyncpg.connect(
            url,
            timeout=timeout,  # pyright: ignore[reportArgumentType]
            connection_class=SharingConnection,
            server_settings={**SESSION_SETTINGS, "application_name": application_name},
        )
        return connection
    except (*_BROKEN, *_REFUSED, ValueError) as error:
        translated = translate_error(error, url)
        raise translated or OperationError(f"cannot connect to {hide_password(url)}: {error}") from error


async def _find_move(connection: asyncpg.Connection) -> SchemaError | None:
    """The error that says where everything went, if the schema is gone because of ``plait db move``."""
    try:
        await check_not_moved(connection)
    except SchemaError as error:
        return error
    except (*_BROKEN, asyncpg.PostgresError):
        pass
    return None


class Link:
    """One connection, opened when first needed and again after it broke. Its calls are serial.

    A call raises ``DatabaseUnavailableError`` when the connection broke before its reply: whether it was committed is
    then unknown, so every statement sent through a link must bear repetition.
    """

    def __init__(self, url: str, *, name: str = "plait", patience: float = 1.0) -> None:
        self._url = url
        self._name = name
        self._patience = patience
        """How many times ``CALL_TIMEOUT`` a call may be without a byte that moves."""
        self._connection: SharingConnection | None = None
        self._lock = asyncio.Lock()

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """All rows of a statement."""
        return await self._call(lambda connection: connection.fetch(sql, *args))

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """The first row of a statement, or None."""
        return await self._call(lambda connection: connection.fetchrow(sql, *args))

    async def execute(self, sql: str, *args: Any) -> None:
        """Run a statement for its effect."""
        await self._call(lambda connection: connection.execute(sql, *args))

    async def close(self) -> None:
        """Close the connection, gracefully for two seconds, then at once."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=2)
            except (*_BROKEN, asyncpg.PostgresError):
                connection.terminate()

    async def _call(self, send: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        seconds = CALL_TIMEOUT * self._patience
        try:
            async with limit_silence(seconds, self._get_wire), self._lock:
                return await self._send(send)
        except TimeoutError as error:
            raise UnansweredError(
                f"PostgreSQL at {hide_password(self._url)} did not answer within {seconds:g} s"
            ) from error

    def _get_wire(self) -> Wire | None:
        return None if self._connection is None else self._connection.wire

    async def _send(self, send: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = self._connection = await connect(self._url, application_name=self._name)
        try:
            return await send(connection)
        except BaseException as error:
            if isinstance(error, (asyncio.CancelledError, *_BROKEN)):
                self._drop()
            translated = translate_error(error, self._url)
            if isinstance(error, _NO_SCHEMA):
                translated = await _find_move(connection) or translated
            if translated is None:
                raise
            raise translated from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


class LinkPool:
    """A few links for everything that is not the hot path; opened as needed, last used first."""

    def __init__(self, url: str, *, size: int = 3, name: str = "plait") -> None:
        self._idle = [Link(url, name=name) for _ in range(size)]
        self._all = tuple(self._idle)
        self._free = asyncio.Semaphore(size)

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[Link]:
        """A link for the time of the block."""
        async with self._free:
            link = self._idle.pop()
            try:
                yield link
            finally:
                self._idle.append(link)

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        async with self.borrow() as link:
            return await link.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        async with self.borrow() as link:
            return await link.fetchrow(sql, *args)

    async def execute(self, sql: str, *args: Any) -> None:
        async with self.borrow() as link:
            await link.execute(sql, *args)

    async def close(self) -> None:
        """Close all of its links."""
        for link in self._all:
            await link.close()
