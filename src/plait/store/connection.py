"""Connections: one that heals itself, a few of them, and the words for what goes wrong."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast

import asyncpg

from plait.errors import (
    DatabaseUnavailableError,
    OperationError,
    SchemaError,
    UnknownVersionError,
)
from plait.store.codecs import SharingConnection
from plait.store.pooler import (
    MIXED_UP,
    choose_class,
    find_out,
    note_sharing,
    render_settings,
)
from plait.store.schema import check_not_moved, check_version
from plait.store.silence import Wire, limit_silence
from plait.store.urls import hide_password, list_hosts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from plait.store.pooler import TransactionConnection

T = TypeVar("T")

CALL_TIMEOUT = 10.0
"""Seconds that one statement may go on, connecting included, without a byte that moves: a black-holed connection is
given up after that."""
call_limit: ContextVar[float | None] = ContextVar("plait_call_limit", default=None)
"""Of the calls made here: less than ``CALL_TIMEOUT`` where another try is to come."""
IDLE_SECONDS = 15.0
"""A connection that was idle for longer is asked whether it is still there before a statement is trusted to it:
firewalls forget idle connections, and say so to neither end."""
PROBE_SECONDS = 2.0
STATEMENT_SECONDS = 60
"""When the server ends a statement of ours. Far longer than it may take: a reply over a slow link counts too."""
HOST_SECONDS = 3.0
"""How long one of several hosts may take to connect."""
GROW_SECONDS = 0.1
"""How long those who share links wait for one that is busy before another is opened. That takes a while too, and all
statements are planned anew in it; then it stays open."""
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3}
_last_hosts: dict[str, tuple[str, int]] = {}
"""By URL: the host that was connected to last."""

# Plans are made once (they do not depend on values) and must use the indexes even while a room is empty: a plan that
# was right for ten rows would stay for ten million.
SESSION_SETTINGS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_mergejoin": "off",
    "enable_memoize": "off",
    "jit": "off",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
    # The statements are made for it. Under another default of the database or the role, what waited for a lock would
    # not see what it waited for.
    "default_transaction_isolation": "read committed",
    # What a client gives up ends in the server too, and not only when it is done: its locks are in others' way. So the
    # server looks whether the connection is still open while it works, and asks a silent one.
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "10s",
    "tcp_keepalives_interval": "3s",
    "tcp_keepalives_count": "3",
}
_CHECK_INTERVAL = "client_connection_check_interval"
"""Not on every system that PostgreSQL runs on."""

UNKNOWN_VERSION = "PLT01"
"""SQLSTATE raised by ``plait.start_runs``."""

REFUSALS = (asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a call raises, translated or not, when the server refuses what was sent, or the driver cannot encode it."""

# What comes of a connection that is there no more, whatever the driver was doing with it.
_LOST = (
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,
)
_BROKEN = (
    *_LOST,
    OSError,
    asyncio.TimeoutError,
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.IdleSessionTimeoutError,
    asyncpg.exceptions.TooManyConnectionsError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    asyncpg.exceptions.DiskFullError,
    asyncpg.exceptions.OutOfMemoryError,
    *MIXED_UP,
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
    place = hide_password(url)
    if isinstance(error, _NO_SCHEMA):
        return SchemaError(f"the database has no (complete) Plait schema: run `plait db upgrade` ({error})")
    if isinstance(error, asyncpg.exceptions.InsufficientPrivilegeError):
        return DatabaseUnavailableError(
            f"PostgreSQL at {place} refused: {error}. Grant that to the role (to use Plait: USAGE on "
            "schema plait and its sequences, SELECT, INSERT, UPDATE, DELETE on its tables); `plait db upgrade` must be "
            "able to create them",
            database=place,
            refused=True,
        )
    if isinstance(error, _REFUSED):
        return DatabaseUnavailableError(f"PostgreSQL at {place} refused: {error}", database=place, refused=True)
    if isinstance(error, asyncpg.exceptions.QueryCanceledError):
        return UnansweredError(f"PostgreSQL at {place} gave up a statement that took too long", database=place)
    if isinstance(error, _BROKEN) or (_read_sqlstate(error)[:2] in _TRANSIENT_CLASSES):
        return DatabaseUnavailableError(f"PostgreSQL at {place} is not available: {_explain(error)}", database=place)
    return None


def _explain(error: BaseException) -> str:
    """What the system or the driver says, in plain words; what the server says, as it says it."""
    text = str(error)
    if isinstance(error, asyncpg.PostgresError) and _read_sqlstate(error)[:2] != "08":
        return text
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in text or "Connection refused" in text:
        return "nothing answers at that address (connection refused): is it running, and is the address right?"
    if isinstance(error, FileNotFoundError):
        return "there is no socket at that path: is it running, and is the path right?"
    if isinstance(error, socket.gaierror):
        return f"the name of the host is not known ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, (ConnectionError, *_LOST)):
        return "the connection was lost"
    return text or type(error).__name__


def _read_sqlstate(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""


async def connect(
    url: str,
    *,
    application_name: str = "plait",
    statement_timeout: str = "0",
) -> SharingConnection:
    """Open a connection with Plait's session settings. Raises ``DatabaseUnavailableError``.

    Of several hosts in the URL each gets its turn, first the one that was connected to last. ``statement_timeout`` is
    PostgreSQL's; without one, a statement takes as long as it takes, whatever the database's default.
    """
    wanted = {**SESSION_SETTINGS, "application_name": application_name, "statement_timeout": statement_timeout}
    try:
        async with asyncio.timeout(call_limit.get() or CALL_TIMEOUT):
            connection = await _connect_somewhere(url, wanted)
    except asyncpg.UndefinedObjectError as error:
        raise OperationError(
            f"the database URL has a parameter that PostgreSQL does not know: {error}. Take it out of the URL"
        ) from error
    except (*_BROKEN, *_REFUSED, ValueError) as error:
        translated = translate_error(error, url)
        raise translated or OperationError(f"cannot connect to {hide_password(url)}: {error}") from error
    _keep_alive(connection)
    return connection


async def _connect_somewhere(url: str, wanted: dict[str, str]) -> SharingConnection:
    """A connection to a host of the URL that takes writes (or whatever the URL asks of it)."""
    hosts = list_hosts(url)
    if len(hosts) < 2:
        return await _connect_with(url, wanted)
    # The driver would give all of them one time limit together, which a dead host that says nothing uses up alone.
    last = _last_hosts.get(url)
    failure: BaseException = OSError("no host")
    for host in sorted(hosts, key=lambda host: host != last):
        try:
            async with asyncio.timeout(HOST_SECONDS):
                connection = await _connect_with(url, wanted, host=host[0], port=host[1])
        except (*_BROKEN, asyncpg.exceptions.TargetServerAttributeNotMatched) as error:
            failure = error
        else:
            _last_hosts[url] = host
            return connection
    raise failure


async def _connect_with(url: str, wanted: dict[str, str], *, again: bool = False, **place: Any) -> SharingConnection:
    """A connection with the settings in force. They are sent when it is there: poolers take few with the start."""
    name = {"application_name": wanted["application_name"]}
    settings = {setting: value for setting, value in wanted.items() if setting not in name}

    async def open_one() -> SharingConnection:
        kind = choose_class(url)
        cache = {"statement_cache_size": 0} if kind.shares_session else {}
        one: SharingConnection = await asyncpg.connect(
            url, connection_class=kind, server_settings=name, **cache, **place
        )
        return one

    connection = await open_one()
    try:
        if await find_out(url, connection, open_one) and not connection.shares_session:
            connection.terminate()
            connection = await open_one()
        await _settle(connection, settings)
    except BaseException as error:
        connection.terminate()
        # It was there, and was lost at once: then it is made once more.
        if again or not isinstance(error, (*_LOST, OSError)):
            raise
    else:
        return connection
    return await _connect_with(url, wanted, again=True, **place)


async def _settle(connection: SharingConnection, settings: dict[str, str]) -> None:
    if connection.shares_session:
        cast("TransactionConnection", connection).prologue = f"BEGIN; {render_settings(settings, local=True)}"
        return
    try:
        await connection.execute(render_settings(settings, local=False))
    except asyncpg.exceptions.InvalidParameterValueError:
        if _CHECK_INTERVAL not in settings:
            raise
        left = {name: value for name, value in settings.items() if name != _CHECK_INTERVAL}
        await connection.execute(render_settings(left, local=False))


def _keep_alive(connection: asyncpg.Connection) -> None:
    """Have the system ask an idle connection whether it is there: that keeps firewalls from forgetting it, and finds
    out about a dead host."""
    found = connection._transport.get_extra_info("socket")
    if found is None or found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, seconds in _KEEPALIVE.items():
        if hasattr(socket, name):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


async def _find_move(connection: asyncpg.Connection) -> SchemaError | None:
    """The error that says where everything went, if the schema is gone because of ``plait db move``."""
    try:
        await check_not_moved(connection)
    except SchemaError as error:
        return error
    except (*_BROKEN, asyncpg.PostgresError):
        pass
    return None


async def is_schema_back(url: str) -> bool:
    """Whether there is a schema this Plait works with, or it is known to have moved elsewhere for good. A database that
    does not answer has none."""
    try:
        connection = await connect(url)
    except (DatabaseUnavailableError, TimeoutError):
        return False
    try:
        if await _find_move(connection) is None:
            await check_version(connection)
        return True
    except (SchemaError, *_BROKEN, asyncpg.PostgresError):
        return False
    finally:
        connection.terminate()


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
        self._used = 0.0

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """All rows of a statement."""
        return await self._call(lambda connection: connection.fetch(sql, *args))

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """The first row of a statement, or None."""
        return await self._call(lambda connection: connection.fetchrow(sql, *args))

    async def execute(self, sql: str, *args: Any) -> None:
        """Run a statement for its effect."""
        await self._call(lambda connection: connection.execute(sql, *args))

    @property
    def is_open(self) -> bool:
        """Whether it has a connection that is not known to be broken."""
        return self._connection is not None and not self._connection.is_closed()

    async def open(self) -> None:
        """Have a connection, so that the first call needs not wait for one, nor find that there is none left."""
        if not self.is_open:
            await self._call(_do_nothing)

    async def close(self) -> None:
        """Close the connection, gracefully for two seconds, then at once."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=2)
            except (*_BROKEN, asyncpg.PostgresError):
                connection.terminate()

    async def _call(self, send: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        seconds = (call_limit.get() or CALL_TIMEOUT) * self._patience
        try:
            async with limit_silence(seconds, self._get_wire), self._lock:
                return await self._send(send)
        except TimeoutError as error:
            raise UnansweredError(
                f"PostgreSQL at {hide_password(self._url)} did not answer within {seconds:.3g} s",
                database=hide_password(self._url),
            ) from error

    def _get_wire(self) -> Wire | None:
        return None if self._connection is None else self._connection.wire

    async def _send(self, send: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        connection = await self._find_connection()
        try:
            answer = await send(connection)
            self._used = time.monotonic()
            return answer
        except BaseException as error:
            if isinstance(error, (asyncio.CancelledError, *_BROKEN)):
                self._drop()
            if isinstance(error, MIXED_UP) and not connection.shares_session:
                note_sharing(self._url)
                return await self._send(send)  # nothing was done, and the next connection is made for it
            translated = translate_error(error, self._url)
            if isinstance(error, _NO_SCHEMA):
                translated = await _find_move(connection) or translated
            if translated is None:
                raise
            raise translated from error

    async def _find_connection(self) -> SharingConnection:
        """The connection, opened if there is none, or none that still answers after it was idle."""
        connection = self._connection
        if connection is not None and time.monotonic() - self._used > IDLE_SECONDS:
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await connection.execute("SELECT 1")
            except (*_BROKEN, asyncpg.PostgresError):
                self._drop()
        if self._connection is None or self._connection.is_closed():
            # Behind a proxy that keeps its connection open, this is what ends a statement that was given up here.
            limit = f"{STATEMENT_SECONDS}s"
            self._connection = await connect(self._url, application_name=self._name, statement_timeout=limit)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def _do_nothing(_connection: asyncpg.Connection) -> None:
    pass


class LinkPool:
    """A few links for everything that is not the hot path, last used first; opened when those that are open are not
    enough."""

    def __init__(self, url: str, *, size: int = 3, name: str = "plait") -> None:
        self._idle = [Link(url, name=name) for _ in range(size)]
        self._all = tuple(self._idle)
        self._free = asyncio.Semaphore(size)
        self._returned = asyncio.Event()

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[Link]:
        """A link for the time of the block."""
        async with self._free:
            link = await self._choose()
            self._idle.remove(link)
            try:
                yield link
            finally:
                self._idle.append(link)
                self._returned.set()

    async def _choose(self) -> Link:
        """An open one, where there is one: perhaps no other can be opened. One that is busy is given back, as a rule,
        sooner than another could be opened, which would then stay open for nothing."""
        if len(self._idle) < len(self._all):
            with suppress(TimeoutError):
                async with asyncio.timeout(GROW_SECONDS):
                    while self._find_open() is None:
                        self._returned.clear()
                        await self._returned.wait()
        return self._find_open() or self._idle[-1]

    def _find_open(self) -> Link | None:
        return next((link for link in reversed(self._idle) if link.is_open), None)

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
