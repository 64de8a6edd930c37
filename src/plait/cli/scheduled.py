"""``plait scheduled``: start runs at a given time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from plait.cli.arguments import TEXT, confirm, looking_for, read_payload
from plait.cli.completing import complete_scheduled, complete_workflows
from plait.cli.database import open_plait
from plait.cli.failures import say_hint
from plait.cli.help import command
from plait.cli.options import common_options, output_option, parse_pairs
from plait.cli.output import paged, print_data, print_result
from plait.cli.text import format_table, format_time
from plait.errors import PlaitError
from plait.features.shapes import to_plain

if TYPE_CHECKING:  # generic, in recent versions of click
    from plait import Plait
    from plait.features.scheduled import ScheduledRun

    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType


class LaterType(_ParamType):
    """A moment to come: in how long (``2h``), or an ISO date or time (local unless it names a zone)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone() if moment.tzinfo is None else moment
        except ValueError:
            pass
        from plait.types import parse_duration  # noqa: PLC0415 - brings pydantic, which help does without

        try:
            delay = timedelta(seconds=parse_duration(value.removeprefix("+"), where="time"))
            _ = datetime.now(UTC) + delay  # there is such a date
            return delay
        except (PlaitError, OverflowError):
            self.fail(
                f"{value!r} is not a time: write in how long (90s, 2h, 3d) or when (2026-01-31T08:00)", param, ctx
            )


def _find_moment(plait: Plait, time: datetime | timedelta) -> datetime:
    """A moment. What was said as "in two hours" counts from now by the clock of the database, which starts the run."""
    from plait.client import get_access  # noqa: PLC0415 - see open_plait

    if isinstance(time, datetime):
        return time
    access = get_access(plait)
    engine = access.portal.call(access.open_engine())
    return access.portal.call(engine.store.retention.read_moment(-time))


@command(
    "list",
    ("what waits for its time", "plait scheduled list"),
)
@click.option(
    "--workflow", metavar="NAME", type=TEXT, help="Only runs of this workflow.", shell_complete=complete_workflows
)
@click.option("--status", type=click.Choice(["SCHEDULED", "STARTED"], case_sensitive=False), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--before", metavar="SCHEDULED_ID", help="Show those after this one: the next page.")
@output_option()
@paged
@common_options
def list_scheduled(workflow: str | None, status: str | None, limit: int, before: str | None, output: str) -> None:
    """List scheduled runs, the latest time first."""
    with open_plait() as plait, looking_for("plait scheduled list"):
        statuses = [status.upper()] if status else None
        found = plait.scheduled.list(workflow_name=workflow, statuses=statuses, limit=limit, before=before)
    if output != "table":
        print_data(to_plain(found), output)
        return
    if not found:
        click.echo("no scheduled runs")
        return
    head = ("SCHEDULED RUN", "WORKFLOW", "AT", "STATUS", "RUN")
    click.echo(format_table(head, [_list_cells(one) for one in found]))
    if found.next is not None:
        say_hint(f"--before {found.next} for more")


@command(
    "create",
    ("in two hours", "plait scheduled create Report 2h team=sales"),
    ("at a time", "plait scheduled create Report 2026-12-24T18:00 @input.json"),
)
@click.argument("workflow", type=TEXT, shell_complete=complete_workflows)
@click.argument("run_at", metavar="TIME", type=LaterType())
@click.argument("input", metavar="[JSON|@FILE|-|FIELD=VALUE]...", nargs=-1)
@click.option("--priority", type=click.IntRange(1, 3), help="Priority: 1 (low) to 3 (high).")
@click.option("--metadata", metavar="KEY=VALUE", multiple=True, help="Metadata of the run; may be repeated.")
@output_option()
@common_options
def create_scheduled(
    workflow: str,
    run_at: datetime | timedelta,
    input: Sequence[str],
    priority: int | None,
    metadata: Sequence[str],
    output: str,
) -> None:
    """Start a run of WORKFLOW at TIME: in how long (90s, 2h) or when (2026-01-31T08:00, local time).

    Prints the id of the scheduled run.
    """
    value = read_payload(input, "input")
    extra = parse_pairs(metadata, "--metadata")
    with open_plait() as plait, looking_for("plait workflows list"):
        made = plait.scheduled.create(workflow, _find_moment(plait, run_at), value, extra or None, priority)
    print_result(to_plain(made), output, made.id)
    say_hint(f"plait scheduled update {made.id} TIME to move it")


@command(
    "update",
    ("tomorrow instead", "plait scheduled update SCHEDULED_ID 1d"),
)
@click.argument("scheduled_id", shell_complete=complete_scheduled)
@click.argument("run_at", metavar="TIME", type=LaterType())
@output_option()
@common_options
def update_scheduled(scheduled_id: str, run_at: datetime | timedelta, output: str) -> None:
    """Move a scheduled run to another time."""
    with open_plait() as plait, looking_for("plait scheduled list"):
        moved = plait.scheduled.update(scheduled_id, _find_moment(plait, run_at))
    text = f"{moved.id} starts at {format_time(moved.run_at)}"
    print_result(to_plain(moved), output, text)


@command(
    "delete",
    ("without being asked", "plait scheduled delete SCHEDULED_ID --yes"),
)
@click.argument("scheduled_ids", metavar="SCHEDULED_ID...", nargs=-1, required=True, shell_complete=complete_scheduled)
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@output_option()
@common_options
def delete_scheduled(scheduled_ids: Sequence[str], yes: bool, output: str) -> None:
    """Delete scheduled runs that have not started."""
    confirm(f"delete {len(scheduled_ids)} scheduled run{'s'[: len(scheduled_ids) > 1]}?", yes=yes)
    with open_plait() as plait, looking_for("plait scheduled list"):
        for scheduled_id in scheduled_ids:
            plait.scheduled.delete(scheduled_id)
            print_result({"deleted": scheduled_id}, output, f"deleted {scheduled_id}", line=True)


def _list_cells(one: ScheduledRun) -> tuple[str, ...]:
    return one.id, one.workflow, format_time(one.run_at), one.status.value, one.run_id or ""
