"""Why a run that somebody waits for gets no further."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from plait.features.why import NO_CODE, READY
from plait.types import TaskStatus

if TYPE_CHECKING:
    from plait.features.run_views import RunDetails

PATIENCE_SECONDS = 2.0


class WaitNotice:
    """Notices that a run gets no further because nobody takes its tasks, and says once why.

    ``say`` gets the sentence; ``target`` is what a worker would be started with; ``clock`` tells seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        target: str = "TARGET",
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._target = target
        self._clock = clock
        self._state: object = None
        self._looked_at = 0.0
        self.said = False

    def judge(self, details: RunDetails) -> None:
        """Take note of how the run stands now."""
        state = [(task.status, len(task.attempts)) for task in details.tasks.values()]
        now = self._clock()
        if state != self._state:
            self._state, self._looked_at = state, now
            return
        if self.said or now - self._looked_at < PATIENCE_SECONDS:
            return
        self._looked_at = now
        if (why := explain_wait(details, self._target)) is not None:
            self.said = True
            self._say(why)


def explain_wait(details: RunDetails, target: str = "TARGET") -> str | None:
    """Why nobody takes the tasks of a run; None while one runs, is about to, or waits for something else."""
    tasks = details.tasks.values()
    queued = next((task for task in tasks if task.status is TaskStatus.QUEUED), None)
    if queued is None or any(task.status is TaskStatus.RUNNING for task in tasks):
        return None
    why = queued.why
    if why is None or why.startswith(READY):
        return None
    start = f"; to start one: plait worker {target}" if why == NO_CODE else ""
    return f"task {queued.name!r} waits: {why[:1].lower()}{why[1:].rstrip('.')}{start}"
