"""``plait serve``: the dashboard and its API."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plait.cli.completing import complete_target
from plait.cli.failures import CommandError, say_hint
from plait.cli.help import command
from plait.cli.links import noted_server
from plait.cli.logs import set_up_logging
from plait.cli.options import common_options, get_database_url, setting_option
from plait.cli.text import clean, style
from plait.settings import Settings

if TYPE_CHECKING:
    from plait.client import Plait


@command(
    None,
    ("on this machine", "plait serve --open"),
    (
        "for others: make an account, then listen to all",
        "plait serve --new-account user:anna:write >> accounts\nplait serve --host 0.0.0.0 --accounts accounts",
    ),
)
@click.argument("target", required=False, shell_complete=complete_target)
@setting_option(
    "--host", setting=Settings.server_host, help="Address to listen on; any but this machine's own needs --accounts."
)
@setting_option("--port", setting=Settings.server_port, help="The port to listen on; 0 takes any free one.")
@setting_option("--accounts", setting=Settings.accounts, help="A file of who may sign in.")
@setting_option(
    "--allow-host", setting=Settings.allowed_hosts, help="A host name that the dashboard answers to; may be repeated."
)
@click.option("--open", "open_page", is_flag=True, help="Open it in a browser.")
@click.option("--new-account", metavar="KIND:NAME:ROLE", help="Print a line for --accounts and stop: user:anna:write.")
@setting_option("--log-level", setting=Settings.log_level)
@setting_option("--log-format", setting=Settings.log_format)
@common_options
def serve(
    target: str | None,
    host: str,
    port: int,
    accounts: Path | None,
    allow_host: Sequence[str],
    open_page: bool,
    new_account: str | None,
    log_level: str,
    log_format: str,
) -> None:
    """Serve the dashboard, its API and /metrics until SIGTERM or Ctrl-C.

    With TARGET, a module or file with workflows, inputs of runs that are started in the dashboard are validated by its
    code. Another address than loopback needs accounts: --accounts FILE, or PLAIT_SERVER_TOKEN,
    PLAIT_SERVER_READ_TOKEN or PLAIT_SERVER_PASSWORD in the environment. Tasks are run by plait worker, not by this.
    """
    if new_account is not None:
        _print_account(new_account)
        return
    set_up_logging(log_level, log_format)
    from plait.server import serve as runner  # noqa: PLC0415 - only when there is something to serve
    from plait.server.accounts import read_accounts  # noqa: PLC0415

    known = read_accounts(_read_secrets(), accounts)
    runner.check_exposure(host, known)
    listener = runner.bind(host, port)
    url = runner.describe_url(listener)
    with _open_target(target) as plait, noted_server(url):
        click.echo(f"{style('dashboard', 'cyan', sys.stderr)} {url}", err=True)
        if open_page:
            click.launch(url)
        runner.serve(plait, listener, accounts=known, allowed_hosts=list(allow_host) or None)


def _read_secrets() -> dict[str, str]:
    """What the settings hold of accounts, by the names of their variables."""
    own = (Settings.server_token, Settings.server_read_token, Settings.server_password, Settings.server_user)
    return {one.variables[0]: value for one in own if (value := one.read())}


@contextmanager
def _open_target(target: str | None) -> Iterator[Plait]:
    if target is None:
        from plait.cli.database import open_plait  # noqa: PLC0415 - without a target only

        with open_plait() as plait:
            yield plait
        return
    from plait.cli.target import load_target  # noqa: PLC0415 - with a target only

    plait = load_target(target, get_database_url()).plait
    try:
        yield plait
    finally:
        plait.close()


def _print_account(text: str) -> None:
    """Ask for a secret and print its line for the file of accounts. The secret is shown nowhere."""
    from plait.server.accounts import SHORTEST_SECRET, Role, check_name, hash_secret  # noqa: PLC0415 - see above

    kind, _, rest = text.partition(":")
    name, _, role = rest.rpartition(":")
    if kind not in ("user", "token") or role not in set(Role):
        raise CommandError(
            f"{text!r} is not an account", hint="--new-account user:anna:write, or token:prometheus:read"
        )
    check_name(name)
    what = "password" if kind == "user" else "token"
    secret = click.prompt(f"{what} of {clean(name)}", hide_input=True, confirmation_prompt=sys.stdin.isatty(), err=True)
    if len(secret) < SHORTEST_SECRET:
        raise CommandError(f"a {what} has at least {SHORTEST_SECRET} characters")
    click.echo(f"{kind} {name} {role} {hash_secret(secret)}")
    say_hint("add that line to a file, then start plait serve --accounts FILE")
