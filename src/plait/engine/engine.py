"""Everything of one process that talks to the database: connections, hints, versions, and the parts that use them."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import weakref
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from plait.engine.portal import Portal
from plait.engine.repeat import persist, repeat, repeat_briefly
from plait.errors import UnknownVersionError
from plait.faultpoints import reach
from plait.settings import find_database
from plait.tracing import find_tracing

if TYPE_CHECKING:
    from plait.embedded import EmbeddedPostgres
    from plait.engine.control import Control
    from plait.engine.requests import RunRequest
    from plait.engine.starts import Starts
    from plait.engine.versions import Versions
    from plait.engine.waiter import RunOutcome, RunWaiter
    from plait.store.batcher import Batcher
    from plait.store.events import EventRow
    from plait.store.hints import Hub
    from plait.store.store import Store
    from plait.tracing.lifetimes import LifetimeReader

logger = logging.getLogger("plait")

T = TypeVar("T")

PUSH_BATCH = 1000
PUSH_BYTES = 16 << 20
"""Most bytes of payload in one commit of events, a single larger one aside."""


class Engine:
    """One per ``Access`` and process; made at first use. ``await connect()`` before anything else.

    All methods run on the portal's loop. Attributes, once connected: ``store``, ``hub``, ``versions``, ``control``,
    ``starts`` and ``waiter``.
    """

    store: Store
    hub: Hub
    versions: Versions
    control: Control
    starts: Starts
    waiter: RunWaiter

    def __init__(self, url: str | None, *, auto_upgrade: bool = True) -> None:
        self.portal = Portal()
        self.pid = os.getpid()
        self._explicit_url = url
        self._auto_upgrade = auto_upgrade
        self._connecting: asyncio.Future[None] | None = None
        self._embedded: EmbeddedPostgres | None = None
        self._pushes: Batcher[EventRow, None]
        self._closed = False
        self._lifetimes: list[LifetimeReader] = []
        atexit.register(_close_at_exit, weakref.ref(self))

    async def connect(self) -> None:
        """Find the database (starting the embedded one if none is named), check its schema, make the parts.

        Concurrent callers share one attempt; a failed one is not remembered. Raises ``DatabaseUnavailableError``,
        ``SchemaError`` or ``EmbeddedPostgresError``.
        """
        if self._connecting is None or (self._connecting.done() and self._connecting.exception() is not None):
            self._connecting = asyncio.ensure_future(self._connect())
        await asyncio.shield(self._connecting)

    async def _connect(self) -> None:
        # Imported here: asyncpg and the server are no cost of `import plait`.
        from plait.engine.control import Control  # noqa: PLC0415
        from plait.engine.starts import Starts  # noqa: PLC0415
        from plait.engine.versions import Versions  # noqa: PLC0415
        from plait.engine.waiter import RunWaiter  # noqa: PLC0415
        from plait.store.batcher import Batcher  # noqa: PLC0415
        from plait.store.hints import Hub  # noqa: PLC0415
        from plait.store.store import Store  # noqa: PLC0415
        from plait.store.urls import normalise_url  # noqa: PLC0415

        find_tracing()  # a wrong setting shows now, and not when a run has ended
        source = find_database(self._explicit_url)
        if source.url is None:
            from plait.embedded import start_embedded  # noqa: PLC0415

            self._embedded = await asyncio.to_thread(start_embedded)
            url = self._embedded.dsn
        else:
            url = normalise_url(source.url)
        await self._check_schema(url)
        self.store = Store(url)
        self.hub = Hub(url, revive=self._revive if self._embedded is not None else None)
        self.versions = Versions(self.store)
        self.control = Control(self.store, self.hub, note_cancelled=self._note_cancelled)
        self.starts = Starts(self.store, self.hub, self.versions, self.control)
        self.waiter = RunWaiter(self.store, self.hub)
        self._pushes = Batcher(
            self._write_events, cap=PUSH_BATCH, weigh=lambda row: len(row.payload), heaviest=PUSH_BYTES
        )

    async def _check_schema(self, url: str, *, again: bool = False) -> None:
        """Upgrade the schema if that is wanted, and check it. A connection that was made and then lost is made once
        more; ``again``: it was."""
        from plait.store import schema  # noqa: PLC0415 - see _connect
        from plait.store.connection import connect, translate_error  # noqa: PLC0415

        connection = await connect(url, application_name=schema.CHECKING)
        try:
            # Asked first: a role that may only use the schema cannot even say CREATE … IF NOT EXISTS.
            if self._auto_upgrade and await schema.read_version(connection) < schema.latest_version():
                for migration in await schema.upgrade_alone(connection):
                    logger.info("applied migration %04d %s", migration.version, migration.name)
            await schema.check_version(connection)
        except Exception as error:
            translated = translate_error(error, url)
            if translated is None:
                raise
            if again or not connection.is_closed():
                raise translated from error
        else:
            return
        finally:
            await connection.close()
        await self._check_schema(url, again=True)

    @property
    def lifetimes(self) -> LifetimeReader | None:
        """Has the spans of ended runs made, while this process is traced. Tracing may begin after ``connect``."""
        tracing = find_tracing()
        if tracing is None:
            return None
        if not self._lifetimes or self._lifetimes[-1].tracing is not tracing:
            from plait.tracing.lifetimes import LifetimeReader  # noqa: PLC0415 - where there is OpenTelemetry

            self._lifetimes.append(LifetimeReader(self.store, tracing))
        return self._lifetimes[-1]

    def _note_cancelled(self, ended: Sequence[UUID]) -> None:
        if (lifetimes := self.lifetimes) is not None:
            lifetimes.note_cancelled(ended)

    async def _revive(self) -> None:
        """The embedded server does not answer: have it run again, should its keeper be gone too."""
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.ensure_running)

    async def run_to_end(self, requests: Sequence[RunRequest]) -> list[RunOutcome]:
        """Start runs and wait until they ended; their outcomes in order."""
        if any(request.idempotency_key or request.trigger for request in requests):  # which runs is known only then
            return await self.waiter.wait(await self.starts.start_runs(requests))
        run_ids = [request.run_id for request in requests]
        return await self.waiter.wait(run_ids, start=self.starts.start_runs(requests))

    async def push_events(self, rows: Sequence[EventRow]) -> None:
        """Store events durably; returns when they are committed. Concurrent calls share commits."""
        await persist(self._pushes.submit, rows)

    async def _write_events(self, rows: list[EventRow]) -> list[None]:
        await repeat_briefly(self.store.events.push, rows)
        reach("push committed")
        self.hub.publish("event", [])
        return [None] * len(rows)

    async def change_schedule(self, send: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Send a statement about crons or scheduled runs, and have whoever starts them look at them again."""
        try:
            answer = await repeat(send, *args)
        except UnknownVersionError:
            self.versions.forget()
            raise
        self.hub.publish("timer", [])
        return answer

    async def settle_traces(self) -> None:
        """Have the spans of what has ended exported, for a bounded time; at once where nothing is traced."""
        await asyncio.gather(*(lifetimes.settle() for lifetimes in self._lifetimes))

    async def close(self) -> None:
        """Disconnect; give the embedded server back. Each step is reached, whatever becomes of those before it."""
        async with AsyncExitStack() as steps:  # the last one first
            steps.callback(self._release_embedded)
            if self._connecting is not None and self._connecting.done() and self._connecting.exception() is None:
                steps.push_async_callback(self.store.close)
                steps.push_async_callback(self.hub.stop)
                steps.push_async_callback(self.settle_traces)

    def _release_embedded(self) -> None:
        if self._embedded is not None:
            self._embedded.release()
            self._embedded = None

    def shut_down(self) -> None:
        """``close`` from any other thread, bounded in time, and the end of the thread. Repeatable."""
        if self._closed or self.pid != os.getpid():
            return
        self._closed = True
        future = self.portal.spawn(self.close())
        try:
            future.result(timeout=5)
        except Exception as error:
            logger.debug("error while disconnecting: %r", error)
        self.portal.stop()


def _close_at_exit(reference: weakref.ref[Engine]) -> None:
    engine = reference()
    if engine is not None:
        engine.shut_down()
