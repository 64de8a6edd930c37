"""A run to look at: its graph with the statuses of its tasks in a notebook, lines of text elsewhere."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from plait.engine.access import Access
from plait.errors import DatabaseUnavailableError, PlaitError
from plait.features.follow import RunFollower
from plait.features.notes import note_task
from plait.features.run_reader import read_details
from plait.pictures.model import MOST_SHOWN, DrawnTask, build_graph, describe_graph
from plait.pictures.paint import escape_text
from plait.pictures.svg import draw_svg
from plait.types import TaskStatus
from plait.wording import format_seconds

if TYPE_CHECKING:
    from plait.features.run_views import RunDetails, TaskDetails

REPR_SECONDS = 5.0
"""How long a notebook waits for a database that does not answer before it shows a reference without a picture."""

_MOST_ERRORS = 5


class Screen(Protocol):
    """Shows a run again and again."""

    def show(self, details: RunDetails, now: datetime) -> None: ...


class RunWatch:
    """Shows a run until it has ended. It is read on the engine's loop, and shown where the user is."""

    def __init__(self, access: Access, run_id: UUID, timeout: float | None, screen: Screen | None = None) -> None:
        self._portal = access.portal
        self._follower = RunFollower(access, run_id, timeout)
        self._last: RunDetails | None = None
        self._screen = screen or find_screen()

    def run(self) -> None:
        """Show the run until it has ended. Raises ``NotFoundError``, ``ResultTimeoutError``."""
        while not self._show(self._portal.call(self._look())):
            pass

    async def aio_run(self) -> None:
        """``run`` without blocking the loop."""
        while not self._show(await self._portal.acall(self._look())):
            pass

    async def _look(self) -> RunDetails:
        """How the run stands: at once the first time, then after a pause or when it has ended."""
        if self._last is not None:
            await self._follower.wait()
        try:
            self._last = await self._follower.look()
        except DatabaseUnavailableError:  # an outage is waited out
            if self._last is None:
                raise
        return self._last

    def _show(self, details: RunDetails) -> bool:
        """Whether that was the last time."""
        self._screen.show(details, datetime.now(UTC))
        return details.finished_at is not None


# --- where it is shown -----------------------------------------------------------------------------------------------


def find_screen() -> Screen:
    """The output of the notebook's cell that runs, if this is a notebook's kernel; else lines on stdout."""
    ipython = sys.modules.get("IPython")  # a notebook has imported it
    shell = ipython.get_ipython() if ipython is not None else None
    return LineScreen() if shell is None or getattr(shell, "kernel", None) is None else NotebookScreen()


class NotebookScreen:
    """One output of a notebook's cell, drawn anew in its place."""

    def __init__(self) -> None:
        self._display = importlib.import_module("IPython.display").display
        self._handle: Any = None

    def show(self, details: RunDetails, now: datetime) -> None:
        """Draw it as it is now."""
        data = {"text/html": draw_run(details, now), "text/plain": f"{_head(details, now)}  {details.id}"}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


class LineScreen:
    """A line on stdout whenever a task has another status, and one when the run has ended."""

    def __init__(self) -> None:
        self._shown: dict[str, TaskStatus] = {}
        self._begun = False

    def show(self, details: RunDetails, now: datetime) -> None:
        """Print what is new."""
        if not self._begun:
            self._begun = True
            print(f"run {details.id} of {details.workflow}")
        for task in details.tasks.values():
            before = self._shown.get(task.name, TaskStatus.PENDING)
            self._shown[task.name] = task.status
            if task.status is not before:
                parts = (f"{task.status:<9}", task.name, note_task(task, now), _tell_error(task))
                print("  ".join(part for part in parts if part).rstrip())
        if details.finished_at is not None:
            print(_head(details, now), flush=True)


# --- what is shown ---------------------------------------------------------------------------------------------------


def show_reference(access: Access, run_id: UUID, text: str) -> str:
    """A reference to a run as HTML: the run as it is now, else ``text`` and why it cannot be shown. Never raises."""

    async def look() -> RunDetails:
        async with asyncio.timeout(REPR_SECONDS):
            return await read_details(access, str(run_id))

    try:
        return draw_run(access.portal.call(look()), datetime.now(UTC))
    except TimeoutError:
        return f"<pre>{escape_text(text)}\nThe database does not answer.</pre>"
    except PlaitError as error:
        return f"<pre>{escape_text(text)}\n{escape_text(str(error))}</pre>"


def draw_run(details: RunDetails, now: datetime) -> str:
    """A run as HTML: a headline, its graph with the statuses of its tasks, and what made tasks fail."""
    tasks = [
        DrawnTask(
            name=task.name, parents=task.parents, kind=task.kind, status=task.status.value, note=note_task(task, now)
        )
        for task in details.tasks.values()
    ]
    graph = build_graph(tasks)
    label = f"Run of workflow {details.workflow}, {details.status.value}"
    if len(graph.boxes) > MOST_SHOWN:
        picture = _count_tasks(details)
    else:
        picture = draw_svg(graph, label=label, description=describe_graph(graph))
    head = f"<strong>{escape_text(_head(details, now))}</strong> <code>{details.id}</code>"
    errors = "\n".join(escape_text(text) for text in _iter_errors(details))
    below = f'\n<pre style="white-space:pre-wrap">{errors}</pre>' if errors else ""
    return f'<div class="plait-run"><div>{head}</div>\n<div style="overflow-x:auto">{picture}</div>{below}</div>'


def _count_tasks(details: RunDetails) -> str:
    counts = Counter(task.status.value for task in details.tasks.values())
    return f"{len(details.tasks):,} tasks: " + ", ".join(f"{count:,} {status}" for status, count in counts.items())


def _head(details: RunDetails, now: datetime) -> str:
    span = format_seconds(((details.finished_at or now) - details.created_at).total_seconds())
    return f"{details.workflow}  {details.status.value}  {span}"


def _iter_errors(details: RunDetails) -> Iterator[str]:
    failed = [task for task in details.tasks.values() if task.status is TaskStatus.FAILED]
    for task in failed[:_MOST_ERRORS]:
        yield f"{task.name}: {_tell_error(task)}"
    if len(failed) > _MOST_ERRORS:
        yield f"and {len(failed) - _MOST_ERRORS:,} more"


def _tell_error(task: TaskDetails) -> str:
    """The first line of what failed, without characters that could steer a terminal."""
    if task.error is None or task.status is not TaskStatus.FAILED:
        return ""
    text = f"{task.error}".strip().partition("\n")[0]
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
