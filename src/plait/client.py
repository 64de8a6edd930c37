"""``Plait``: the one object a program makes. It holds declarations, and the way to the engine once it is needed."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.declaration.declarations import Declarations
from plait.engine.engine import Engine
from plait.engine.portal import Portal
from plait.features.cron import CronClient
from plait.features.event import EventClient
from plait.features.filters import FiltersClient
from plait.features.metrics import MetricsClient
from plait.features.runs import RunsClient
from plait.features.scheduled import ScheduledClient
from plait.features.workers import WorkersClient
from plait.features.workflows import WorkflowsClient
from plait.settings import Settings
from plait.worker.address import Address
from plait.worker.heartbeat import Timings
from plait.worker.worker import Lifespan, Worker

if TYPE_CHECKING:
    from typing import Self

    from plait.declaration.workflow import BaseWorkflow
    from plait.engine.waiter import RunOutcome
    from plait.types import RunRequest


class Plait(Declarations):
    """Declares workflows, runs them, and asks about runs.

    Making one connects to nothing and reads no environment; that happens at the first trigger, query or worker start.

    Args:
        database_url: a PostgreSQL URL. Left out: ``PLAIT_DATABASE_URL``, then ``DATABASE_URL``, then
            ``database_url`` of ``[tool.plait]``, then the embedded PostgreSQL of the project folder.
        auto_upgrade: bring the database's Plait schema up to date at the first use. False: raise ``SchemaError``
            instead when ``plait db upgrade`` is due.
        debug: have the ``plait`` logger tell everything.
    """

    def __init__(self, database_url: str | None = None, *, auto_upgrade: bool = True, debug: bool = False) -> None:
        super().__init__()
        if debug:
            logging.basicConfig()
            logging.getLogger("plait").setLevel(logging.DEBUG)
        self._database_url = database_url
        self._auto_upgrade = auto_upgrade
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._holders = self._workers = 0
        """Blocks that are open now, see ``__enter__``."""
        self.runs = RunsClient(self)
        self.event = EventClient(self)
        self.workflows = WorkflowsClient(self)
        self.workers = WorkersClient(self)
        self.metrics = MetricsClient(self)
        self.filters = FiltersClient(self)
        self.cron = CronClient(self)
        self.scheduled = ScheduledClient(self)

    # declaring: see Declarations

    def worker(
        self,
        name: str | None = None,
        *,
        slots: int | None = None,
        workflows: Sequence[BaseWorkflow[Any]] | None = None,
        labels: Mapping[str, str | int] | None = None,
        lifespan: Lifespan | None = None,
        timings: Timings | None = None,
        capture_logs: bool | None = None,
        health_port: int | None = None,
        health_host: str = "127.0.0.1",
    ) -> Worker:
        """A worker for ``workflows`` (all that are declared, unless given); ``start()`` runs it.

        Args:
            name: a label for people. Left out: the setting ``worker_name``.
            slots: how many tasks it runs at a time. Left out: the setting ``worker_slots``.
            labels: stored with the worker, for people and for routing.
            lifespan: an async generator function; what it yields is ``ctx.lifespan`` in every task.
            timings: heartbeat, lease and grace; the defaults suit production, and ``worker_grace`` is a setting.
            capture_logs: store what tasks log by Python's ``logging`` along with ``ctx.log``, at the levels that their
                loggers are set to. Left out: the setting ``capture_logs``, or ``PLAIT_CAPTURE_LOGS=1``.
            health_port: where ``/livez``, ``/readyz`` and ``/metrics`` are answered; nowhere unless given. ``readyz``
                says 503 while the worker stops.
            health_host: the address of that port; ``"0.0.0.0"`` in a container.
        """
        return Worker(
            self,
            Settings.worker_name.read(name),
            slots=Settings.worker_slots.read(slots),
            workflows=list(self.declared.values()) if workflows is None else workflows,
            labels=labels,
            lifespan=lifespan,
            timings=timings or Timings(grace=Settings.worker_grace.read().total_seconds()),
            capture_logs=Settings.capture_logs.read(capture_logs),
            health=None if health_port is None else Address(health_host, health_port),
        )

    # the engine

    def use_database(self, url: str) -> None:
        """Use the database at ``url`` instead of the one that the code or the environment names.

        For programs that serve other people's declarations, before the first use: an engine that is connected is
        closed.
        """
        self.close()
        self._database_url = url

    @property
    def engine(self) -> Engine:
        """The engine of this process, not necessarily connected. A forked child gets its own."""
        with self._lock:
            if self._engine is None or self._engine.pid != os.getpid():
                self._engine = Engine(self._database_url, auto_upgrade=self._auto_upgrade)
            return self._engine

    @property
    def portal(self) -> Portal:
        """The way onto the engine's loop."""
        return self.engine.portal

    async def open_engine(self) -> Engine:
        """The engine, connected (engine's loop)."""
        engine = self.engine
        await engine.connect()
        return engine

    def close(self) -> None:
        """Disconnect and end the engine's thread. Using the object again starts anew. Also done at exit."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.shut_down()

    def __enter__(self) -> Self:
        """Connect now, so that a database that is missing shows now. The end of the outermost block closes, unless a
        worker of this process still runs.

        Raises ``DatabaseUnavailableError``, ``SchemaError`` or ``EmbeddedPostgresError``.
        """
        self._hold()
        try:
            self.portal.call(self.open_engine())
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    async def __aenter__(self) -> Self:
        """``with`` for asynchronous programs: the lifespan of a web app, say."""
        self._hold()
        try:
            await self.portal.acall(self.open_engine())
        except BaseException:
            await asyncio.to_thread(self._let_go)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._let_go)

    def _hold(self) -> None:
        with self._lock:
            self._holders += 1

    def _let_go(self) -> None:
        with self._lock:
            self._holders -= 1
            is_last = self._holders == 0 and self._workers == 0
        if is_last:
            self.close()

    @contextmanager
    def _serving(self) -> Iterator[None]:
        """For as long as a worker runs: the end of a ``with plait`` elsewhere, in one of its tasks perhaps, does not
        close what it works with."""
        with self._lock:
            self._workers += 1
        try:
            yield
        finally:
            with self._lock:
                self._workers -= 1

    async def start_runs(self, requests: Sequence[RunRequest]) -> list[UUID]:
        """Start runs (engine's loop). Returns the effective ids once they are durable."""
        return await self.engine.start_runs(requests)

    async def run_to_end(self, requests: Sequence[RunRequest]) -> list[RunOutcome]:
        """Start runs and wait until they ended (engine's loop)."""
        return await self.engine.run_to_end(requests)

    async def wait_runs(self, run_ids: Sequence[UUID], timeout: float | None) -> list[RunOutcome]:
        """Wait until runs ended (engine's loop). Raises ``ResultTimeoutError`` after ``timeout`` seconds."""
        engine = await self.open_engine()
        return await engine.waiter.wait(run_ids, timeout)

    def start_in_transaction(self, requests: Sequence[RunRequest], connection: Any) -> list[UUID]:
        """Start runs inside the caller's own transaction; see ``plait.transaction`` for the connections it knows."""
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

        engine = await self.open_engine()
        return transaction.render_rows(await engine.prepare_rows(requests))
