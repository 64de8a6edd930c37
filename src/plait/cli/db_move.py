"""``plait db move``: from the embedded database to one of your own, with all data."""

from __future__ import annotations

import asyncio

import click

from plait.cli.arguments import confirm
from plait.cli.database import open_database
from plait.cli.failures import EXIT_USAGE, CommandError, say_hint
from plait.cli.help import command
from plait.cli.options import common_options, output_option
from plait.cli.output import print_result
from plait.store.move import Moved, MoveRefusedError, move
from plait.store.urls import hide_password, normalise_url


@command(
    "move",
    ("from the embedded PostgreSQL to a server", "plait db move --to postgresql://app@db.example/app"),
)
@click.option(
    "--to", "target", metavar="URL", required=True, help="The database to move to; it may hold other schemas."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@output_option()
@common_options
def move_database(target: str, yes: bool, output: str) -> None:
    """Move all data into another database: workflows, runs, outputs, logs, events, crons, and waiting tasks.

    Stop the workers first. During the move nobody can write to this database, so no data is lost. Afterwards the old
    data stays here as a copy in the schema plait_moved, and programs that still connect here get an error that names
    the new database.
    """
    target = normalise_url(target)
    with open_database() as database:
        confirm(f"move everything from {hide_password(database.url)} to {hide_password(target)}?", yes=yes)
        try:
            moved = asyncio.run(move(database.url, target, lambda table: click.echo(f"{table} …", err=True)))
        except MoveRefusedError as error:
            raise CommandError(str(error), code=EXIT_USAGE) from None
    print_result({"target": moved.target, "rows": moved.rows}, output, _describe(moved))
    say_hint(f"export DATABASE_URL={moved.target}   (add the password), then start the workers with it")


def _describe(moved: Moved) -> str:
    rows = moved.rows
    return f"moved {sum(rows.values())} rows, including {rows.get('run', 0)} runs, to {moved.target}"
