"""``plait crons``: start runs on a timetable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from plait.cli.arguments import TEXT, confirm, looking_for, read_payload
from plait.cli.completing import complete_crons, complete_workflows
from plait.cli.database import open_plait
from plait.cli.failures import say_hint
from plait.cli.help import command
from plait.cli.options import DurationType, common_options, output_option, parse_pairs
from plait.cli.output import paged, print_data, print_result, print_text
from plait.cli.text import clean, format_seconds, format_table, format_time, to_json
from plait.features.shapes import to_plain

if TYPE_CHECKING:
    from plait.features.cron import CronDetails


@command(
    "list",
    ("the crons of a workflow", "plait crons list --workflow Nightly"),
)
@click.option("--workflow", metavar="NAME", type=TEXT, help="Only of this workflow.", shell_complete=complete_workflows)
@click.option("--name", type=TEXT, help="Only those with this name.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--after", metavar="CRON_ID", help="Show the crons after this one: the next page.")
@output_option()
@paged
@common_options
def list_crons(workflow: str | None, name: str | None, limit: int, after: str | None, output: str) -> None:
    """List crons by workflow and name, those that were declared with a workflow included."""
    with open_plait() as plait, looking_for("plait crons list"):
        found = plait.cron.list(workflow_name=workflow, cron_name=name, limit=limit, after=after)
    if output != "table":
        print_data(to_plain(found), output)
        return
    if not found:
        click.echo("no crons")
        return
    head = ("CRON", "WORKFLOW", "NAME", "EXPRESSION", "ZONE", "NEXT", "LAST", "MADE")
    print_text(format_table(head, [_list_cells(cron) for cron in found]))
    if found.next is not None:
        say_hint(f"--after {found.next} for more")


@command(
    "show",
    ("when a cron fires next", "plait crons show CRON_ID"),
)
@click.argument("cron_id", shell_complete=complete_crons)
@output_option()
@common_options
def show_cron(cron_id: str, output: str) -> None:
    """Show one cron: its timetable in words, and the next fire times."""
    with open_plait() as plait, looking_for("plait crons list"):
        cron = plait.cron.get(cron_id)
    if output != "table":
        print_data(to_plain(cron), output)
    else:
        click.echo(_render(cron))


@command(
    "create",
    (
        "every working day at nine, in Berlin",
        "plait crons create Report morning '0 9 * * MON-FRI' --timezone Europe/Berlin",
    ),
)
@click.argument("workflow", type=TEXT, shell_complete=complete_workflows)
@click.argument("name", type=TEXT)
@click.argument("expression", type=TEXT)
@click.argument("input", metavar="[JSON|@FILE|-|FIELD=VALUE]...", nargs=-1)
@click.option("--timezone", default="UTC", show_default=True, metavar="ZONE", help="Time zone, e.g. Europe/Berlin.")
@click.option(
    "--catch-up",
    type=click.Choice(["none", "latest", "all"]),
    default="latest",
    show_default=True,
    help="Which fire times, missed by more than a minute, get a run.",
)
@click.option(
    "--catch-up-bound",
    type=DurationType(),
    default=86_400.0,
    help="With --catch-up all: oldest fire time that still gets a run. [1d]",
)
@click.option("--priority", type=click.IntRange(1, 3), help="Priority of its runs: 1 (low) to 3 (high).")
@click.option("--metadata", metavar="KEY=VALUE", multiple=True, help="Metadata of its runs; may be repeated.")
@output_option()
@common_options
def create_cron(
    workflow: str,
    name: str,
    expression: str,
    input: Sequence[str],
    timezone: str,
    catch_up: Any,
    catch_up_bound: float,
    priority: int | None,
    metadata: Sequence[str],
    output: str,
) -> None:
    """Start runs of WORKFLOW on a timetable, e.g. '0 9 * * MON-FRI' or @daily. Prints the id of the cron.

    EXPRESSION has 5 fields (minute hour day-of-month month day-of-week), or 6 with the second in front.
    """
    value = read_payload(input, "input")
    extra = parse_pairs(metadata, "--metadata")
    with open_plait() as plait, looking_for("plait workflows list"):
        made = plait.cron.create(
            workflow,
            name,
            expression,
            value,
            extra or None,
            priority,
            timezone=timezone,
            catch_up=catch_up,
            catch_up_bound=timedelta(seconds=catch_up_bound),
        )
    print_result(to_plain(made), output, made.id)
    say_hint(f"plait crons show {made.id} for its next fire times")


@command(
    "pause",
    ("stop a cron until you unpause it", "plait crons pause CRON_ID"),
)
@click.argument("cron_ids", metavar="CRON_ID...", nargs=-1, required=True, shell_complete=complete_crons)
@output_option()
@common_options
def pause_crons(cron_ids: Sequence[str], output: str) -> None:
    """Stop crons until they are unpaused."""
    with open_plait() as plait, looking_for("plait crons list"):
        for cron_id in cron_ids:
            cron = plait.cron.pause(cron_id)
            print_result(to_plain(cron), output, f"paused {cron_id}", line=True)


@command(
    "unpause",
    ("let it go on", "plait crons unpause CRON_ID"),
)
@click.argument("cron_ids", metavar="CRON_ID...", nargs=-1, required=True, shell_complete=complete_crons)
@output_option()
@common_options
def unpause_crons(cron_ids: Sequence[str], output: str) -> None:
    """Start paused crons again, from their next fire time."""
    with open_plait() as plait, looking_for("plait crons list"):
        for cron_id in cron_ids:
            cron = plait.cron.unpause(cron_id)
            text = f"unpaused {cron_id}; next at {format_time(cron.next_at)}"
            print_result(to_plain(cron), output, text, line=True)


@command(
    "run",
    ("do not wait for the next fire time", "plait crons run CRON_ID"),
)
@click.argument("cron_id", shell_complete=complete_crons)
@output_option()
@common_options
def run_cron(cron_id: str, output: str) -> None:
    """Start a run of a cron now, paused or not. Prints the id of the run."""
    with open_plait() as plait, looking_for("plait crons list"):
        run_id = plait.cron.run_now(cron_id).workflow_run_id
    print_result({"id": run_id}, output, run_id)
    say_hint(f"plait runs show {run_id}")


@command(
    "delete",
    ("a cron that was made here", "plait crons delete CRON_ID --yes"),
)
@click.argument("cron_ids", metavar="CRON_ID...", nargs=-1, required=True, shell_complete=complete_crons)
@click.option(
    "--force", is_flag=True, help="Delete it even if code declares it; a worker with that code makes it again."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@output_option()
@common_options
def delete_crons(cron_ids: Sequence[str], force: bool, yes: bool, output: str) -> None:
    """Delete crons."""
    confirm(f"delete {len(cron_ids)} cron{'s'[: len(cron_ids) > 1]}?", yes=yes)
    with open_plait() as plait, looking_for("plait crons list"):
        for cron_id in cron_ids:
            plait.cron.delete(cron_id, force=force)
            print_result({"deleted": cron_id}, output, f"deleted {cron_id}", line=True)


def _list_cells(cron: CronDetails) -> tuple[str, ...]:
    following = "paused" if cron.paused else format_time(cron.next_at) or "never"
    made = "in code" if cron.declared else "here"
    last = format_time(cron.last_at)
    return cron.id, cron.workflow, cron.name, cron.expression, cron.timezone, following, last, made


def _render(cron: CronDetails) -> str:
    fires = () if cron.paused else cron.next_times
    catch_up = f"up to {format_seconds(cron.catch_up_bound.total_seconds())} old" if cron.catch_up == "all" else ""
    facts = {
        "workflow": cron.workflow,
        "name": cron.name,
        "made": "in code" if cron.declared else f"here, {format_time(cron.created_at)}",
        "timetable": f"{cron.expression} in {cron.timezone}",
        "in words": cron.explanation,
        "missed times": f"{cron.catch_up} {catch_up}".strip(),
        "input": to_json(cron.input),
        "metadata": to_json(cron.metadata) if cron.metadata else "",
        "priority": str(cron.priority),
        "last": format_time(cron.last_at),
        "paused": "yes" if cron.paused else "",
        "next": "\n              ".join(f"{fire:%a %Y-%m-%d %H:%M:%S %Z}" for fire in fires),
    }
    return "\n".join(f"{name:<14}{clean(value)}" for name, value in facts.items() if value)
