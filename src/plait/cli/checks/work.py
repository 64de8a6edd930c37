"""Checks of what Plait does: the schema, workers, tasks that wait, runs that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from plait import __version__
from plait.cli.checks.finding import Finding, format_age, load_sql
from plait.cli.checks.server import judge_tables
from plait.cli.text import format_seconds
from plait.durations import format_duration
from plait.settings import Settings
from plait.store import schema
from plait.store.connection import connect
from plait.store.store import Store

COUNT_LIMIT: Final = 1000
MISSED: Final = 12.0
"""Seconds of silence after which a worker, that should beat every four, has missed heartbeats."""
LONG_WAIT: Final = 300.0
LATE_TIMER: Final = 60.0
MANY_RUNS: Final = 100_000
OLD: Final = timedelta(days=90)


def judge_schema(found: int) -> Finding:
    """Whether this Plait knows the schema."""
    latest = schema.latest_version()
    says = f"version {found} of {latest}"
    if found == latest:
        return Finding("schema", True, says)
    if found > latest:
        return Finding("schema", False, f"{says}: a newer Plait made it", "pip install --upgrade plait")
    fix = "plait db upgrade, or start a worker or a run: it upgrades the schema"
    return Finding("schema", None, says if found else "there is none yet", fix)


async def examine_work(store: Store, url: str) -> list[Finding]:
    """Everything that needs the schema."""
    findings = list(judge_workers(await store.list_workers()))
    findings += judge_unserved(await store.list_unserved(COUNT_LIMIT))
    connection = await connect(url, application_name="plait doctor")
    try:
        backlog = await connection.fetchrow(load_sql("read_backlog"))
        assert backlog is not None
        findings += judge_backlog(backlog["ready_for"], backlog["late_by"])
        oldest = await connection.fetchrow(load_sql("read_oldest_run"))
        assert oldest is not None
        findings.append(judge_retention(Settings.retention.read(), oldest["age"], oldest["runs"] or 0))
        findings += judge_tables(await connection.fetch(load_sql("measure_tables")))
    finally:
        await connection.close()
    return findings


def judge_workers(rows: Sequence[Any]) -> Iterator[Finding]:
    """Who lives, who is late, who fell silent, and who is another Plait than this one."""
    live = [row for row in rows if not row["late"]]
    if live:
        slots = sum(row["slots"] for row in live)
        names = ", ".join(_name(row) for row in live[:5])
        more = f" and {len(live) - 5} more" if len(live) > 5 else ""
        yield Finding("workers", True, f"{len(live)} live, {slots} slots: {names}{more}")
    else:
        yield Finding("workers", None, "no worker is running", "plait worker TARGET")
    for row in live:
        if row["silent_seconds"] >= MISSED:
            says = f"{_name(row)} has missed heartbeats: the last one was {format_seconds(row['silent_seconds'])} ago"
            fix = f"look at its log and at the load of {row['host']}; when its lease ends, other workers run its tasks"
            yield Finding("late workers", None, says, fix)
    if len(live) < len(rows):
        says = f"{len(rows) - len(live)} stopped sending heartbeats"
        yield Finding(
            "silent workers", None, says, "start a worker, and it takes over their tasks: plait worker TARGET"
        )
    others = sorted({row["plait"] for row in live} - {__version__})
    if others:
        says = f"workers run Plait {', '.join(others)}, this is {__version__}"
        yield Finding("versions", None, says, "install the same version everywhere: pip install --upgrade plait")


def _name(row: Any) -> str:
    return f"{row['name']} on {row['host']} (pid {row['pid']})"


def judge_unserved(rows: Sequence[Any]) -> Iterator[Finding]:
    """Tasks that nobody has the code for."""
    for row in rows:
        count = f"{row['tasks']}{' or more' if row['tasks'] == COUNT_LIMIT else ''}"
        says = f"{count} of {row['workflow']}.{row['task']} wait, but no running worker has the code"
        yield Finding("ready tasks", False, says, "plait worker TARGET, where TARGET declares this task")


def judge_backlog(ready_for: float | None, late_by: float | None) -> Iterator[Finding]:
    """Tasks that have been ready for long though somebody serves them, and timers that nobody looks at."""
    if ready_for is not None and ready_for >= LONG_WAIT:
        says = f"tasks have waited {format_age(ready_for)}, because all slots of their workers are busy"
        yield Finding(
            "backlog", None, says, "add slots: plait worker TARGET --slots N --processes N, on this machine or another"
        )
    if late_by is not None and late_by >= LATE_TIMER:
        says = f"a timer is {format_age(late_by)} late: only workers start tasks on time, and none seems to run"
        yield Finding("timers", False, says, "plait worker TARGET")


def judge_retention(kept: timedelta | None, age: float | None, runs: float) -> Finding:
    """Whether finished runs are deleted some time, or pile up."""
    much = runs >= MANY_RUNS or (age is not None and age >= OLD.total_seconds())
    there = "no runs yet" if age is None else f"about {runs:,.0f} runs, the oldest {format_age(age)} old"
    if kept is not None:
        return Finding("retention", True, f"finished runs are kept for {format_duration(kept)}; {there}")
    fix = 'retention = "30d" below [tool.plait] in pyproject.toml, or PLAIT_RETENTION=30d, where the workers run'
    return Finding("retention", None if much else True, f"off, finished runs are kept for ever; {there}", fix)
