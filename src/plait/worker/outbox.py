"""Outcomes on their way to the database: whoever knows what became of an attempt puts it here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from plait.graph.attempt import Report
from plait.worker.assignment import Assignment
from plait.worker.holdings import Holdings

Outcome = tuple[Assignment, Report]


def measure(outcome: Outcome) -> int:
    """About how many bytes storing an outcome takes."""
    report = outcome[1]
    return len(report.output or b"") + len(report.error or b"")


def cut(outcomes: list[Outcome], cap: int, most_bytes: int) -> tuple[list[Outcome], list[Outcome]]:
    """Outcomes up to ``cap``, and up to so many bytes, a single larger one aside; and the others."""
    size = 0
    for count, outcome in enumerate(outcomes):
        size += measure(outcome)
        if count == cap or (count and size > most_bytes):
            return outcomes[:count], outcomes[count:]
    return outcomes, []


class Outbox:
    """Outcomes that the flusher has not taken yet. ``note_ended`` is called when one comes. Everything runs on the
    engine's loop."""

    def __init__(self, holdings: Holdings, *, note_ended: Callable[[], None]) -> None:
        self.outcomes: list[Outcome] = []
        self._holdings = holdings
        self._note_ended = note_ended
        self._wake = asyncio.Event()

    def conclude(self, assignment: Assignment, report: Report) -> None:
        """An attempt's outcome is known: store it, if it is still this worker's to tell. The first one of an attempt
        counts, later ones are dropped."""
        if self._holdings.find(assignment) is None:
            return
        execution = assignment.execution
        if execution is not None and execution.trace is not None:
            execution.trace.finish(report)
        if not assignment.concluded:
            assignment.concluded = True
            self.outcomes.append((assignment, report))
            self._wake.set()
        self._note_ended()

    def put_urgent_first(self) -> None:
        """Order by priority; the oldest first within one."""
        self.outcomes.sort(key=lambda outcome: -outcome[0].run.priority)

    def take(self, cap: int, most_bytes: int) -> list[Outcome]:
        """Take the first: up to ``cap``, and up to so many bytes, a single larger one aside."""
        batch, self.outcomes = cut(self.outcomes, cap, most_bytes)
        return batch

    def put_back(self, batch: list[Outcome]) -> None:
        """Put first again what was taken and not written."""
        self.outcomes[:0] = batch
        self._wake.set()

    async def wait(self) -> None:
        """Wait until something comes, or came since this was last called."""
        await self._wake.wait()
        self._wake.clear()

    def discard(self) -> None:
        """Forget what was not taken: the lease is lost, somebody else does it again."""
        self.outcomes.clear()
