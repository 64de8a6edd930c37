"""``plait doctor``: checks everything Plait needs and says how to fix what is wrong."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from plait.cli.checks import place
from plait.cli.checks.finding import Finding
from plait.cli.database import find_source
from plait.cli.help import command
from plait.cli.options import common_options, output_option
from plait.cli.output import print_data
from plait.cli.text import can_show, clean, format_seconds, style
from plait.errors import EmbeddedPostgresError, PlaitError, SettingError
from plait.store import schema
from plait.store.connection import connect
from plait.store.store import Store
from plait.store.urls import hide_password, normalise_url

if TYPE_CHECKING:
    from plait.settings import DatabaseSource


@command(
    None,
    ("look at everything", "plait doctor"),
    ("in a script: exit code 1 when something is wrong", "plait doctor --json"),
)
@output_option()
@common_options
def doctor(output: str) -> int:
    """Check the set-up and say how to fix it. Exit code 1 when something is wrong.

    It checks Python, the settings, the connection to the database, the server (version, durability, vacuum,
    connections, long transactions, notifications), the schema, workers (late, idle, other clocks), tasks that wait and
    that nobody can run, tasks that may have ended their workers, expressions that were switched off, retention and the
    size of the tables. A note (–) is worth knowing but is not an error.
    """
    findings = examine()
    healthy = all(finding.ok is not False for finding in findings)
    if output != "table":
        print_data({"ok": healthy, "checks": [asdict(finding) for finding in findings]}, output)
    else:
        for finding in findings:
            _print(finding)
    return 0 if healthy else 1


def examine() -> list[Finding]:
    """Every check there is; those that need the database only once it can be reached."""
    findings = [*place.examine_python(), *place.examine_settings()]
    try:
        source = find_source()
    except SettingError:  # it has been told
        return findings
    shown = hide_password(source.url) if source.url is not None else "embedded PostgreSQL"
    findings.append(Finding("database", True, f"{shown}, by {_name_origin(source.origin)}"))
    try:
        return [*findings, *_examine_source(source)]
    except PlaitError as error:
        # normalise_url: the URL itself is wrong
        return [*findings, Finding("connection", False, str(error), f"correct {_name_origin(source.origin)}")]


def _name_origin(origin: str) -> str:
    return "default: no PLAIT_DATABASE_URL, no DATABASE_URL" if origin.startswith("embedded") else origin


def _examine_source(source: DatabaseSource) -> Iterator[Finding]:
    if source.url is not None:
        yield from asyncio.run(_examine_database(normalise_url(source.url), source.origin))
    else:
        yield from _examine_embedded()


def _examine_embedded() -> Iterator[Finding]:
    from plait.embedded import get_status, start_embedded  # noqa: PLC0415 - not there on every platform

    binaries = place.examine_binaries()
    yield binaries
    if not binaries.ok:
        return
    before = get_status()
    yield place.judge_embedded(before)
    try:
        with start_embedded() as embedded:
            yield place.examine_disk(embedded.data_dir)
            yield from asyncio.run(_examine_database(embedded.dsn, "embedded PostgreSQL"))
    except EmbeddedPostgresError as error:
        log = f"read {before.log_file}" if before.log_file else "set PLAIT_DATABASE_URL to another PostgreSQL"
        yield Finding("connection", False, str(error), log)


async def _examine_database(url: str, origin: str) -> list[Finding]:
    from plait.cli.checks.server import examine_server  # noqa: PLC0415 - only where there is one
    from plait.cli.checks.work import examine_work, judge_schema  # noqa: PLC0415

    begun = time.perf_counter()
    try:
        connection = await connect(url)
    except PlaitError as error:
        return [Finding("connection", False, str(error), _choose_way(origin))]
    findings = [Finding("connection", True, f"answers in {format_seconds(time.perf_counter() - begun)}")]
    try:
        found = await schema.read_version(connection)
    finally:
        await connection.close()
    store = Store(url)
    try:
        findings += await examine_server(store, url)
        findings.append(judge_schema(found))
        if found == schema.latest_version():
            findings += await examine_work(store, url)
    finally:
        with suppress(PlaitError):
            await store.close()
    return findings


def _choose_way(origin: str) -> str:
    return f"start that server, or correct {_name_origin(origin)}; `psql` with the same URL must connect"


def _print(finding: Finding) -> None:
    symbols = {True: ("✓", "ok", "green"), False: ("✗", "wrong", "red"), None: ("–", "note", "yellow")}
    symbol, word, colour = symbols[finding.ok]
    if not can_show(symbol, sys.stdout):
        symbol = {"✓": "+", "✗": "x", "–": "-"}[symbol]
    mark = style(f"{symbol} {word:<5}", colour, sys.stdout)
    click.echo(f"{mark}  {finding.check:<14}  {clean(finding.says)}")
    if finding.ok is not True and finding.fix:
        click.echo(f"{'':<7}  {'':<14}  try: {clean(finding.fix)}")
