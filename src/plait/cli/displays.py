"""How a run is shown while somebody waits for it: a live tree on a terminal, lines of progress elsewhere."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import Any, Protocol

import click

from plait.cli.text import can_show, clean_line, format_span, wants_colour
from plait.cli.tree import COLOURS, ENDED, build_lines, headline, select_lines
from plait.features.notes import count_attempt
from plait.features.run_views import RunDetails, TaskDetails
from plait.types import TaskStatus

_SILENT = (TaskStatus.PENDING, TaskStatus.QUEUED)


class Display(Protocol):
    """Shows a run again and again."""

    def __enter__(self) -> Display: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, details: RunDetails) -> None: ...
    def say(self, text: str) -> None: ...


def can_animate() -> bool:
    """Whether stdout is a terminal that a live tree can be drawn on."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and can_show("├└│✓…", sys.stdout)


class ProgressLines:
    """A line on stderr whenever a task begins, is retried or ends."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[TaskStatus, int]] = {}

    def __enter__(self) -> ProgressLines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, details: RunDetails) -> None:
        """Say what is new."""
        for task in details.tasks.values():
            state = (task.status, len(task.attempts))
            before, attempts_before = self._shown.get(task.name, (TaskStatus.PENDING, 0))
            if state == (before, attempts_before):
                continue
            self._shown[task.name] = state
            for attempt in task.attempts[attempts_before:]:
                if attempt.outcome in ("RETRIED", "LOST", "RELEASED"):
                    why = str(attempt.error) if attempt.error else attempt.reason or ""
                    self._say(task, attempt.outcome, clean_line(why))
            if task.status is not before and task.status not in _SILENT:
                self._say(task, task.status.value, _describe(task))

    def say(self, text: str) -> None:
        click.echo(text, err=True)

    def _say(self, task: TaskDetails, word: str, note: str) -> None:
        click.echo(f"{word:<9}  {clean_line(task.name)}  {note}".rstrip(), err=True)


class LiveTree:
    """The whole graph, drawn over itself. What tasks print appears above it."""

    def __init__(self) -> None:
        # rich is slow to import and of no use elsewhere.
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live  # noqa: PLC0415

        self._colour = wants_colour(sys.stdout)
        self._console = Console(highlight=False, no_color=not self._colour)
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> LiveTree:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, details: RunDetails) -> None:
        """Draw it as it is now."""
        self._live.update(self._draw(details), refresh=True)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def _draw(self, details: RunDetails) -> Any:
        from rich.text import Text  # noqa: PLC0415 - see __init__

        now = datetime.now(UTC)
        room = 10**9 if details.status in ENDED else max(4, self._console.size.height - 3)
        lines, hidden = select_lines(build_lines(details, now), room)
        width = max((len(line.label) for line in lines), default=0)
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(headline(details, now), style="bold" if self._colour else "")
        for line in lines:
            colour = COLOURS.get(line.status.value, "") if self._colour else ""
            text.append(f"\n{line.label:<{width}}  ")
            text.append(f"{line.status.value:<9}", style=colour)
            text.append(f"  {line.notes}")
            if line.error:
                text.append(f"\n{'':<{width}}  {line.error}", style=colour)
        if hidden:
            text.append(f"\n{hidden}")
        return text


def _describe(task: TaskDetails) -> str:
    if task.status is TaskStatus.RUNNING:
        return f"attempt {count_attempt(task)}/{task.max_attempts}" if task.max_attempts > 1 else ""
    notes = [format_span(task.started_at, task.finished_at)]
    if task.status is TaskStatus.FAILED and task.error is not None:
        notes.append(str(task.error))
    elif task.reason:
        notes.append(task.reason)
    return clean_line("  ".join(note for note in notes if note))
