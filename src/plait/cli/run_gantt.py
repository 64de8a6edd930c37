"""``plait runs gantt``: when each task of a run was queued, ran, and waited."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from plait.cli.completing import complete_runs
from plait.cli.database import open_plait
from plait.cli.displays import LiveTree, can_animate
from plait.cli.help import command
from plait.cli.options import common_options, output_option
from plait.cli.output import print_data
from plait.cli.running import follow_run
from plait.cli.text import can_show, clean_line, style
from plait.cli.tree import COLOURS, ENDED, headline
from plait.features.notes import is_judged, note_attempt, note_duration
from plait.features.run_views import AttemptDetails, RunDetails, TaskDetails
from plait.pictures.timeline import Bar, Piece, Span, SpanKind, draw_timeline
from plait.types import TaskStatus

PIECE_COLOURS = {
    **COLOURS,
    SpanKind.QUEUED: "yellow",
    SpanKind.RUNNING: "cyan",
    SpanKind.RAN: "green",
    SpanKind.FAILED: "red",
}
_COLUMNS = 100
"""Where there is no terminal to ask."""

_LEAST_WAIT = timedelta(milliseconds=100)
"""From there on the time between a task's parents and its queue is waiting, and not the way there."""


@command(
    "gantt",
    ("where the time went", "plait runs gantt 01993b6e-0000-7000-8000-000000000000"),
    ("live, until the run has ended", "plait runs gantt 01993b6e-0000-7000-8000-000000000000 --follow"),
)
@click.argument("run_id", shell_complete=complete_runs)
@click.option("--follow", is_flag=True, help="Draw it again and again until the run has ended.")
@output_option()
@common_options
def show_gantt(run_id: str, follow: bool, output: str) -> None:
    """Show when each task of a run was queued, when its attempts ran, and when it backed off or waited.

    Time goes from left to right, as wide as the terminal.
    """
    if follow and output != "table":
        raise click.UsageError(f"give --follow or -o {output}, not both")
    with open_plait() as plait:
        details = plait.runs.get_details(run_id)
        if follow and details.status not in ENDED:
            if can_animate():
                with LiveGantt() as display:
                    asyncio.run(follow_run(plait, run_id, display, timeout=None))
                return
            asyncio.run(follow_run(plait, run_id, None, timeout=None))
            details = plait.runs.get_details(run_id)
    now = datetime.now(UTC)
    if output != "table":
        print_data(describe_gantt(details, now), output)
        return
    columns = shutil.get_terminal_size((_COLUMNS, 24)).columns
    click.echo(headline(details, now))
    for row in draw_rows(details, now, columns, ascii_only=not can_show("░┄▒█▓…", sys.stdout)):
        click.echo("".join(style(text, PIECE_COLOURS.get(look, ""), sys.stdout) for text, look in row).rstrip())


class LiveGantt(LiveTree):
    """The timeline, drawn over itself."""

    def _draw(self, details: RunDetails) -> Any:
        from rich.text import Text  # noqa: PLC0415 - as in LiveTree

        now = datetime.now(UTC)
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(headline(details, now), style="bold" if self._colour else "")
        for row in draw_rows(details, now, self._console.size.width):
            text.append("\n")
            for piece, look in row:
                text.append(piece, style=PIECE_COLOURS.get(look, "") if self._colour else "")
        return text


def draw_rows(details: RunDetails, now: datetime, columns: int, *, ascii_only: bool = False) -> list[list[Piece]]:
    """The timeline of a run, in rows of coloured pieces."""
    bars = [
        Bar(clean_line(task.name), task.status.value, tuple(iter_spans(details, task, now)), _note(task, now))
        for task in details.tasks.values()
    ]
    begin = min([details.created_at, *(span.begin for bar in bars for span in bar.spans)])
    end = max([details.finished_at or now, *(span.end for bar in bars for span in bar.spans)])
    return draw_timeline(bars, begin, end, width=columns, ascii_only=ascii_only)


def describe_gantt(details: RunDetails, now: datetime) -> dict[str, Any]:
    """The timeline as ``-o json`` prints it."""
    return {
        "id": details.id,
        "workflow": details.workflow,
        "status": details.status.value,
        "created_at": details.created_at,
        "finished_at": details.finished_at,
        "tasks": [
            {
                "name": task.name,
                "status": task.status.value,
                "spans": [asdict(span) for span in iter_spans(details, task, now)],
            }
            for task in details.tasks.values()
        ],
    }


def iter_spans(details: RunDetails, task: TaskDetails, now: datetime) -> Iterator[Span]:
    """What a task did so far, from its attempts and the room it is in."""
    free_since = _find_beginning(details, task)
    for number, attempt in enumerate(task.attempts, 1):
        yield from _iter_before(attempt, number, free_since, None)
        begin = attempt.started_at
        if begin is not None and not is_judged(attempt):
            kind = SpanKind.RAN if attempt.outcome == "COMPLETED" else SpanKind.FAILED
            yield Span(kind, begin, max(begin, attempt.finished_at), number, attempt.outcome)
        following = task.attempts[number] if number < len(task.attempts) else None
        replayed = attempt.superseded and (following is None or not following.superseded)
        goes_on = attempt.outcome in ("RETRIED", "LOST", "RELEASED") and not replayed
        free_since = attempt.finished_at if goes_on else None
    number = len(task.attempts) + 1
    if task.status in (TaskStatus.QUEUED, TaskStatus.RUNNING):
        yield from _iter_before(task, number, free_since, now)
        if task.status is TaskStatus.RUNNING and task.started_at is not None:
            yield Span(SpanKind.RUNNING, task.started_at, max(now, task.started_at), number)
    elif task.status is TaskStatus.PENDING and free_since is not None and (task.due_at or task.waits_for):
        yield Span(SpanKind.WAITING, free_since, max(now, free_since), number)


def _find_beginning(details: RunDetails, task: TaskDetails) -> datetime | None:
    """When the last of its parents ended, from which on a task waits for its conditions."""
    ends = [details.tasks[name].finished_at for name in task.parents]
    known = [end for end in ends if end is not None]
    return max(known, default=details.created_at) if len(known) == len(ends) else None


def _iter_before(
    timed: TaskDetails | AttemptDetails, number: int, free_since: datetime | None, now: datetime | None
) -> Iterator[Span]:
    """The time before an attempt: backing off since the one before, then in the queue until it started, or now."""
    queued, started = timed.queued_at, timed.started_at or now
    if free_since is not None and queued is not None and queued - free_since >= _LEAST_WAIT:
        yield Span(SpanKind.WAITING, free_since, queued, number)
    if queued is not None and started is not None and started > queued:
        yield Span(SpanKind.QUEUED, queued, started, number)


def _note(task: TaskDetails, now: datetime) -> str:
    duration = "" if task.attempts and is_judged(task.attempts[-1]) else note_duration(task, now)
    return "  ".join(note for note in (duration, note_attempt(task)) if note)
