"""Runs the user's code: ``async def`` tasks on the user's loop, ``def`` tasks on threads; never on the engine's own."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from plait.declaration.code import TaskCode
from plait.declaration.context import Context
from plait.engine.current import CurrentAttempt, Host, current_attempt
from plait.graph.attempt import Report
from plait.graph.definition import Status
from plait.tracing import find_tracing
from plait.worker.assignment import Assignment, Execution
from plait.worker.reports import report_failure
from plait.worker.threads import ThreadPool

Concluder = Callable[[Assignment, Report], None]

logger = logging.getLogger("plait.worker")

NO_THREAD_PAUSE_US = 1_000_000


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


class Executor:
    """Hands assignments to the user's side in batches, and their reports back to the engine in batches.

    ``conclude`` is called on the engine's loop, once per assignment, unless it was concluded by something else first.
    """

    def __init__(
        self,
        engine_loop: asyncio.AbstractEventLoop,
        user_loop: asyncio.AbstractEventLoop,
        *,
        get_host: Callable[[], Host],
        conclude: Concluder,
        payload_limit: int,
        caller: Caller,
    ) -> None:
        self._engine_loop = engine_loop
        self._user_loop = user_loop
        self._get_host = get_host
        self._conclude = conclude
        self._payload_limit = payload_limit
        self._caller = caller
        self._tracing = find_tracing()
        self._threads = ThreadPool("plait-task")
        self._to_start: deque[Execution] = deque()
        self._done: deque[tuple[Assignment, Report]] = deque()
        self._signalled = False
        self._strong: set[asyncio.Task[None]] = set()

    def submit(self, assignments: list[Assignment]) -> None:
        """Start executions (engine's loop)."""
        wake = False
        for assignment in assignments:
            code = assignment.code
            assert code is not None
            spec = assignment.run.version.definition.tasks[assignment.task]
            current = CurrentAttempt(assignment, self._get_host())
            context = Context(current, code.decode_input)
            execution = Execution(assignment, current, context, spec.execution_timeout)
            assignment.execution = execution
            if code.is_async:
                self._to_start.append(execution)
                wake = True
            else:
                self._submit_to_thread(execution)
        if wake:
            self._user_loop.call_soon_threadsafe(self._start_pending)

    def _submit_to_thread(self, execution: Execution) -> None:
        try:
            self._threads.submit(partial(self._run_sync, execution))
        except RuntimeError as error:  # can't start new thread
            logger.error("task %s has no thread: %s", execution.assignment.name, error)
            report = Report(Status.RELEASED, retry_us=NO_THREAD_PAUSE_US, reason="its worker could start no thread")
            self._conclude(execution.assignment, report)

    def stop(self, execution: Execution) -> None:
        """Tell an execution to stop: async code gets ``CancelledError``, sync code sees ``ctx.is_cancelled``."""
        execution.assignment.stopping = True
        if not self._user_loop.is_closed():
            self._user_loop.call_soon_threadsafe(self._cancel_task, execution)

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
            report = self._report_output(execution, code, await self._caller.aio_call(code, execution.context))
        except BaseException as error:
            report = self._report_error(execution, error)
        self._hand_back(execution.assignment, report)

    def _run_sync(self, execution: Execution) -> None:
        contextvars.Context().run(self._run_sync_body, execution)

    def _run_sync_body(self, execution: Execution) -> None:
        code = self._enter(execution)
        if code is None:
            return
        try:
            execution.begin()
            report = self._report_output(execution, code, self._caller.call(code, execution.context))
        except BaseException as error:
            report = self._report_error(execution, error)
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
        report = report_failure(execution.assignment, error, execution.elapsed_us)
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
