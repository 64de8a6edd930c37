"""Harm at the named points of the product (``plait.faultpoints``), done once in a test, by whichever of its processes
comes there first."""

from __future__ import annotations

import ast
import json
import os
import signal
import time
from functools import cache
from pathlib import Path
from typing import Any

from plait import faultpoints
from plait.errors import DatabaseUnavailableError

VARIABLE = "PLAIT_TEST_POINT"
SOURCE = Path(faultpoints.__file__).parent
DEEDS = ("kill", "raise", "delay", "disconnect")

DELAY_SECONDS = 5.0
"""Longer than the lease of ``STEADY``."""

IN_USERS_PLACE = ("before the body", "after the body")
"""Where an error is the task's own."""


class FaultPointError(Exception):
    """Raised in the place of the user's code."""


@cache
def list_points() -> tuple[str, ...]:
    """The points that the product names."""
    texts = [path.read_text() for path in SOURCE.rglob("*.py")]
    points = {
        node.args[0].value
        for text in texts
        if "reach(" in text  # to parse all of them takes seconds
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "reach"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
    return tuple(sorted(points))


class Trap:
    """What is to happen at ``point``, as processes are told in their environment."""

    def __init__(self, point: str, deed: str, folder: Path) -> None:
        self._point = point
        self._deed = deed
        self._mark = folder / "sprung"

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps({"point": self._point, "deed": self._deed, "mark": str(self._mark)})}

    def read_pid(self) -> int | None:
        """The process to which it happened; None as long as nobody came there."""
        text = self._mark.read_text() if self._mark.exists() else ""
        return int(text) if text else None


def install_from_environment() -> None:
    """Have this process do what its environment says."""
    if text := os.environ.get(VARIABLE):
        trap: dict[str, Any] = json.loads(text)
        faultpoints.install(lambda point: _do(trap) if point == trap["point"] else None)


def _do(trap: dict[str, Any]) -> None:
    try:
        mark = os.open(trap["mark"], os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return
    os.write(mark, str(os.getpid()).encode())
    os.close(mark)
    match trap["deed"]:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "delay":
            time.sleep(DELAY_SECONDS)  # on whatever thread it is: the engine's stands still
        case "disconnect":
            _end_sessions()
        case "raise" if trap["point"] in IN_USERS_PLACE:
            raise FaultPointError(trap["point"])
        case "raise":
            raise DatabaseUnavailableError(f"made up at the point {trap['point']!r}")


def _end_sessions() -> None:
    import psycopg  # noqa: PLC0415 - every worker process of the tests imports this module, and none but this needs it

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, application_name="test") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'plait%'"
        )
