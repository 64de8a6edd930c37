"""``plait events``: push events, and see what they did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from plait.cli.arguments import TEXT, looking_for, read_payload
from plait.cli.completing import complete_events
from plait.cli.database import open_plait
from plait.cli.failures import say_hint
from plait.cli.help import command
from plait.cli.options import MomentType, common_options, output_option, parse_pairs
from plait.cli.output import paged, print_data, print_result, print_text
from plait.cli.runs import format_runs
from plait.cli.text import clean, format_table, format_time, to_json
from plait.features.shapes import to_plain

if TYPE_CHECKING:
    from plait.features.event import Event

_SHOWN_PAYLOAD = 60


@command(
    "push",
    ("an event with a payload", "plait events push order:created order_id=17 total=9.90"),
    ("its payload from another program", "echo '{\"order_id\": 17}' | plait events push order:created -"),
)
@click.argument("key", type=TEXT)
@click.argument("payload", metavar="[JSON|@FILE|-|FIELD=VALUE]...", nargs=-1)
@click.option("--scope", type=TEXT, help="Scope of the event: selects filters and conditions with the same scope.")
@click.option("--priority", type=click.IntRange(1, 3), help="Priority of the runs it starts: 1 (low) to 3 (high).")
@click.option("--metadata", metavar="KEY=VALUE", multiple=True, help="Metadata of the event and of the runs it starts.")
@output_option()
@common_options
def push_event(
    key: str, payload: Sequence[str], scope: str | None, priority: int | None, metadata: Sequence[str], output: str
) -> None:
    """Push an event: it starts the workflows whose on_events match KEY, and releases tasks that wait for it.

    The payload is a JSON object: the input of those runs. Prints the id of the event.
    """
    value = read_payload(payload, "payload")
    extra = parse_pairs(metadata, "--metadata")
    with open_plait() as plait:
        event = plait.event.push(key, value, additional_metadata=extra or None, priority=priority, scope=scope)
    print_result(to_plain(event), output, event.id)
    say_hint(f"plait events show {event.id} for the runs it starts")


@command(
    "list",
    ("the last hour's events of a kind", "plait events list --key order:created --since 1h"),
)
@click.option("--key", type=TEXT, multiple=True, help="Only these; may be repeated.")
@click.option("--scope", type=TEXT, multiple=True, help="Only these; may be repeated.")
@click.option("--since", type=MomentType(), help="Only events pushed after this: how long ago (2h), or a time.")
@click.option("--until", type=MomentType(), help="Only events pushed before this.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--before", metavar="EVENT_ID", help="Show the events before this one: the next page.")
@output_option()
@paged
@common_options
def list_events(
    key: Sequence[str],
    scope: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    limit: int,
    before: str | None,
    output: str,
) -> None:
    """List events, newest first."""
    with open_plait() as plait:
        found = plait.event.list(
            keys=key or None, scopes=scope or None, since=since, until=until, limit=limit, before=before
        )
    if output != "table":
        print_data(to_plain(found), output)
        return
    if not found:
        click.echo("no events" if found.next is None else "no matching events found so far")
        say_hint("plait events push KEY field=value" if not (key or scope or since or until or before) else None)
    else:
        rows = [_list_cells(event) for event in found]
        print_text(format_table(("EVENT", "KEY", "SCOPE", "PUSHED", "PAYLOAD"), rows))
    if found.next is not None:
        say_hint(f"--before {found.next} for older ones")


@command(
    "show",
    ("an event and the runs it started", "plait events show EVENT_ID"),
)
@click.argument("event_id", shell_complete=complete_events)
@output_option()
@common_options
def show_event(event_id: str, output: str) -> None:
    """Show one event: its payload, and the runs it started."""
    with open_plait() as plait, looking_for("plait events list"):
        event = plait.event.get(event_id)
    if output != "table":
        print_data(to_plain(event), output)
        return
    scope = "" if event.scope is None else f"  scope {clean(event.scope)}"
    click.echo(f"{clean(event.key)}  {event.id}  {format_time(event.created_at)}{scope}")
    click.echo(f"payload {clean(to_json(event.payload, indent=2))}")
    if event.metadata:
        click.echo(f"metadata {clean(to_json(event.metadata))}")
    if not event.delivered:
        click.echo("not delivered yet")
        say_hint("events are delivered by workers, within milliseconds; check that one runs: plait workers list")
    elif not event.runs:
        click.echo("started no run")
    else:
        click.echo(f"\n{format_runs(event.runs)}")
    if event.runs.next is not None:
        click.echo(f"only the last {len(event.runs)} runs are shown; there may be more")


def _list_cells(event: Event) -> tuple[str, ...]:
    payload = to_json(event.payload)
    shown = payload if len(payload) <= _SHOWN_PAYLOAD else f"{payload[: _SHOWN_PAYLOAD - 1]}…"
    return event.id, event.key, event.scope or "", format_time(event.created_at), shown
