"""``plait filters``: filters of events that are made at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from plait.cli.arguments import TEXT, looking_for, read_payload
from plait.cli.completing import complete_filters, complete_workflows
from plait.cli.database import open_plait
from plait.cli.failures import say_hint
from plait.cli.help import command
from plait.cli.options import common_options, output_option
from plait.cli.output import paged, print_data, print_result, print_text
from plait.cli.text import format_table, to_json
from plait.features.shapes import to_plain

if TYPE_CHECKING:
    from plait.features.filters import Filter


@command(
    "list",
    ("the filters of a workflow", "plait filters list --workflow Refund"),
)
@click.option(
    "--workflow",
    metavar="NAME",
    type=TEXT,
    multiple=True,
    help="Only these; may be repeated.",
    shell_complete=complete_workflows,
)
@click.option("--scope", type=TEXT, multiple=True, help="Only these; may be repeated.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--after", metavar="FILTER_ID", help="Show the filters after this one: the next page.")
@output_option()
@paged
@common_options
def list_filters(workflow: Sequence[str], scope: Sequence[str], limit: int, after: str | None, output: str) -> None:
    """List filters, those that were declared with a workflow included."""
    with open_plait() as plait:
        found = plait.filters.list(workflow_names=workflow or None, scopes=scope or None, limit=limit, after=after)
    if output != "table":
        print_data(to_plain(found), output)
        return
    if not found:
        click.echo("no filters")
        return
    head = ("FILTER", "WORKFLOW", "SCOPE", "EXPRESSION", "PAYLOAD", "MADE")
    print_text(format_table(head, [_list_cells(one) for one in found]))
    if found.next is not None:
        say_hint(f"--after {found.next} for more")


@command(
    "create",
    (
        "only large orders start the workflow",
        "plait filters create Refund --scope shop --expression 'input.total > payload.least' least=100",
    ),
)
@click.argument("workflow", type=TEXT, shell_complete=complete_workflows)
@click.argument("payload", metavar="[JSON|@FILE|-|FIELD=VALUE]...", nargs=-1)
@click.option("--expression", required=True, help="CEL over input, payload and metadata, e.g. 'input.amount > 10'.")
@click.option("--scope", required=True, type=TEXT, help="Apply the filter to events with this scope.")
@output_option()
@common_options
def create_filter(workflow: str, payload: Sequence[str], expression: str, scope: str, output: str) -> None:
    """Make a filter. An event with its scope starts WORKFLOW if the filter's expression is true for that event.

    The expression can read the payload, a JSON object; the run gets it as ctx.filter_payload. Prints the filter's id.
    """
    value = read_payload(payload, "payload")
    with open_plait() as plait, looking_for("plait workflows list"):
        made = plait.filters.create(workflow, expression, scope, value)
    print_result(to_plain(made), output, made.id)


@command(
    "delete",
    ("a filter", "plait filters delete FILTER_ID"),
)
@click.argument("filter_ids", metavar="FILTER_ID...", nargs=-1, required=True, shell_complete=complete_filters)
@output_option()
@common_options
def delete_filters(filter_ids: Sequence[str], output: str) -> None:
    """Delete filters."""
    with open_plait() as plait, looking_for("plait filters list"):
        for filter_id in filter_ids:
            plait.filters.delete(filter_id)
            print_result({"deleted": filter_id}, output, f"deleted {filter_id}", line=True)


def _list_cells(one: Filter) -> tuple[str, ...]:
    payload = to_json(one.payload) if one.payload else ""
    return one.id, one.workflow, one.scope, one.expression, payload, "in code" if one.declared else "here"
