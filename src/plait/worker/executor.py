"""Runs the user's code: ``async def`` tasks on the user's loop, ``def`` tasks on threads; never on the engine's own."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from plait.declaration.code import TaskCode
from plait.declaration.context import Context
from plait.engine.current import CurrentAttempt, Host, LineLog, current_attempt
from plait.faultpoints import reach
from plait.graph.attempt import Attempt, Report
from plait.graph.definition import Status
from plait.store.changes import ChangeTeller
from plait.tracing import find_tracing
from plait.worker.assignment import Assignment, Execution
from plait.worker.holdings import Holdings
from plait.worker.identity import Identity
from plait.worker.reports import report_failure
from plait.worker.threads import ThreadPool

Concluder = Callable[[Assignment, Report], None]

logger = logging.getLogger("plait.worker")

NO_THREAD_PAUSE_US = 1_000_000

WORKER_STOPPED = "its worker stopped"
"""The reason of an attempt that is handed back."""


class Caller:
    """Calls the code of tasks.

    An integration that needs something around every task, on the thread or in the coroutine that runs it, gives its
    worker one that overrides both methods (``Worker.caller``).
    """

    def call(self, code: TaskCode[Any], context: Context) -> Any:
        """Run the body of a ``def`` task, on its thread."""
        return code.call(context.input, context)

    def aio_call(self, code: TaskCode[Any], context: Context) -> Awaitable[Any]:
        """Run the body of an ``async def`` task, on the user's loop."""
        return code.aio_call(context.input, context)


@dataclass(frozen=True, slots=True)
class UserSide:
    """What the user's program brings along: the event loop of its tasks, and what surrounds each of them."""

    loop: asyncio.AbstractEventLoop
    caller: Caller
    lifespan: Any
    capture_logs: bool
    payload_limit: int


class Executor:
    """Hands assignments to the user's side in batches, and their reports back to the engine in batches.

    ``conclude`` is called on the engine's loop, once per assignment, unless it was concluded by something else first.
    ``database``: the worker's, as errors name it.
    """

    def __init__(
        self,
        engine_loop: asyncio.AbstractEventLoop,
        user: UserSide,
        holdings: Holdings,
        identity: Identity,
        *,
        release_slot: Callable[[Attempt], None],
        note_child: Callable[[Attempt], None],
        cancel: Callable[[Attempt], None],
        open_log: Callable[[Attempt], LineLog],
        conclude: Concluder,
        changes: ChangeTeller,
        database: str,
    ) -> None:
        self._database = database
        self._engine_loop = engine_loop
        self._user_loop = user.loop
        self._holdings = holdings
        self._identity = identity
        self._conclude = conclude
        self._changes = changes
        self._payload_limit = user.payload_limit
        self._caller = user.caller
        self._host = Host(
            str(identity.id),
            identity.timings.lease,
            user.lifespan,
            release_slot,
            note_child,
            cancel,
            open_log=open_log,
            capture_logs=user.capture_logs,
        )
        self._tracing = find_tracing()
        self._threads = ThreadPool("plait-task")
        self._to_start: deque[Execution] = deque()
        self._done: deque[tuple[Assignment, Report]] = deque()
        self._signalled = False
        self._strong: set[asyncio.Task[None]] = set()
        self._on_threads: set[Execution] = set()

    def count_hung(self) -> int:
        """Threads whose task is over, by its timeout, a cancellation or a lost lease, and whose code still runs."""
        return sum(execution.assignment.concluded for execution in list(self._on_threads))

    def submit(self, assignments: list[Assignment]) -> None:
        """Start executions; of a worker that stops, hand them back instead (engine's loop)."""
        if self._identity.is_stopping:  # they came in with the last claim, or were freed by the last results
            for assignment in assignments:
                self._conclude(assignment, Report(Status.RELEASED, retry_us=0, reason=WORKER_STOPPED))
            return
        wake = False
        host = self._find_host()
        for assignment in assignments:
            code = assignment.code
            assert code is not None
            spec = assignment.run.version.definition.tasks[assignment.task]
            current = CurrentAttempt(assignment, host)
            execution = Execution(assignment, current, Context(current, code.decode_input), spec.execution_timeout)
            assignment.execution = execution
            if code.is_async:
                self._to_start.append(execution)
                wake = True
            else:
                self._submit_to_thread(execution)
        if wake:
            self._user_loop.call_soon_threadsafe(self._start_pending)
        self._changes.tell(assignment.run.id for assignment in assignments)

    def _find_host(self) -> Host:
        worker_id = str(self._identity.id)  # another one since a lease was lost
        if self._host.worker_id != worker_id:
            self._host = replace(self._host, worker_id=worker_id)
        return self._host

    def _submit_to_thread(self, execution: Execution) -> None:
        try:
            self._threads.submit(partial(self._run_sync, execution))
        except RuntimeError as error:  # can't start new thread
            logger.error("could not start a thread for task %s: %s", execution.assignment.name, error)
            report = Report(Status.RELEASED, retry_us=NO_THREAD_PAUSE_US, reason="its worker could not start a thread")
            self._conclude(execution.assignment, report)

    def stop(self, assignment: Assignment) -> None:
        """Tell the code of an attempt to stop, if it runs: async code gets ``CancelledError``, sync code sees
        ``ctx.is_cancelled``."""
        execution = assignment.execution
        if execution is None:
            return
        assignment.stopping = True
        if not self._user_loop.is_closed():
            self._user_loop.call_soon_threadsafe(self._cancel_task, execution)

    def cancel(self, assignment: Assignment, reason: str) -> None:
        """End an attempt as CANCELLED, and tell its code to stop."""
        elapsed = 0 if assignment.execution is None else assignment.execution.elapsed_us
        self._conclude(assignment, Report(Status.CANCELLED, reason=reason, elapsed_us=elapsed))
        self.stop(assignment)

    def let_go(self, assignment: Assignment) -> None:
        """Stop an attempt that is not this worker's any more, and forget it."""
        assignment.concluded = True  # before its code hears of it: what that makes of it counts no more
        self.stop(assignment)
        self._holdings.drop(assignment)

    def _cancel_task(self, execution: Execution) -> None:
        if execution.task is not None:
            execution.task.cancel()

    def _start_pending(self) -> None:
        loop, strong = self._user_loop, self._strong
        while self._to_start:
            execution = self._to_start.popleft()
            execution.task = task = loop.create_task(self._run_async(execution))
            strong.add(task)
            task.add_done_callback(strong.discard)

    async def _run_async(self, execution: Execution) -> None:
        code = self._enter(execution)
        if code is None:
            return
        try:
            execution.begin()
            reach("before the body")
            value = await self._caller.aio_call(code, execution.context)
            reach("after the body")
            report = self._report_output(execution, code, value)
        except BaseException as error:
            report = self._report_error(execution, error)
        self._hand_back(execution.assignment, report)

    def _run_sync(self, execution: Execution) -> None:
        contextvars.Context().run(self._run_sync_body, execution)

    def _run_sync_body(self, execution: Execution) -> None:
        code = self._enter(execution)
        if code is None:
            return
        self._on_threads.add(execution)
        try:
            execution.begin()
            reach("before the body")
            value = self._caller.call(code, execution.context)
            reach("after the body")
            report = self._report_output(execution, code, value)
        except BaseException as error:
            report = self._report_error(execution, error)
        self._on_threads.discard(execution)
        self._hand_back(execution.assignment, report)

    def _enter(self, execution: Execution) -> TaskCode[Any] | None:
        """From here on the code belongs to this attempt. None when its outcome is decided already."""
        if execution.assignment.concluded:
            return None
        current_attempt.set(execution.current)
        if self._tracing is not None:
            execution.trace = self._tracing.start_attempt(execution.assignment, execution.context.worker_id)
        return execution.assignment.code

    def _report_output(self, execution: Execution, code: TaskCode[Any], value: Any) -> Report:
        elapsed = execution.elapsed_us
        report = Report(Status.COMPLETED, code.encode_output(value, limit=self._payload_limit), elapsed_us=elapsed)
        if execution.trace is not None:
            execution.trace.end_code(report)
        return report

    def _report_error(self, execution: Execution, error: BaseException) -> Report:
        # Everything, SystemExit included: what a task raises is its outcome and never the end of the worker.
        report = report_failure(execution.assignment, error, execution.elapsed_us, database=self._database)
        if execution.trace is not None:
            execution.trace.end_code(report, error)
        return report

    def _hand_back(self, assignment: Assignment, report: Report) -> None:
        # Append before asking: _collect clears the flag before it empties the queue, so no report is left behind.
        self._done.append((assignment, report))
        if self._signalled:
            return
        self._signalled = True
        try:
            self._engine_loop.call_soon_threadsafe(self._collect)
        except RuntimeError:  # the engine is gone; the process is ending
            return

    def _collect(self) -> None:
        self._signalled = False
        while self._done:
            assignment, report = self._done.popleft()
            self._conclude(assignment, report)
