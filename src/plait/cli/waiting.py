"""Why a run that somebody waits for gets no further."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from plait.errors import DatabaseUnavailableError
from plait.features.why import Capacity, Waiting, explain_waiting
from plait.features.workers import WorkerStatus
from plait.types import TaskStatus

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.features.run_views import RunDetails

PATIENCE_SECONDS = 2.0
_MOST_WORKERS = 1000


class WaitNotice:
    """Notices that a run gets no further because nobody takes its tasks, and says once why.

    ``say`` gets the sentence; ``target`` is what a worker would be started with; ``clock`` tells seconds.
    """

    def __init__(
        self,
        plait: Plait,
        say: Callable[[str], None],
        target: str = "TARGET",
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plait = plait
        self._say = say
        self._target = target
        self._clock = clock
        self._state: object = None
        self._looked_at = 0.0
        self.said = False

    async def judge(self, details: RunDetails) -> None:
        """Take note of how the run stands now."""
        state = [(task.status, len(task.attempts)) for task in details.tasks.values()]
        now = self._clock()
        if state != self._state:
            self._state, self._looked_at = state, now
            return
        if self.said or now - self._looked_at < PATIENCE_SECONDS:
            return
        self._looked_at = now
        try:
            why = await explain_wait(self._plait, details, self._target)
        except DatabaseUnavailableError:  # told by who looks at the run
            return
        if why is not None:
            self.said = True
            self._say(why)


async def explain_wait(plait: Plait, details: RunDetails, target: str = "TARGET") -> str | None:
    """Why nobody takes the tasks of a run; None while one runs, is about to, or waits for something else."""
    tasks = details.tasks.values()
    queued = next((task.name for task in tasks if task.status is TaskStatus.QUEUED), None)
    if queued is None or any(task.status is TaskStatus.RUNNING for task in tasks):
        return None
    capacity = await _read_capacity(plait, details.workflow, queued)
    if capacity.in_use < capacity.slots:
        return None
    why = explain_waiting(Waiting(status=TaskStatus.QUEUED, capacity=capacity)) or ""
    start = "" if capacity.workers else f"; to start one: plait worker {target}"
    return f"task {queued!r} waits: {why[:1].lower()}{why[1:].rstrip('.')}{start}"


async def _read_capacity(plait: Plait, workflow: str, task: str) -> Capacity:
    """The live workers that have the code of a task."""
    capacity = Capacity()
    for worker in await plait.workers.aio_list(limit=_MOST_WORKERS):
        if worker.status is WorkerStatus.ACTIVE and task in worker.serves.get(workflow, ()):
            capacity = Capacity(
                capacity.workers + 1, capacity.slots + worker.slots, capacity.in_use + worker.slots_in_use
            )
    return capacity
