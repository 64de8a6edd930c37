"""``plait db prune``: delete what is old, now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta

import click

from plait.cli.arguments import confirm
from plait.cli.database import open_database
from plait.cli.failures import say_hint
from plait.cli.help import command
from plait.cli.options import DurationType, common_options, output_option
from plait.cli.output import print_result, showing_progress
from plait.cli.text import format_time
from plait.maintenance.pruner import Pruned, count_prunable, prune
from plait.settings import settings
from plait.store.connection import connect
from plait.store.schema import check_version
from plait.store.store import Store


@command(
    "prune",
    ("show how many runs it would delete", "plait db prune --older-than 90d --dry-run"),
    ("in a nightly job", "plait db prune --older-than 90d --yes"),
)
@click.option("--older-than", type=DurationType(), help="Since its end, 90d. [default: the setting retention]")
@click.option("--dry-run", is_flag=True, help="Count, delete nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@output_option()
@common_options
def prune_database(older_than: float | None, dry_run: bool, yes: bool, output: str) -> None:
    """Delete runs that ended long ago, and what belongs to them.

    This also deletes their attempts, outputs, logs, idempotency keys and child runs, and events, started schedules and
    ended workers of the same age. Active runs, waiting tasks and events not yet delivered stay. With the setting
    retention, workers do this by themselves.
    """
    age = settings.retention if older_than is None else timedelta(seconds=older_than)
    if age is None:
        raise click.UsageError("add --older-than 90d, or set retention in the settings")
    with open_database() as database:
        before, count = asyncio.run(_look(database.url, age))
        when = format_time(before)
        if dry_run or not count:
            data = {"before": before, "dry_run": dry_run, **asdict(Pruned(runs=count))}
            print_result(data, output, f"{count} runs ended before {when}; nothing was deleted")
            return
        confirm(f"delete {count} runs that ended before {when}, with their child runs?", yes=yes)
        with showing_progress("deleting", count) as tell:
            pruned = asyncio.run(_prune(database.url, before, lambda pruned: tell(pruned.runs)))
    data = {"before": before, "dry_run": False, **asdict(pruned)}
    text = ", ".join(f"{number} {what}" for what, number in asdict(pruned).items())
    print_result(data, output, f"deleted {text}")
    say_hint("PostgreSQL reuses the space for new runs; to return it to the disk, run VACUUM FULL")


async def _look(url: str, age: timedelta) -> tuple[datetime, int]:
    """The moment before which things are old, and how many runs are."""
    connection = await connect(url)
    try:
        await check_version(connection)
    finally:
        await connection.close()
    store = Store(url)
    try:
        before = await store.retention.read_moment(age)
        return before, await count_prunable(store.retention, before)
    finally:
        await store.close()


async def _prune(url: str, before: datetime, tell: Callable[[Pruned], None]) -> Pruned:
    store = Store(url)
    try:
        return await prune(store.retention, before, tell)
    finally:
        await store.close()
