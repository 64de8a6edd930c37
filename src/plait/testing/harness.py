"""What the fixture ``plait_test`` is: a database, workers and a clock for one test."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from plait.errors import InvalidInputError
from plait.store.connection import Link
from plait.store.store import Store
from plait.testing.clock import MovedTime, VirtualClock
from plait.testing.serving import PATIENT, Binding, BlockedTask, InProcessWorker
from plait.testing.skipping import Limits, StalledError, TimeSkipper
from plait.types import UNSET, Duration, Unset, parse_duration

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.declaration.runnable import Runnable
    from plait.declaration.workflow import BaseWorkflow
    from plait.testing.server import DatabaseServer
    from plait.worker.worker import Lifespan

__all__ = ["PlaitTest", "StalledError"]

TInput = TypeVar("TInput")
TResult = TypeVar("TResult")

TIMEOUT_SECONDS = 10.0
MAX_VIRTUAL = timedelta(days=3660)


class PlaitTest:
    """A test's own database, the workers that run in its process, and its clock. The fixture ``plait_test``.

    Attributes: ``url`` of the database; ``clock``, see ``VirtualClock``. The methods with ``aio_`` do the same for
    async tests. ``timeout`` is always in real seconds; past it they raise ``ResultTimeoutError``, which says what is
    not done.
    """

    def __init__(self, server: DatabaseServer) -> None:
        self._server = server
        self._portal = server.portal
        self.url = server.create_database()
        self._link = Link(self.url, name="plait test")
        self._store = Store(self.url)
        self._time = MovedTime(self._link)
        self.clock = VirtualClock(self._portal, self._time, self._let_begin)
        self._skipper = TimeSkipper(self._link, self._time, self._list_blocked, self._list_begun, self._count_free)
        self._bindings: dict[int, Binding] = {}
        self._workers: list[InProcessWorker] = []

    def _bind(self, plait: Plait) -> None:
        """Have ``plait`` use the test's database until the end of the test, without a worker.

        A connection it has is closed first. Binding it again does nothing.
        """
        if id(plait) not in self._bindings:
            self._bindings[id(plait)] = Binding(plait, self.url)

    def use(
        self,
        plait: Plait,
        *workflows: BaseWorkflow[Any],
        slots: int = 20,
        lifespan: Lifespan | None = None,
        labels: Mapping[str, str | int] | None = None,
        inline: bool = False,
    ) -> InProcessWorker:
        """Have ``plait`` use the test's database until the end of the test, and serve ``workflows`` (all of ``plait``,
        unless given) by a worker on a thread of this process. A connection that ``plait`` has is closed first.

        Args:
            plait: as the application declares it; a module's global object too.
            slots: how many tasks run at a time.
            lifespan, labels: as for ``plait.worker``.
            inline: one task at a time, in an order that is the same in every run of the test. A task that waits for a
                run it started lends its slot to it.
        """
        self._bind(plait)
        if inline:
            self._bindings[id(plait)].waiter.frees_slots = True
        worker = plait.worker(
            f"test-{len(self._workers) + 1}",
            slots=1 if inline else slots,
            workflows=workflows or None,
            labels=labels,
            lifespan=lifespan,
            timings=PATIENT,
        )
        self._workers.append(InProcessWorker(worker))
        return self._workers[-1]

    def run(
        self,
        workflow: Runnable[TInput, TResult, Any],
        input: TInput | Unset = UNSET,
        *,
        timeout: float = TIMEOUT_SECONDS,
        **keywords: Any,
    ) -> TResult:
        """Run a workflow to its end, skipping the time in which nothing happens, and return its result.

        ``keywords`` are those of ``workflow.run``. Raises what ``workflow.run`` raises, and ``StalledError`` when the
        run waits for something that no time brings, such as an event.
        """
        ref = workflow.run_no_wait(input, **keywords)
        self._portal.call(self._run_to_end(UUID(ref.workflow_run_id), timeout))
        result: TResult = ref.result(timeout)
        return result

    async def aio_run(
        self,
        workflow: Runnable[TInput, TResult, Any],
        input: TInput | Unset = UNSET,
        *,
        timeout: float = TIMEOUT_SECONDS,
        **keywords: Any,
    ) -> TResult:
        """``run`` without blocking the loop."""
        ref = await workflow.aio_run_no_wait(input, **keywords)
        await self._portal.acall(self._run_to_end(UUID(ref.workflow_run_id), timeout))
        result: TResult = await ref.aio_result(timeout)
        return result

    def run_until_idle(
        self,
        *,
        until: datetime | Duration | None = None,
        crons: bool | None = None,
        max_virtual: Duration = MAX_VIRTUAL,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """Let everything run that is ready; when nothing is, jump to the next time at which something is due, and go on
        until nothing is left.

        A task that runs keeps time from being skipped, unless it waits for runs it started. What waits for an event is
        not waited for.

        Args:
            until: go no further than this (a moment, or a duration from now), and end exactly there.
            crons: whether crons are a reason to jump too. Only with ``until``, and then the default.
            max_virtual: a jump beyond this is an error: a safeguard against what goes on for ever.
        """
        self._portal.call(self._run_until_idle(until, crons, max_virtual, timeout))

    async def aio_run_until_idle(
        self,
        *,
        until: datetime | Duration | None = None,
        crons: bool | None = None,
        max_virtual: Duration = MAX_VIRTUAL,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """``run_until_idle`` without blocking the loop."""
        await self._portal.acall(self._run_until_idle(until, crons, max_virtual, timeout))

    def settle(self, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Let everything run that is ready or due now; time is not skipped."""
        self._portal.call(self._settle(timeout))

    async def aio_settle(self, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """``settle`` without blocking the loop."""
        await self._portal.acall(self._settle(timeout))

    def _close(self) -> None:
        """Stop the workers, give every ``Plait`` its own database back and drop the test's. Done by the fixture."""
        try:
            for worker in self._workers:
                worker.stop()
        finally:
            for binding in self._bindings.values():
                binding.close()
            self._time.restore()
            self._portal.call(self._disconnect())
            self._server.drop_database(self.url)

    async def _disconnect(self) -> None:
        await self._store.close()
        await self._link.close()

    async def _run_to_end(self, run_id: UUID, timeout: float) -> None:
        async def has_ended() -> bool:
            row = await self._store.read_run(run_id)
            return row is not None and row["status"] != 0

        limits = Limits(timeout, None, await self._time.read_now() + MAX_VIRTUAL, crons=False)
        if not await self._skipper.run(limits, has_ended):
            raise StalledError(
                f"run {run_id} does not go on by itself: {await self._skipper.describe()}. Perhaps it waits for "
                "an event, or no worker serves it: call plait_test.use(...)"
            )

    async def _run_until_idle(
        self, until: datetime | Duration | None, crons: bool | None, max_virtual: Duration, timeout: float
    ) -> None:
        now = await self._time.read_now()
        if until is not None and not isinstance(until, datetime):
            until = now + timedelta(seconds=parse_duration(until, where="run_until_idle(until)"))
        if crons and until is None:
            raise InvalidInputError("run_until_idle(crons=True) would never end: set a limit with until=")
        farthest = now + timedelta(seconds=parse_duration(max_virtual, where="run_until_idle(max_virtual)"))
        limits = Limits(timeout, until, farthest, crons=until is not None if crons is None else crons)
        await self._skipper.run(limits, _never)

    async def _settle(self, timeout: float) -> None:
        now = await self._time.read_now()
        await self._skipper.run(Limits(timeout, now, now + MAX_VIRTUAL, crons=True), _never)

    async def _list_blocked(self) -> list[BlockedTask]:
        return [task for binding in self._bindings.values() for task in await binding.list_blocked()]

    async def _let_begin(self) -> None:
        if self._workers:
            await self._skipper.let_begin()

    def _list_begun(self) -> set[str]:
        return {key for worker in self._workers for key in worker.list_begun()}

    def _count_free(self) -> int:
        return sum(worker.free_slots for worker in self._workers)


async def _never() -> bool:
    return False
