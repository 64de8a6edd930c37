"""``plait runs logs``: what the tasks of a run logged."""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from plait.cli.completing import complete_runs
from plait.cli.database import open_plait
from plait.cli.failures import say_hint
from plait.cli.help import command
from plait.cli.options import common_options, output_option
from plait.cli.output import print_data
from plait.cli.text import clean, clean_line, style
from plait.features.shapes import to_plain
from plait.types import WorkflowRunStatus

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.features.logs import LogLine

PAGE = 1000
LOOK_SECONDS = 0.3
LATE = timedelta(seconds=2)
"""Lines of other tasks may come in late by a second: while following, that much is read again."""
_ENDED = (WorkflowRunStatus.COMPLETED, WorkflowRunStatus.FAILED, WorkflowRunStatus.CANCELLED)
_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "bright_black"}


@command(
    "logs",
    ("what a run logs, from its beginning and on", "plait runs logs RUN_ID --follow"),
    (
        "one task's lines that speak of a timeout",
        "plait runs logs RUN_ID --task extract --search timeout",
    ),
)
@click.argument("run_id", shell_complete=complete_runs)
@click.option("--task", metavar="NAME", help="Only lines of this task.")
@click.option("--search", metavar="TEXT", help="Only lines that contain this text, in upper or lower case.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@output_option()
@common_options
def show_logs(run_id: str, task: str | None, search: str | None, follow: bool, output: str) -> None:
    """Show what the tasks of a run logged by ctx.log, and by Python's logging where their worker stores that.

    With -o json, a line of JSON for each; with -o yaml, a document.
    """
    with open_plait() as plait:
        printer = _Printer(output)
        asyncio.run(_show(plait, run_id, task, search, printer, follow=follow))
    if not printer.count and output == "table":
        say_hint("ctx.log('…') in a task; PLAIT_CAPTURE_LOGS=1 for workers stores what tasks log by logging, too")


async def _show(
    plait: Plait, run_id: str, task: str | None, search: str | None, printer: _Printer, *, follow: bool
) -> None:
    after: str | None = None
    recent: OrderedDict[str, LogLine] = OrderedDict()
    while True:
        ended = not follow or await plait.runs.aio_get_status(run_id) in _ENDED
        if ended and follow:
            await asyncio.sleep(LOOK_SECONDS)  # the last lines are stored right after the outcome
        cursor = after
        while True:
            page = await plait.runs.aio_list_logs(run_id, task=task, search=search, after=cursor, limit=PAGE)
            for line in page:
                if line.cursor not in recent:
                    printer.show(line)
                    recent[line.cursor] = line
            if page.next is None:
                break
            cursor = page.next
        if ended:
            return
        after = _forget(recent) or after
        await asyncio.sleep(LOOK_SECONDS)


def _forget(recent: OrderedDict[str, LogLine]) -> str | None:
    """Drop what is older than ``LATE`` before the newest line; the cursor of the newest of those dropped."""
    last: str | None = None
    newest = max((line.at for line in recent.values()), default=None)
    while recent and newest is not None:
        cursor, line = next(iter(recent.items()))
        if newest - line.at < LATE:
            break
        last = cursor
        del recent[cursor]
    return last


class _Printer:
    def __init__(self, output: str) -> None:
        self._output = output
        self.count = 0

    def show(self, line: LogLine) -> None:
        """Print one line."""
        self.count += 1
        if self._output != "table":
            print_data(to_plain(line), self._output, line=True)
            return
        clock = line.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
        level = style(f"{line.level:<7}", _COLOURS.get(line.level, "cyan"), sys.stdout)
        text = clean(line.text).replace("\n", "\n    ")
        click.echo(f"{clock} {level} {clean_line(line.task)}  {text}")
