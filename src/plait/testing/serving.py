"""A worker on a thread of the test's own process, and what the test has to know of it to skip time."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from plait.client import get_access
from plait.engine.current import current_attempt
from plait.engine.waiter import RunOutcome, RunWaiter
from plait.graph.attempt import Attempt
from plait.worker import clock
from plait.worker.identity import Timings

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.engine.engine import Engine
    from plait.worker.worker import Worker

PATIENT = Timings(heartbeat=1.0, lease=86_400.0, margin=4.0, grace=5.0)
"""A lease that outlasts a machine asleep or a debugger that holds the whole process."""

_STOP_SECONDS = 10.0
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class BlockedTask:
    """A running task all of whose code waits for other runs. ``waits``: the runs of each call that waits.
    ``deadline``: seconds until its execution timeout."""

    key: str
    waits: tuple[frozenset[UUID], ...]
    deadline: float


class WatchedWaiter(RunWaiter):
    """Knows which tasks wait for runs that they started, so that time can be skipped meanwhile.

    ``frees_slots``: a task gives its slot to the run it waits for. A worker with one slot would wait for ever.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.store, engine.hub)
        self.frees_slots = False
        self._waits: dict[object, tuple[Attempt, frozenset[UUID]]] = {}

    async def wait(
        self, run_ids: Sequence[UUID], timeout: float | None = None, *, start: Awaitable[object] | None = None
    ) -> list[RunOutcome]:
        current = current_attempt.get()
        if current is None:
            return await super().wait(run_ids, timeout, start=start)
        if start is not None:  # only then are there runs to wait for
            await start
        if self.frees_slots:
            current.release_slot()
        token = object()
        self._waits[token] = (current.attempt, frozenset(run_ids))
        try:
            return await super().wait(run_ids, timeout)
        finally:
            del self._waits[token]

    async def list_blocked(self) -> list[BlockedTask]:
        """The tasks that wait now (engine's loop)."""
        waits: dict[Attempt, list[frozenset[UUID]]] = {}
        for attempt, run_ids in self._waits.values():
            waits.setdefault(attempt, []).append(run_ids)
        return [
            BlockedTask(f"{attempt.run.id}:{attempt.task}", tuple(found), attempt.deadline - clock.monotonic())
            for attempt, found in waits.items()
        ]


class InProcessWorker:
    """A worker that runs on a thread of this process, from the moment it is made until ``stop``.

    Its tasks are ordinary code of this process: they see patched modules and stop at breakpoints. Attribute ``worker``.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._error: BaseException | None = None
        self._ready = threading.Event()
        worker.on_registered = self._ready.set
        self._thread = threading.Thread(target=self._run, name=f"plait-{worker.name}", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise TimeoutError(f"worker {worker.name!r} did not start within {_START_SECONDS:g} s")
        self._raise_error()

    def stop(self) -> None:
        """Stop it; tasks that still run are told to end and handed back. Raises what ended it earlier, if so."""
        self.worker.stop(hurry=True)
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            warnings.warn(f"worker {self.worker.name!r} does not stop: a task ignores its cancellation", stacklevel=2)
        self._raise_error()

    @property
    def free_slots(self) -> int:
        """Slots that are not taken."""
        session = self.worker._session
        return 0 if session is None else session.holdings.free

    def list_begun(self) -> list[str]:
        """The keys of its tasks whose code has begun, or that are decided without it."""
        session = self.worker._session
        if session is None:
            return []
        return [
            f"{assignment.run.id}:{assignment.task}"
            for assignment in list(session.holdings.assignments.values())
            if assignment.concluded or (assignment.execution is not None and assignment.execution.has_begun)
        ]

    def _run(self) -> None:
        try:
            self.worker.start()
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


class Binding:
    """The user's ``Plait`` on the test's database, until ``close`` puts it back."""

    def __init__(self, plait: Plait, url: str) -> None:
        self._plait = plait
        self._access = get_access(plait)
        self._url_before = self._access.database_url
        plait.use_database(url)
        plait.__enter__()  # an application that does so too, in its lifespan say, does not close it for the test
        engine = self._access.engine
        self.waiter = engine.waiter = WatchedWaiter(engine)

    async def list_blocked(self) -> list[BlockedTask]:
        """The tasks of this process that wait for runs, from any loop."""
        return await self._access.portal.acall(self.waiter.list_blocked())

    def close(self) -> None:
        """Disconnect, and let the ``Plait`` find its own database again at its next use."""
        self._plait.__exit__()
        self._plait.close()
        self._access.database_url = self._url_before
