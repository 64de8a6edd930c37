"""``plait workers``: the processes that run tasks."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from plait.cli.arguments import looking_for
from plait.cli.completing import complete_workers
from plait.cli.database import open_plait
from plait.cli.failures import say_hint
from plait.cli.help import command
from plait.cli.options import common_options, output_option
from plait.cli.output import paged, print_data, print_text
from plait.cli.text import clean_line, format_seconds, format_span, format_table, format_time, style, to_json
from plait.features.shapes import to_plain

if TYPE_CHECKING:
    from plait.features.workers import WorkerSummary

_COLOURS = {"ACTIVE": "green", "LATE": "red", "ENDED": "yellow"}


@command(
    "list",
    ("running workers, and those that ended lately", "plait workers list --ended"),
)
@click.option("--ended", is_flag=True, help="Also show those that ended recently.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@output_option()
@paged
@common_options
def list_workers(ended: bool, limit: int, output: str) -> None:
    """List running workers and those that stopped sending heartbeats, last started first."""
    with open_plait() as plait:
        found = plait.workers.list(ended=ended, limit=limit)
    if output != "table":
        print_data(to_plain(found), output)
        return
    if not found:
        click.echo("no workers")
        say_hint("plait worker TARGET")
        return
    head = ("WORKER", "NAME", "STATUS", "PLACE", "SLOTS", "HEARTBEAT", "STARTED", "SERVES")
    table = format_table(head, [_list_cells(worker) for worker in found])
    for word, colour in _COLOURS.items():
        table = table.replace(f"  {word} ", f"  {style(word, colour, sys.stdout)} ")
    print_text(table)


@command(
    "show",
    ("what a worker runs now", "plait workers show WORKER_ID"),
)
@click.argument("worker_id", shell_complete=complete_workers)
@output_option()
@common_options
def show_worker(worker_id: str, output: str) -> None:
    """Show one worker: what it serves, and what it runs now."""
    with open_plait() as plait, looking_for("plait workers list --ended"):
        details = plait.workers.get(worker_id)
    if output != "table":
        print_data(to_plain(details), output)
        return
    worker = details
    click.echo(f"{clean_line(worker.name)}  {worker.id}  {worker.status.value}")
    ended = f", ended {format_time(worker.ended_at)}" if worker.ended_at else ""
    click.echo(
        f"{_place(worker)}, Plait {clean_line(worker.plait_version)}, since {format_time(worker.started_at)}{ended}"
    )
    click.echo(f"slots {worker.slots_in_use} of {worker.slots} in use")
    if worker.labels:
        click.echo(f"labels {clean_line(to_json(worker.labels))}")
    for workflow, tasks in worker.serves.items():
        click.echo(f"serves {clean_line(workflow)}: {clean_line(', '.join(tasks))}")
    if details.running:
        now = datetime.now(UTC)
        rows = [
            (
                task.run_id,
                task.workflow,
                task.task,
                str(task.attempt),
                format_span(task.started_at, now),
            )
            for task in details.running
        ]
        click.echo("\n" + format_table(("RUN", "WORKFLOW", "TASK", "ATTEMPT", "RUNS FOR"), rows))


def _list_cells(worker: WorkerSummary) -> tuple[str, ...]:
    age = "" if worker.heartbeat_age is None or worker.ended_at else f"{format_seconds(worker.heartbeat_age)} ago"
    serves = ", ".join(worker.serves)
    slots = f"{worker.slots_in_use}/{worker.slots}"
    started = format_time(worker.started_at)
    return worker.id, worker.name, worker.status.value, _place(worker), slots, age, started, serves


def _place(worker: WorkerSummary) -> str:
    return f"{clean_line(worker.host)} pid {worker.pid}"
