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
from plait.features.troubles import MOST_COUNTED, read_troubles
from plait.settings import Settings
from plait.store import schema
from plait.store.connection import connect
from plait.store.store import Store
from plait.wording import shorten

MISSED: Final = 12.0
"""Seconds of silence after which a worker, that should beat every four, has missed heartbeats."""
WORKER_SKEW: Final = 3.0
"""Seconds; how long a heartbeat takes counts as well."""
MOST_TOLD: Final = 5
"""Findings of one kind."""
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
    troubles = await read_troubles(store)
    findings += judge_clocks(troubles.clocks)
    findings += judge_unserved(troubles.unserved)
    findings += judge_idle(troubles.idle_workers)
    findings += judge_suspects(troubles.suspects)
    findings += judge_switched_off(troubles.switched_off)
    connection = await connect(url, application_name="plait doctor")
    try:
        backlog = await connection.fetchrow(load_sql("read_backlog"))
        assert backlog is not None
        findings += judge_backlog(None if troubles.idle_workers else backlog["ready_for"], backlog["late_by"])
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
        count = f"{row['tasks']}{' or more' if row['tasks'] == MOST_COUNTED else ''}"
        says = f"{count} of {row['workflow']}.{row['task']} wait, but no running worker "
        if row["served_format"] is None:
            fix = "plait worker TARGET, where TARGET declares this task"
            yield Finding("ready tasks", False, f"{says}has the code", fix)
            continue
        says += f"can read them: they are stored in format {row['format']}, and workers read {row['served_format']}"
        fix = "start a worker with the version of Plait that stored them"
        if row["format"] > row["served_format"]:
            fix = "a newer Plait stored them: where the workers run, pip install --upgrade plait, and restart them"
        yield Finding("ready tasks", False, says, fix)


def judge_idle(rows: Sequence[Any]) -> Iterator[Finding]:
    """Workers that live, have free slots and take nothing of what waits for them."""
    for row in rows[:MOST_TOLD]:
        waited = format_age(row["waited"])
        says = f"{_name(row)} takes nothing: {row['free']} of its {row['slots']} slots are free, and tasks have waited "
        fix = (
            f"read its log on {row['host']}: it may be stopping, or cannot store results; /readyz of its health port "
            "says which. If nothing does, restart it"
        )
        yield Finding("idle workers", False, f"{says}{waited}", fix)


def judge_clocks(rows: Sequence[Any]) -> Iterator[Finding]:
    """Workers on machines whose clock is not that of the database."""
    for row in rows:
        if abs(seconds := row["ahead"]) < WORKER_SKEW:
            continue
        says = f"the clock of {_name(row)} is {format_age(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'} "
        fix = f"set the clock of {row['host']} by NTP: ids of runs that it starts, and times in its logs, are wrong"
        yield Finding("worker clocks", None, f"{says}the database's", fix)


def judge_suspects(rows: Sequence[Any]) -> Iterator[Finding]:
    """Tasks that may be what ended their workers."""
    limit = Settings.max_worker_losses.read()
    for row in rows[:MOST_TOLD]:
        count = "1 task" if row["tasks"] == 1 else f"{row['tasks']} tasks"
        times = "once" if row["losses"] == 1 else f"{row['losses']} times"
        says = f"{count} of {row['workflow']}.{row['task']} lost with the worker, up to {times}: run beside few others"
        fix = (
            f"plait runs show {row['run_id']} tells how its workers ended; look for memory, native code and os._exit "
            f"in this task. After {limit} losses it fails (max_worker_losses)"
        )
        yield Finding("suspects", None, says, fix)


def judge_switched_off(rows: Sequence[Any]) -> Iterator[Finding]:
    """Expressions that took too much CPU."""
    for row in rows[:MOST_TOLD]:
        workers = "1 worker" if row["workers"] == 1 else f"{row['workers']} workers"
        whose = f" of {', '.join(row['workflows'])}" if row["workflows"] else ""
        says = f"{workers} switched off the expression {shorten(row['expression'], 120)}{whose}: it took too much CPU"
        fix = "until it is on again (10 minutes) it holds for nothing. Make it simpler, or its events smaller"
        yield Finding("expressions", False, says, fix)


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
