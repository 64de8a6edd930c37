"""Connections through a pooler such as PgBouncer.

In session mode a client has a server's session to itself, as without one. In transaction mode it has a session for the
time of a transaction: settings, prepared statements, LISTEN and locks of a session would be left with somebody else. So
there every statement goes in a transaction of its own that begins with the settings, and changes are found by polling.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import asyncpg

from plait.store.codecs import SharingConnection

logger = logging.getLogger("plait")

# What a statement meets that another session has prepared, or one that is not there.
MIXED_UP = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
_MARK = "plait.mark"
_sharing: dict[str, bool] = {}
"""By URL: whether sessions are shared there, by transactions. Not in it: nobody has looked yet."""
_looks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class TransactionConnection(SharingConnection):
    """A connection to a pooler in transaction mode. ``prologue`` begins each transaction. A statement without arguments
    goes as it is."""

    shares_session = True
    prologue = "BEGIN"

    async def _execute(self, query: str, args: Any, limit: int, timeout: float | None, **options: Any) -> Any:
        if self.is_in_transaction():
            return await super()._execute(query, args, limit, timeout, **options)
        await self.execute(self.prologue)
        try:
            result = await super()._execute(query, args, limit, timeout, **options)
        except Exception:
            if not self.is_closed():
                await self.execute("ROLLBACK")
            raise
        await self.execute("COMMIT")
        return result


def render_settings(settings: Mapping[str, str], *, local: bool) -> str:
    """The statements that set them, for the session or the transaction."""
    word = "LOCAL" if local else "SESSION"
    return "; ".join(f"SET {word} {name} = '{value}'" for name, value in settings.items())


def choose_class(url: str) -> type[SharingConnection]:
    """What a connection to this URL is to be, by what is known of it."""
    return TransactionConnection if _sharing.get(url) else SharingConnection


def note_sharing(url: str) -> None:
    """There is a pooler in transaction mode."""
    if not _sharing.get(url):
        _sharing[url] = True
        logger.info(
            "the database is reached through a pooler in transaction mode: changes are found by polling, within about "
            "a second, and a statement takes three round trips; a direct connection, or session mode, is quicker"
        )


async def find_out(url: str, connection: SharingConnection, connect: Any) -> bool:
    """Whether sessions are shared, looked at once for each URL. ``connect`` makes another connection.

    A pooler gives its own number for the server's process. Then one client marks its session: if a second one meets the
    mark, or the first one does not meet it again while the second is in a transaction, it was not the first one's own.
    """
    if url in _sharing:
        return _sharing[url]
    # One at a time: those who look at the same time would get in each other's way.
    looks = _looks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with looks:
        if url not in _sharing:
            await _look(url, connection, connect)
    return _sharing[url]


async def _look(url: str, connection: SharingConnection, connect: Any) -> None:
    try:
        is_direct = await _ask(connection, "pg_backend_pid()") == connection.get_server_pid()
        if is_direct or not await _meets_strangers(connection, connect):
            _sharing[url] = False
            return
    except MIXED_UP:
        pass
    note_sharing(url)


async def _meets_strangers(connection: SharingConnection, connect: Any) -> bool:
    mark = uuid4().hex
    await connection.execute(f"SET {_MARK} = '{mark}'")
    other: SharingConnection = await connect()
    try:
        await other.execute("BEGIN")
        if await _ask(other, f"current_setting('{_MARK}', true)") == mark:
            return True
        return bool(await _ask(connection, f"current_setting('{_MARK}', true)") != mark)
    finally:
        other.terminate()


async def _ask(connection: SharingConnection, expression: str) -> Any:
    # Without a name: one with a name would be in the way of the next client of that session.
    statement = await connection.prepare(f"SELECT {expression}", name="")
    return await statement.fetchval()
