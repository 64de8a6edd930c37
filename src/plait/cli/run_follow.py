"""``plait runs wait`` and ``plait runs tail``: until runs have ended."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from plait.cli.completing import complete_runs
from plait.cli.database import open_plait
from plait.cli.failures import EXIT_RUN_FAILED, EXIT_TIMEOUT, say_error, say_hint
from plait.cli.help import command
from plait.cli.options import DurationType, common_options, output_option
from plait.cli.output import print_data
from plait.cli.running import describe_run, follow_run, wait_for_end
from plait.cli.text import clean_line, format_span, style, to_json
from plait.cli.tree import COLOURS
from plait.cli.waiting import PATIENCE_SECONDS, WaitNotice
from plait.errors import PlaitError
from plait.features.refs import collect_outputs
from plait.features.run_views import AttemptDetails, RunDetails, TaskDetails
from plait.features.runs import parse_run_id
from plait.types import TaskStatus

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.engine.waiter import RunOutcome

WATCHED_RUNS = 5


@command(
    "wait",
    (
        "start a run, and wait for it later",
        "run=$(plait run flows.py:hello --detach)\nplait runs wait $run --timeout 5m",
    ),
)
@click.argument("run_ids", metavar="RUN_ID...", nargs=-1, required=True, shell_complete=complete_runs)
@click.option("--timeout", type=DurationType(), help="Stop waiting after this time (exit code 124); the runs go on.")
@output_option()
@common_options
def wait_runs(run_ids: Sequence[str], timeout: float | None, output: str) -> int:
    """Wait until runs have ended and print their results.

    Of one run that completed, stdout gets each task's output by name, as JSON; of several runs, or with -o json, a line
    of JSON for each, in the order in which they end; with -o yaml, a document for each.

    Exit codes: 0 all completed, 1 one failed or was cancelled, 4 not found, 124 timeout.
    """
    ids = list(dict.fromkeys(str(parse_run_id(run_id)) for run_id in run_ids))
    form = "json" if output == "table" and len(ids) > 1 else output
    with open_plait() as plait:
        for run_id in ids:
            plait.runs.get(run_id)  # an unknown run would be waited for for ever
        code, late = asyncio.run(_wait_each(plait, ids, timeout, form))
    if late:
        say_error(f"{len(late)} of {len(ids)} runs did not end within {timeout:g} s; they go on")
        say_hint(f"plait runs show {late[0]}")
        return EXIT_TIMEOUT
    return code


async def _wait_each(plait: Plait, ids: Sequence[str], timeout: float | None, output: str) -> tuple[int, list[str]]:
    """Report runs as they end. Returns the exit code, and the runs that did not end in time."""
    deadline = None if timeout is None else time.monotonic() + timeout
    waiting = {asyncio.ensure_future(wait_for_end(plait, run_id)): run_id for run_id in ids}
    code = 0
    watching = asyncio.create_task(_watch_waits(plait, ids))
    try:
        while waiting:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            done, _ = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            for future in done:
                del waiting[future]
                outcome = future.result()
                code = max(code, await _report_outcome(plait, outcome, output))
        return code, list(waiting.values())
    finally:
        watching.cancel()
        for future in waiting:
            future.cancel()


async def _watch_waits(plait: Plait, ids: Sequence[str]) -> None:
    """Say why runs wait when nobody takes their tasks: of the first that wait, and more and more rarely looked at."""
    runs = {run_id: WaitNotice(partial(_say_of, run_id)) for run_id in ids[:WATCHED_RUNS]}
    pause = PATIENCE_SECONDS
    with suppress(PlaitError):  # what it waits for will tell, if that is so
        while runs:
            for run_id, notice in [*runs.items()]:
                details = await plait.runs.aio_get_details(run_id)
                notice.judge(details)
                if notice.said or details.finished_at is not None:
                    del runs[run_id]
            await asyncio.sleep(pause)
            pause = min(60.0, pause * 1.5)


def _say_of(run_id: str, text: str) -> None:
    click.echo(f"run {run_id}: {clean_line(text)}", err=True)


async def _report_outcome(plait: Plait, outcome: RunOutcome, output: str) -> int:
    completed = outcome.status.name == "COMPLETED"
    result = collect_outputs(outcome) if completed else None
    if output != "table":
        print_data(describe_run(await plait.runs.aio_get_details(str(outcome.run_id)), result), output, line=True)
    elif completed:
        click.echo(to_json(result))
    else:
        failed = [task.error for task in outcome.tasks if task.status.name == "FAILED" and task.error is not None]
        detail = "\n".join(error.trace.rstrip() or str(error) for error in failed[:5])
        what = f"run {outcome.run_id} of workflow {outcome.workflow_name!r} ended {outcome.status.name}"
        say_error(what, hint=f"plait runs show {outcome.run_id}", detail=detail)
    return 0 if completed else EXIT_RUN_FAILED


@command(
    "tail",
    ("follow a run", "plait runs tail RUN_ID"),
    (
        "the same for a program: a line of JSON for each change",
        "plait runs tail RUN_ID --json",
    ),
)
@click.argument("run_id", shell_complete=complete_runs)
@click.option("--timeout", type=DurationType(), help="Stop following after this time (exit code 124); the run goes on.")
@output_option()
@common_options
def tail_run(run_id: str, timeout: float | None, output: str) -> int:
    """Follow a run until it has ended: a line for every change of a task, from its beginning on.

    Exit codes: 0 completed, 1 failed or cancelled, 4 not found, 124 timeout.
    """
    with open_plait() as plait:
        plait.runs.get(run_id)
        lines = ChangeLines(run_id, output)
        outcome = asyncio.run(follow_run(plait, run_id, lines, timeout=timeout))
        if outcome is None:
            say_error(f"not done after {timeout:g} s; run {run_id} goes on", hint=f"plait runs tail {run_id}")
            return EXIT_TIMEOUT
        lines.end(plait.runs.get_details(run_id))
    return 0 if outcome.status.name == "COMPLETED" else EXIT_RUN_FAILED


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to a task: it was queued, began, ended an attempt, or began to wait."""

    time: datetime | None
    task: str
    attempt: int
    status: str
    span: str = ""
    error: str = ""
    reason: str = ""


class ChangeLines:
    """Prints each change of a run's tasks once, however often it is shown."""

    def __init__(self, run_id: str, output: str) -> None:
        self._run_id = run_id
        self._output = output
        self._seen: set[tuple[str, int, str, str]] = set()

    def __enter__(self) -> ChangeLines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, details: RunDetails) -> None:
        """Print what is new, in the order of time."""
        fresh = [
            change
            for task in details.tasks.values()
            for change in iter_changes(task, details.finished_at)
            if (change.task, change.attempt, change.status, change.reason) not in self._seen
        ]
        begin = details.created_at
        for change in sorted(fresh, key=lambda change: change.time or begin):  # keeps the order within a task
            self._seen.add((change.task, change.attempt, change.status, change.reason))
            self._print(change)

    def say(self, text: str) -> None:
        """Tell something that is no change."""
        click.echo(text, err=True)

    def end(self, details: RunDetails) -> None:
        """Print how the run ended."""
        self.show(details)
        span = format_span(details.created_at, details.finished_at)
        self._print(Change(details.finished_at, "", 0, details.status.value, span))

    def _print(self, change: Change) -> None:
        if self._output != "table":
            entry: dict[str, Any] = {"at": change.time, "run_id": self._run_id, "status": change.status}
            if change.task:
                entry |= {"task": change.task, "attempt": change.attempt}
            entry |= {name: text for name, text in (("error", change.error), ("reason", change.reason)) if text}
            print_data(entry, self._output, line=True)
            return
        clock = (
            "" if change.time is None else f"{change.time.astimezone():%H:%M:%S}.{change.time.microsecond // 1000:03d}"
        )
        word = f"{change.status:<9}"
        if change.status in COLOURS:
            word = style(word, COLOURS[change.status], sys.stdout)
        attempt = f"attempt {change.attempt}" if change.attempt > 1 else ""
        notes = (change.task or f"run {self._run_id}", attempt, change.span, change.error or change.reason)
        click.echo(f"{clock:<12}  {word}  {'  '.join(clean_line(note) for note in notes if note)}".rstrip())


def iter_changes(task: TaskDetails, run_finished_at: datetime | None) -> Iterator[Change]:
    """What is known to have happened to a task, from its attempts and the room it is in."""
    for number, attempt in enumerate(task.attempts, 1):
        yield from _iter_steps(task.name, number, attempt)
        error = "" if attempt.error is None else str(attempt.error)
        span = format_span(attempt.started_at, attempt.finished_at)
        yield Change(attempt.finished_at, task.name, number, attempt.outcome, span, error, attempt.reason or "")
    number = len(task.attempts) + 1
    if task.status in (TaskStatus.QUEUED, TaskStatus.RUNNING):
        yield from _iter_steps(task.name, number, task)
    elif task.status is TaskStatus.PENDING and (task.due_at or task.waits_for):
        why = " or ".join(task.waits_for) or "until the next attempt"
        yield Change(None, task.name, number, "WAITING", reason=f"waits for {why}" if task.waits_for else why)
    elif task.status is TaskStatus.CANCELLED and not task.attempts:
        yield Change(run_finished_at, task.name, number, "CANCELLED", reason=task.reason or "")


def _iter_steps(name: str, number: int, timed: TaskDetails | AttemptDetails) -> Iterator[Change]:
    if timed.queued_at is not None:
        yield Change(timed.queued_at, name, number, "QUEUED")
    if timed.started_at is not None:
        yield Change(timed.started_at, name, number, "RUNNING")
