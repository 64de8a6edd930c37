"""What ``plait worker`` and ``plait dev`` share: serving a target, seen from supervisor and child."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence

from plait.cli.failures import CommandError
from plait.worker.child import ParentLink
from plait.worker.supervisor import Supervisor, Watcher

logger = logging.getLogger("plait.supervisor")

URL_FOR_CHILDREN = "PLAIT_CHILD_DATABASE_URL"
"""Carries ``--database-url`` to the children: a URL can hold a password, and arguments are public."""


def supervise(
    options: Callable[[int], Sequence[str]],
    *,
    processes: int,
    grace: float,
    database_url: str | None,
    watcher: Watcher | None = None,
) -> int:
    """Run worker children, child k with ``plait worker <options(k)>``, until told to stop.

    Returns the exit code.
    """
    environment = {URL_FOR_CHILDREN: database_url} if database_url else {}

    def command(number: int) -> list[str]:
        # -P keeps the current directory off the path until the target is loaded: a module of the user's must
        # not stand in for one that Plait needs.
        return [sys.executable, "-P", "-m", "plait", "worker", "--child", *options(number)]

    supervisor = Supervisor(command, processes=processes, environment=environment, grace=grace, watcher=watcher)
    return supervisor.run()


def serve_target(text: str, *, name: str, slots: int, grace: float) -> None:
    """Be one of those children: serve the target until SIGTERM, or until the supervisor is gone."""
    link = ParentLink.open()
    # Imported with the link open: from here on this process ends with its supervisor.
    from plait.cli.target import load_target  # noqa: PLC0415
    from plait.worker.heartbeat import Timings  # noqa: PLC0415

    target = load_target(text, os.environ.pop(URL_FOR_CHILDREN, None))
    workflows = list(target.plait.declared.values())
    if not workflows:
        raise CommandError(f"{text} has no workflows", hint="plait.workflow(...) or @plait.task() in that code")
    timings = Timings(grace=grace)
    worker = target.plait.worker(name, slots=slots, workflows=workflows, timings=timings)

    def announce() -> None:
        logger.info("serving %s", ", ".join(workflow.name for workflow in workflows))
        if link is not None:
            link.tell_ready(worker.id)

    worker.on_registered = announce
    worker.start()
