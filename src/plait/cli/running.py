"""Starting a run from the command line, working on it in this process, and following it to its end."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.cli.waiting import WaitNotice
from plait.errors import DatabaseUnavailableError, ResultTimeoutError
from plait.features.shapes import to_plain

if TYPE_CHECKING:
    from plait.cli.displays import Display
    from plait.client import Plait
    from plait.engine.waiter import RunOutcome
    from plait.features.run_views import RunDetails
    from plait.worker.worker import Worker


class LocalWorker:
    """A worker on a thread of this process, for as long as one command waits for its run."""

    def __init__(self, plait: Plait, *, slots: int) -> None:
        from plait.worker.identity import Timings  # noqa: PLC0415 - not needed with --no-worker

        self._worker: Worker = plait.worker("plait run", slots=slots, timings=Timings(grace=2.0))
        self._worker.on_registered = self._note_start
        self._begun = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="plait-run-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hand back what runs and end. Bounded to some seconds."""
        self._begun.wait(10)
        self._worker.stop(hurry=True)
        self._thread.join(15)

    def _note_start(self) -> None:
        self._begun.set()

    def _run(self) -> None:
        try:
            self._worker.start()
        except BaseException as error:
            self.error = error
        finally:
            self._begun.set()


class ResultStdout:
    """Keeps stdout for the result: until ``release`` whatever else writes to it reaches stderr instead, the
    subprocesses of tasks included."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._saved = os.dup(1)
        os.dup2(2, 1)

    def release(self) -> None:
        """Give stdout back. Repeatable."""
        if self._saved >= 0:
            sys.stdout.flush()
            os.dup2(self._saved, 1)
            os.close(self._saved)
            self._saved = -1


async def wait_for_end(plait: Plait, run_id: str) -> RunOutcome:
    """How a run ended, once it has."""
    from plait.client import get_access  # noqa: PLC0415 - not needed with --no-wait

    access = get_access(plait)
    return (await access.portal.acall(access.wait_runs([UUID(run_id)], None)))[0]


async def follow_run(
    plait: Plait,
    run_id: str,
    display: Display,
    *,
    timeout: float | None,
    check: Callable[[], None] = lambda: None,
    target: str = "TARGET",
) -> RunOutcome | None:
    """Show a run until it has ended. None when it did not end within ``timeout`` seconds.

    When nobody takes its tasks, ``display`` says why; ``target`` is what a worker would be started with. An outage of
    the database is waited out. ``check`` is called before every look; what it raises ends it.
    """
    from plait.client import get_access  # noqa: PLC0415 - not needed with --no-wait
    from plait.features.follow import RunFollower  # noqa: PLC0415

    access = get_access(plait)
    follower = RunFollower(access, UUID(run_id), timeout)
    notice = WaitNotice(display.say, target)
    away = False
    while True:
        try:
            outcome = await access.portal.acall(follower.wait())
        except ResultTimeoutError:
            return None
        check()
        try:
            details = await access.portal.acall(follower.look())
            display.show(details)
            notice.judge(details)
            away = False
        except DatabaseUnavailableError as error:
            if not away:
                display.say(f"{error}; trying again")
            away = True
        if outcome is not None:
            return outcome


def describe_run(details: RunDetails, output: Any = None) -> dict[str, Any]:
    """A run as the object that ``-o json`` prints."""
    errors = [
        {"task": task.name, **to_plain(task.error)}
        for task in details.tasks.values()
        if task.error is not None and task.status == "FAILED"
    ]
    entry: dict[str, Any] = {
        "id": details.id,
        "workflow": details.workflow,
        "status": details.status.value,
    }
    if details.status == "COMPLETED":
        entry["output"] = output
    elif details.status in ("FAILED", "CANCELLED"):
        entry["errors"] = errors
    return entry
