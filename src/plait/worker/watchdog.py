"""Ends attempts that run longer than they may."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from plait.graph.attempt import Report
from plait.graph.definition import Status
from plait.values.failures import describe_failure
from plait.worker import clock
from plait.worker.reports import choose_failure

if TYPE_CHECKING:
    from plait.worker.assignment import Assignment
    from plait.worker.executor import Executor
    from plait.worker.holdings import Holdings

logger = logging.getLogger("plait.worker")

BLOCKED_SECONDS = 30.0
"""How long an execution may wait for its code to be called before it is handed back for another worker."""

TICK_SECONDS = 0.03
"""How late a timeout may be noticed. One look costs a comparison per running task."""


class Watchdog:
    """Fails attempts past their ``execution_timeout``, on the engine's loop: a task that blocks the user's loop cannot
    escape it. The code is told to stop; its slot is freed even if it does not."""

    def __init__(self, holdings: Holdings, executor: Executor, conclude: Callable[[Assignment, Report], None]) -> None:
        self._holdings = holdings
        self._executor = executor
        self._conclude = conclude

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now, real = clock.monotonic(), time.monotonic()
            for assignment in list(self._holdings.assignments.values()):
                execution = assignment.execution
                if execution is None or assignment.concluded:
                    continue
                if assignment.deadline <= now:
                    self._expire(assignment)
                elif not execution.has_begun and real - execution.submitted > BLOCKED_SECONDS:
                    self._hand_back(assignment)

    def _hand_back(self, assignment: Assignment) -> None:
        logger.warning(
            "task %s of run %s could not begin: the event loop is blocked", assignment.name, assignment.run.id
        )
        reason = "its worker's event loop was blocked by another task"
        self._conclude(assignment, Report(Status.RELEASED, retry_us=0, reason=reason))

    def _expire(self, assignment: Assignment) -> None:
        execution = assignment.execution
        assert execution is not None
        allowed = assignment.deadline - execution.started
        message = f"did not finish within its execution_timeout of {allowed:g} s"
        logger.warning("task %s of run %s %s", assignment.name, assignment.run.id, message)
        self._conclude(
            assignment, choose_failure(assignment, describe_failure("TaskTimeoutError", message), execution.elapsed_us)
        )
        self._executor.stop(assignment)
        if (hung := self._executor.count_hung()) > self._holdings.slots:
            logger.warning(
                "%d threads are still busy with tasks that are over, more than the worker has slots (%d): their code "
                "does not end when it is told to. It can look at ctx.is_cancelled, and bound its own calls",
                hung,
                self._holdings.slots,
            )
