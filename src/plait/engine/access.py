"""The way to the engine: what everything that a ``Plait`` gives is handed instead of the ``Plait`` itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.engine.engine import Engine
from plait.engine.portal import Portal
from plait.engine.repeat import repeat
from plait.engine.requests import RunRequest
from plait.graph.definition import WorkflowDefinition
from plait.values.encoding import DEFAULT_PAYLOAD_LIMIT

if TYPE_CHECKING:
    from plait.engine.waiter import RunOutcome


@dataclass(frozen=True, slots=True)
class Declared:
    """A workflow whose code this process has, for callers who know only its name."""

    get_definition: Callable[[], WorkflowDefinition]
    encode_input: Callable[[Any], bytes]
    plan_run: Callable[[Any, Mapping[str, Any] | None, int | None], RunRequest]
    """A run that starts later, of an input, metadata and a priority as given."""
    has_async_tasks: Callable[[], bool]


class Access:
    """Which database a program uses, its engine once that is needed, and which workflows are declared.

    Making one connects to nothing and reads no environment. Attributes: ``database_url``, ``payload_limit`` in bytes,
    and ``declared`` by the names of workflows.
    """

    def __init__(self, database_url: str | None = None, *, auto_upgrade: bool = True) -> None:
        self.database_url = database_url
        self.payload_limit = DEFAULT_PAYLOAD_LIMIT
        self.declared: dict[str, Declared] = {}
        self._auto_upgrade = auto_upgrade
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._holders = self._workers = 0

    @property
    def engine(self) -> Engine:
        """The engine of this process, not necessarily connected. A forked child gets its own, and one whose thread has
        died is replaced."""
        with self._lock:
            if self._engine is None or self._engine.pid != os.getpid() or self._engine.portal.has_died:
                self._engine = Engine(self.database_url, auto_upgrade=self._auto_upgrade)
            return self._engine

    @property
    def portal(self) -> Portal:
        """The way onto the engine's loop."""
        return self.engine.portal

    async def open_engine(self) -> Engine:
        """The engine, connected (engine's loop).

        Raises ``DatabaseUnavailableError``, ``SchemaError`` or ``EmbeddedPostgresError``.
        """
        engine = self.engine
        await engine.connect()
        return engine

    async def open_patiently(self) -> Engine:
        """``open_engine`` for calls that store something: an outage at a program's first use of the database is waited
        out like any other."""
        return await repeat(self.open_engine)

    def use_database(self, url: str | None) -> None:
        """Use another database; an engine that is connected is closed."""
        self.close()
        self.database_url = url

    def close(self) -> None:
        """Disconnect and end the engine's thread. Using the object again connects again."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.shut_down()

    # for as long as a block lasts

    def hold(self) -> None:
        """A block begins that uses the engine."""
        with self._lock:
            self._holders += 1

    def let_go(self) -> None:
        """A block has ended: the outermost one closes, unless a worker of this process still runs."""
        with self._lock:
            self._holders -= 1
            is_last = self._holders == 0 and self._workers == 0
        if is_last:
            self.close()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """For as long as a worker runs: the end of a block elsewhere, in one of its tasks perhaps, does not close what
        it works with."""
        with self._lock:
            self._workers += 1
        try:
            yield
        finally:
            with self._lock:
                self._workers -= 1

    # runs

    async def start_runs(self, requests: Sequence[RunRequest]) -> list[UUID]:
        """Start runs (engine's loop). Returns the effective ids once they are durable."""
        return await (await self.open_patiently()).starts.start_runs(requests)

    async def run_to_end(self, requests: Sequence[RunRequest]) -> list[RunOutcome]:
        """Start runs and wait until they ended (engine's loop)."""
        return await (await self.open_patiently()).run_to_end(requests)

    async def wait_runs(self, run_ids: Sequence[UUID], timeout: float | None) -> list[RunOutcome]:
        """Wait until runs ended (engine's loop). Raises ``ResultTimeoutError`` after ``timeout`` seconds."""
        return await (await self.open_engine()).waiter.wait(run_ids, timeout)

    def start_in_transaction(self, requests: Sequence[RunRequest], connection: Any) -> list[UUID]:
        """Start runs inside the caller's own transaction; see ``transaction.py`` for the connections it knows."""
        from plait.engine import transaction  # noqa: PLC0415 - rarely used

        payload = self.portal.call(self._render_requests(requests))
        return transaction.enqueue(connection, payload)

    async def aio_start_in_transaction(self, requests: Sequence[RunRequest], connection: Any) -> list[UUID]:
        """``start_in_transaction`` for asynchronous connections (and synchronous ones, blocking)."""
        from plait.engine import transaction  # noqa: PLC0415 - rarely used

        payload = await self.portal.acall(self._render_requests(requests))
        return await transaction.aio_enqueue(connection, payload)

    async def _render_requests(self, requests: Sequence[RunRequest]) -> str:
        from plait.engine import transaction  # noqa: PLC0415 - rarely used

        engine = await self.open_patiently()
        return transaction.render_rows(await engine.starts.prepare_rows(requests))
