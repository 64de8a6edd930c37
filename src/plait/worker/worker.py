"""A worker process: takes the tasks it has code for, runs them, and stores what becomes of them.

The engine's side (claiming, writing results, heartbeat) runs on the engine's own thread; the user's side (the tasks)
on the user's loop and on threads. This module ties the parts together and knows how they begin and end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.declaration.code import TaskCode
from plait.declaration.task import get_code
from plait.engine.access import Access
from plait.engine.portal import new_event_loop
from plait.errors import DefinitionError, InvalidInputError, OperationError
from plait.values.encoding import encode_metadata
from plait.worker.executor import Caller, UserSide
from plait.worker.identity import Identity, Timings
from plait.worker.lines import limit_lines

if TYPE_CHECKING:
    from plait.declaration.workflow import BaseWorkflow
    from plait.engine.portal import Portal
    from plait.worker.address import Address
    from plait.worker.session import Session

logger = logging.getLogger("plait.worker")

Lifespan = Callable[[], AsyncGenerator[Any, None]]

LEAVE_SECONDS = 2.0
"""How long a signalled process whose tasks are handed back waits for their code to end."""

REPLACES_VARIABLE = "PLAIT_REPLACES_WORKER"
"""Set by the supervisor: the id of the worker before this one, whose process it saw die."""


class Worker:
    """Runs the tasks of ``workflows``. Made by ``plait.worker(...)``; ``start()`` blocks until it is told to stop.

    Attributes, to be set before the start: ``health``, the address of its health port, or None; ``on_registered``,
    called when it takes tasks under its ``id``, and again whenever a lost lease gave it another one; ``on_pulse``,
    called every two seconds while its engine runs, on the engine's thread; ``caller``, an object that calls the code
    of tasks, for integrations.
    """

    def __init__(
        self,
        access: Access,
        name: str,
        *,
        slots: int,
        workflows: Sequence[BaseWorkflow[Any]],
        labels: Mapping[str, str | int] | None,
        lifespan: Lifespan | None,
        timings: Timings,
        capture_logs: bool = False,
        health: Address | None = None,
    ) -> None:
        if not isinstance(slots, int) or isinstance(slots, bool) or slots < 1:
            raise InvalidInputError(f"worker {name!r}: slots={slots!r} must be a whole number of at least 1")
        labels_text = encode_metadata(labels, where=f"worker {name!r}: labels")
        self.health = health
        self.on_registered: Callable[[], None] | None = None
        self.on_pulse: Callable[[], None] | None = None
        self.caller = Caller()
        self._identity = Identity(name, slots, timings, labels_text)
        self._access = access
        self._workflows = list(workflows)
        self._lifespan = lifespan
        self._capture_logs = capture_logs
        self._session: Session | None = None
        self._started = asyncio.Event()
        self._stop_requested: asyncio.Event | None = None
        self._user_loop: asyncio.AbstractEventLoop | None = None
        self._portal: Portal | None = None
        self._engine_died = False
        self._hurry = False
        self._failure: BaseException | None = None
        self._closing: asyncio.Task[None] | None = None
        self._signalled = False
        self._owns_process = False
        self._leaver: threading.Timer | None = None

    @property
    def name(self) -> str:
        """Its name, for people."""
        return self._identity.name

    @property
    def id(self) -> UUID:
        """The id under which it takes tasks. It gets another one after it lost its lease."""
        return self._identity.id

    @property
    def slots(self) -> int:
        """How many tasks it runs at a time."""
        return self._identity.slots

    @property
    def timings(self) -> Timings:
        """Heartbeat, lease and grace."""
        return self._identity.timings

    def register_workflow(self, workflow: BaseWorkflow[Any]) -> None:
        """Add a workflow; only before the worker starts."""
        if self._session is not None:
            raise DefinitionError(
                f"worker {self.name!r} runs already: register workflow {workflow.name!r} before start()"
            )
        self._workflows.append(workflow)

    def register_workflows(self, workflows: Sequence[BaseWorkflow[Any]]) -> None:
        """Add several workflows; only before the worker starts."""
        for workflow in workflows:
            self.register_workflow(workflow)

    def start(self) -> None:
        """Run until SIGTERM or SIGINT (in the main thread) or ``stop()``.

        Then it claims nothing more, lets running tasks finish within the grace, hands back the rest and returns. A
        second signal ends the grace at once. Code that does not end even when it is cancelled (it blocks the loop,
        swallows ``CancelledError`` or holds a thread of the loop's executor) does not keep a signalled process alive:
        its tasks are handed back, and it exits with 0 after ``LEAVE_SECONDS``.

        Raises ``DatabaseUnavailableError`` if there is no database at the start; later outages are waited for.
        """
        self._owns_process = threading.current_thread() is threading.main_thread()
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                try:
                    runner.run(self.aio_start())
                finally:
                    self._set_leaver()  # the runner waits for what it cancels, however long that takes
        finally:
            self._drop_leaver()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Worker, None]:
        """Run beside other code for the time of a block, on the running loop. Handles no signals.

        For a program that brings its worker along: a web app while it is developed, a notebook, a script. Entering
        waits until the worker takes tasks and raises as ``start`` does; leaving gives running tasks their grace.
        """
        self._check_unstarted()
        serving = asyncio.create_task(self._serve(handle_signals=False))
        started = asyncio.create_task(self._started.wait())
        try:
            await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                yield self
        finally:
            started.cancel()
            self.stop()
            await serving

    async def aio_start(self) -> None:
        """``start`` with the running loop as the user's loop."""
        await self._serve(handle_signals=True)

    def _check_unstarted(self) -> None:
        if not self._workflows:
            raise DefinitionError(f"worker {self.name!r} has no workflows: pass workflows=[...]")
        if self._user_loop is not None:
            raise DefinitionError(f"worker {self.name!r} was started before: make another with plait.worker(...)")

    async def _serve(self, *, handle_signals: bool) -> None:
        self._check_unstarted()
        limit_lines()
        self._user_loop = asyncio.get_running_loop()
        self._stop_requested = asyncio.Event()
        # Kept: asking for it takes a lock, which whoever is interrupted by a signal may hold.
        portal = self._portal = self._access.portal
        portal.on_death = self._die
        async with AsyncExitStack() as stack:
            stack.enter_context(self._access.serving())
            if handle_signals:
                stack.enter_context(_HandledSignals(self._on_signal))
            lifespan = await stack.enter_async_context(_open_lifespan(self._lifespan)) if self._lifespan else None
            session = await portal.acall(self._open_session(lifespan))
            self._session = session
            if self._capture_logs:
                from plait.worker.logs import capture_logs  # noqa: PLC0415 - asyncpg comes with it

                stack.enter_context(capture_logs())
            logger.info("worker %s started: %d slots, id %s", self.name, self.slots, self.id)
            self._announce()
            self._started.set()
            try:
                await self._stop_requested.wait()
            finally:
                if not self._engine_died:
                    await portal.acall(self._close(session))
                self._drop_leaver()  # the loop lives; the user's own clean-up takes the time it takes
                self._session = None
                logger.info("worker %s stopped", self.name)
        if self._failure is not None:
            raise self._failure

    def stop(self, *, hurry: bool = False) -> None:
        """Ask the worker to stop, from any thread. ``hurry`` hands running tasks back at once."""
        self._hurry = self._hurry or hurry
        if self._user_loop is not None and self._stop_requested is not None:
            with suppress(RuntimeError):
                self._user_loop.call_soon_threadsafe(self._stop_requested.set)
        session = self._session
        if session is not None and self._portal is not None and not self._engine_died:
            if self._hurry:
                session.hurry_soon()
            # Not left to the user's loop: a task may be blocking it.
            self._portal.spawn(self._close(session))

    async def _close(self, session: Session) -> None:
        """Close the session (engine's loop); only the first call does it, all wait for it."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close_once(session))
        await asyncio.shield(self._closing)

    async def _close_once(self, session: Session) -> None:
        await session.close(0.0 if self._hurry else self.timings.grace)
        self._set_leaver()  # in case the user's loop does not come to the rest

    def _set_leaver(self) -> None:
        if self._owns_process and (self._signalled or self._failure is not None):
            self._leaver = threading.Timer(LEAVE_SECONDS, self._leave)
            self._leaver.daemon = True
            self._leaver.start()

    def _drop_leaver(self) -> None:
        if self._leaver is not None:
            self._leaver.cancel()

    def _leave(self) -> None:
        logger.warning(
            "worker %s exits although code of its tasks still runs; other workers take those tasks", self.name
        )
        logging.shutdown()
        os._exit(0 if self._failure is None else 1)

    def _announce(self) -> None:
        """Report that this worker takes tasks under its present id."""
        if self.on_registered is not None:
            self.on_registered()

    def _fail(self, error: BaseException | None) -> None:
        """Stop because a part of the engine failed; ``start`` raises the error."""
        self._failure = error
        self.stop(hurry=True)

    def _die(self, error: BaseException | None) -> None:
        """The engine's thread has ended (called on it): this worker can store nothing any more, and holds its lease no
        longer. Better that its process ends, and another one takes its tasks."""
        self._engine_died = True
        self._failure = OperationError(
            f"worker {self.name!r} ends because the thread of its engine has ended ({error!r}): start it again. Its "
            "tasks run again elsewhere"
        )
        self._failure.__cause__ = error
        self.stop()
        self._set_leaver()  # in case the user's loop does not come to it

    def _on_signal(self) -> None:
        again, self._signalled = self._signalled, True
        # At once, not when the user's loop comes to it: a task may be blocking it.
        if self._session is not None and not self._engine_died:
            self._session.stop_claiming_soon()
        self.stop(hurry=again)
        # Not from here: the signal may have come in the middle of a line that this very thread is writing, and what it
        # writes to cannot be entered twice. For the same reason nothing here may take a lock that this thread may hold.
        if self._portal is None:
            return
        tell = self._portal.loop.call_soon_threadsafe
        with suppress(RuntimeError):
            if again:
                tell(logger.warning, "second signal: handing running tasks back now")
            else:
                tell(logger.info, "stopping: running tasks have %g s to finish", self.timings.grace)

    async def _open_session(self, lifespan: Any) -> Session:
        from plait.worker.session import Session  # noqa: PLC0415 - asyncpg comes with it

        engine = await self._access.open_engine()
        codes: dict[int, TaskCode[Any]] = {}
        versions = []
        for workflow in self._workflows:
            version = await engine.versions.register(workflow.definition)
            versions.append(version)
            for action, spec in zip(version.actions, version.definition.tasks, strict=True):
                codes[action] = get_code(workflow.task_by_name[spec.name])
        assert self._user_loop is not None
        user = UserSide(self._user_loop, self.caller, lifespan, self._capture_logs, self._access.payload_limit)
        session = Session(
            engine,
            self._identity,
            codes,
            versions,
            user,
            health=self.health,
            announce=self._announce,
            pulse=self.on_pulse,
            fail=self._fail,
        )
        await session.open(_take_id(REPLACES_VARIABLE))
        return session


def _take_id(variable: str) -> UUID | None:
    """An id the supervisor passed. Taken out of the environment: it is for one worker, not for what it starts."""
    value = os.environ.pop(variable, None)
    return UUID(value) if value else None


@asynccontextmanager
async def _open_lifespan(lifespan: Lifespan) -> AsyncGenerator[Any, None]:
    """What the user's lifespan generator yields, and its clean-up in the end."""
    generator = lifespan()
    value = await anext(generator)
    try:
        yield value
    finally:
        with suppress(StopAsyncIteration):
            await anext(generator)


class _HandledSignals:
    """SIGTERM and SIGINT call ``handler`` for the time of the block, if this is the main thread."""

    def __init__(self, handler: Callable[[], None]) -> None:
        self._handler = handler
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, lambda *_: self._handler())

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
