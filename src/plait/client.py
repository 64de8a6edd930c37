"""``Plait``: the one object a program makes. It holds declarations, and the way to the engine once it is needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plait.declaration.declarations import Declarations
from plait.engine.access import Access
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
from plait.worker.identity import Timings
from plait.worker.worker import Lifespan, Worker

if TYPE_CHECKING:
    from typing import Self

    from plait.declaration.base import BaseWorkflow


class Plait(Declarations):
    """Declares workflows, runs them, and asks about runs.

    Making one connects to nothing and reads no environment; that happens at the first trigger, query or worker start.

    Args:
        database_url: a PostgreSQL URL. Left out: ``PLAIT_DATABASE_URL``, then ``DATABASE_URL``, then
            ``database_url`` of ``[tool.plait]``, then the embedded PostgreSQL of the project folder.
        auto_upgrade: bring the database's Plait schema up to date at the first use. False: raise ``SchemaError``
            instead when ``plait db upgrade`` is due.
        debug: log everything from the ``plait`` logger, at level ``DEBUG``.

    Attributes: ``runs``, ``event``, ``cron``, ``scheduled``, ``filters``, ``workflows``, ``workers`` and ``metrics``,
    for questions and requests; ``declared``, every workflow that is bound to it, by name.
    """

    def __init__(self, database_url: str | None = None, *, auto_upgrade: bool = True, debug: bool = False) -> None:
        super().__init__(self._make_access(database_url, auto_upgrade))
        if debug:
            logging.basicConfig()
            logging.getLogger("plait").setLevel(logging.DEBUG)
        access = self._access
        self.runs = RunsClient(access)
        self.event = EventClient(access)
        self.workflows = WorkflowsClient(access)
        self.workers = WorkersClient(access)
        self.metrics = MetricsClient(access)
        self.filters = FiltersClient(access)
        self.cron = CronClient(access)
        self.scheduled = ScheduledClient(access)

    def _make_access(self, database_url: str | None, auto_upgrade: bool) -> Access:
        return Access(database_url, auto_upgrade=auto_upgrade)

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
            self._access,
            Settings.worker_name.read(name),
            slots=Settings.worker_slots.read(slots),
            workflows=list(self.declared.values()) if workflows is None else workflows,
            labels=labels,
            lifespan=lifespan,
            timings=timings or Timings(grace=Settings.worker_grace.read().total_seconds()),
            capture_logs=Settings.capture_logs.read(capture_logs),
            health=None if health_port is None else Address(health_host, health_port),
        )

    # the database

    def use_database(self, url: str) -> None:
        """Use the database at ``url`` instead of the one that the code or the environment names.

        For programs that serve declarations of other people. Call it before the first use: it closes an engine that is
        connected.
        """
        self._access.use_database(url)

    def close(self) -> None:
        """Disconnect and end the engine's thread. Using the object again connects again. Also done at exit."""
        self._access.close()

    def __enter__(self) -> Self:
        """Connect now, so that a missing database is noticed at once. The end of the outermost block disconnects,
        unless a worker of this process still runs.

        Raises ``DatabaseUnavailableError``, ``SchemaError`` or ``EmbeddedPostgresError``.
        """
        self._access.hold()
        try:
            self._access.portal.call(self._access.open_engine())
        except BaseException:
            self._access.let_go()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._access.let_go()

    async def __aenter__(self) -> Self:
        """``with`` for asynchronous programs, such as the lifespan of a web app."""
        self._access.hold()
        try:
            await self._access.portal.acall(self._access.open_engine())
        except BaseException:
            await asyncio.to_thread(self._access.let_go)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._access.let_go)


def get_access(plait: Plait) -> Access:
    """The way to the engine of a ``Plait``: for the modules above it."""
    return plait._access
