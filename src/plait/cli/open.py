"""``plait open``: a run in the dashboard."""

from __future__ import annotations

import sys
from uuid import UUID

import click

from plait.cli.completing import complete_runs
from plait.cli.failures import EXIT_NOT_FOUND, CommandError
from plait.cli.help import command
from plait.cli.links import find_server
from plait.cli.options import common_options


@command(
    "open",
    ("the list of runs", "plait open"),
    ("the address of a run", "plait open RUN_ID --print"),
)
@click.argument("run_id", required=False, shell_complete=complete_runs)
@click.option("--print", "only_print", is_flag=True, help="Print the address; do not open a browser.")
@common_options
def open_run(run_id: str | None, only_print: bool) -> None:
    """Open a run, or the list of runs, in the dashboard.

    The dashboard must run in this project, as a part of plait dev or by plait serve; PLAIT_DASHBOARD_URL names another.
    """
    server = find_server()
    if server is None:
        raise CommandError(
            "no dashboard is running for this project",
            code=EXIT_NOT_FOUND,
            hint="start plait dev TARGET or plait serve, or set PLAIT_DASHBOARD_URL to the URL of another dashboard",
        )
    url = f"{server}runs"
    if run_id is not None:
        try:
            url = f"{url}/{UUID(run_id)}"
        except ValueError:
            raise CommandError(f"{run_id!r} is not a run id", hint="plait runs list") from None
    click.echo(url)
    if not only_print and sys.stdout.isatty():
        click.launch(url)
