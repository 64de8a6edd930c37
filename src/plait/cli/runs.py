"""``plait runs``: look at runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import click

from plait.cli.completing import complete_runs, complete_workflows
from plait.cli.database import open_plait
from plait.cli.failures import say_hint
from plait.cli.help import command
from plait.cli.links import link_run
from plait.cli.options import MomentType, common_options, output_option
from plait.cli.output import paged, print_data, print_text
from plait.cli.text import can_show, clean, format_span, format_table, format_time, style, to_json
from plait.cli.tree import COLOURS, describe_attempt, render_plain
from plait.cli.waiting import explain_wait
from plait.features.run_views import RunDetails, RunSummary
from plait.features.shapes import to_plain
from plait.types import TaskStatus, WorkflowRunStatus

STATUSES = [status.value for status in WorkflowRunStatus]


@command(
    "list",
    ("what failed since yesterday", "plait runs list --status FAILED --since 1d"),
    ("ids alone, for other programs", "plait runs list --json | jq -r '.items[].id'"),
)
@click.option(
    "--status", type=click.Choice(STATUSES, case_sensitive=False), multiple=True, help="Only these; may be repeated."
)
@click.option(
    "--workflow", metavar="NAME", multiple=True, help="Only these; may be repeated.", shell_complete=complete_workflows
)
@click.option("--since", type=MomentType(), help="Only runs started after this: how long ago (2h), or a time.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--before", metavar="RUN_ID", help="Show the runs before this one: the next page.")
@output_option()
@paged
@common_options
def list_runs(
    status: Sequence[str],
    workflow: Sequence[str],
    since: datetime | None,
    limit: int,
    before: str | None,
    output: str,
) -> None:
    """List runs, newest first."""
    with open_plait() as plait:
        found = plait.runs.list(
            since=since,
            statuses=[WorkflowRunStatus(name.upper()) for name in status] or None,
            workflow_names=workflow or None,
            limit=limit,
            before=before,
        )
    if output != "table":
        print_data(to_plain(found), output)
        return
    if not found:
        click.echo("no runs" if found.next is None else "no matching runs found so far")
        say_hint("plait run path/to/flows.py:workflow" if not (status or workflow or since or before) else None)
    else:
        print_text(format_runs(found))
    if found.next is not None:
        say_hint(f"--before {found.next} for older ones")


@command(
    "show",
    ("the tree of a run, with its input", "plait runs show RUN_ID --input"),
    ("every task's output", "plait runs show RUN_ID -o yaml"),
)
@click.argument("run_id", shell_complete=complete_runs)
@click.option("--input", "with_input", is_flag=True, help="Also show the run's input.")
@output_option()
@paged
@common_options
def show_run(run_id: str, with_input: bool, output: str) -> None:
    """Show one run: its tasks as a tree, with attempts, times and errors."""
    with open_plait() as plait:
        details = plait.runs.get_details(run_id)
        why = explain_wait(details) if output == "table" else None
    if output != "table":
        print_data(to_plain(details), output)
        return
    if with_input:
        click.echo(f"input {clean(to_json(details.input, indent=2))}")
    print_text(format_details(details))
    if why is not None:
        click.echo(clean(why), err=True)
    if link := link_run(run_id):
        click.echo(f"{style('dashboard', 'cyan', sys.stderr)} {link}", err=True)


def format_details(details: RunDetails) -> str:
    """The tree of a run, the attempts that did not end well, and the tracebacks of what failed."""
    return "\n".join(_iter_details(details))


def _iter_details(details: RunDetails) -> Iterator[str]:
    tree = render_plain(details, datetime.now(UTC), unicode=can_show("├└│✓…", sys.stdout))
    for word, colour in COLOURS.items():
        tree = tree.replace(f"  {word} ", f"  {style(word, colour, sys.stdout)} ")
    yield tree
    for task in details.tasks.values():
        ended = task.attempts if len(task.attempts) > 1 else ()
        if ended:
            yield f"\n{clean(task.name)}"
            for attempt in ended:
                yield f"  {describe_attempt(attempt)}"
        if task.status is TaskStatus.FAILED and task.error is not None and task.error.trace:
            yield f"\n{clean(task.error.trace.rstrip())}"
    if details.trigger is not None:
        yield f"\nstarted by {details.trigger.lower()} {details.trigger_id}"
    if details.metadata:
        yield f"\nmetadata {clean(to_json(details.metadata))}"


def format_runs(runs: Sequence[RunSummary]) -> str:
    """Runs as a table."""
    return format_table(("RUN", "WORKFLOW", "STATUS", "STARTED", "TOOK"), [_list_cells(run) for run in runs])


def _list_cells(run: RunSummary) -> tuple[str, ...]:
    took = format_span(run.created_at, run.finished_at)
    return run.id, run.workflow, run.status.value, format_time(run.created_at), took
