"""What ``plait worker`` and ``plait dev`` share: serving a target, seen from supervisor and child."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from plait.cli.failures import CommandError
from plait.errors import OperationError
from plait.worker.address import Address
from plait.worker.child import ParentLink
from plait.worker.supervisor import Supervisor, Watcher

if TYPE_CHECKING:
    from plait.worker.gateway import Gateway

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
    health: Address | None = None,
) -> int:
    """Run worker children, child k with ``plait worker <options(k)>``, until told to stop.

    ``health``: where to answer for all of them. Returns the exit code.
    """
    environment = {URL_FOR_CHILDREN: database_url} if database_url else {}

    def command(number: int) -> list[str]:
        # -P keeps the current directory off the path until the target is loaded: a module of the user's must
        # not stand in for one that Plait needs.
        asked = [] if gateway is None else [f"--health-socket={gateway.find_socket(number)}"]
        return [sys.executable, "-P", "-m", "plait", "worker", "--child", *asked, *options(number)]

    supervisor = Supervisor(command, processes=processes, environment=environment, grace=grace, watcher=watcher)
    gateway: Gateway | None = None
    with ExitStack() as stack:
        if health is not None:
            from plait.worker.gateway import Gateway  # noqa: PLC0415 - brings asyncio, which a supervisor does without

            gateway = Gateway(health, processes, supervisor.find_obstacle)
            try:
                stack.enter_context(gateway)
            except OperationError as error:
                raise CommandError(str(error), hint="--health-port PORT, --health-host ADDRESS") from error
        return supervisor.run()


def serve_target(text: str, *, name: str, slots: int, grace: float, health_socket: str | None = None) -> None:
    """Be one of those children: serve the target until SIGTERM, or until the supervisor is gone."""
    link = ParentLink.open()
    # Imported with the link open: from here on this process ends with its supervisor.
    from plait.cli.target import load_target  # noqa: PLC0415
    from plait.worker.identity import Timings  # noqa: PLC0415

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
    if link is not None:
        worker.on_pulse = lambda: link.tell_ready(worker.id)
    if health_socket is not None:
        worker.health = Address(path=health_socket)
    worker.start()
