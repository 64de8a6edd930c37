"""Checks of the PostgreSQL server: what Plait's promises and its speed rest on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import asyncpg

from plait.cli.checks.finding import Finding, format_age, format_bytes, format_command, load_sql
from plait.cli.text import format_seconds
from plait.errors import PlaitError
from plait.store.codecs import SharingConnection
from plait.store.connection import SESSION_SETTINGS, connect
from plait.store.store import Store

OLDEST_SERVER: Final = 150000
LARGEST_SKEW: Final = 1.0
"""Seconds between the clocks of client and server that nobody should worry about."""
LONG_TRANSACTION: Final = 300.0
BLOCKED_SECONDS: Final = 1.0
MUCH_WAL: Final = 1e9
HINT_SECONDS: Final = 2.0
_CROWDED = 0.8
_OWN = ("enable_", "plan_", "jit", "default_", "timezone")
_OF = {"server": "of the server", "database": "of this database", "role": "of this role"}
_MANY_DEAD = 100_000


async def examine_server(store: Store, url: str) -> list[Finding]:
    """Everything about the server. Needs no schema of Plait's."""
    await store.read_server()  # opens the connection, so that the second reading measures the clock alone
    before = time.time()
    server = await store.read_server()
    after = time.time()
    assert server is not None
    read_only = server["read_only"]
    findings = [*judge_server(server), judge_clock(before, server["clock"], after)]
    connection = await connect(url, application_name="plait doctor")
    try:
        row = await connection.fetchrow(load_sql("read_settings"))
        assert row is not None
        findings += judge_settings(row)
        findings.append(await examine_session(connection))
        findings.append(judge_connections(await store.observation.measure_connections()))
        findings += judge_holders(await store.observation.list_holders(LONG_TRANSACTION))
        findings += judge_blockers(await connection.fetch(load_sql("list_blockers"), BLOCKED_SECONDS))
        if not read_only:
            with suppress(asyncpg.InsufficientPrivilegeError):
                findings += judge_slots(await connection.fetch(load_sql("list_slots")))
            findings.append(await examine_hints(connection, url))
    finally:
        await connection.close()
    return findings


def judge_server(server: Any) -> Iterator[Finding]:
    """Its version, and whether it takes writes."""
    new_enough = server["version_number"] >= OLDEST_SERVER
    yield Finding("server", new_enough, f"PostgreSQL {server['version']}", "use PostgreSQL 15 or newer")
    if server["read_only"]:
        fix = "connect to the primary: add target_session_attrs=read-write to the URL"
        yield Finding("writes", False, "the server is read-only", fix)


def judge_clock(before: float, clock: float, after: float) -> Finding:
    """Whether the server's clock, read between two readings of ours, is ours."""
    skew = max(before - clock, clock - after, 0.0)
    says = f"client and server differ by {format_seconds(skew)}"
    fix = "set both clocks by NTP; Plait uses the server's clock, so only the times you see are wrong"
    return Finding("clock", True if skew <= LARGEST_SKEW else None, says, fix)


def judge_settings(row: Any) -> Iterator[Finding]:
    """Settings with which a crash loses what was promised, or with which the tables grow."""
    loose = [name for name in ("fsync", "full_page_writes", "synchronous_commit") if row[name] == "off"]
    if loose:
        names = f"{', '.join(loose)} {'is' if len(loose) == 1 else 'are'} off"
        says = f"{names}: a crash of the server loses runs that were started"
        commands = " ".join(format_command(f"ALTER SYSTEM SET {name} = on") + " &&" for name in loose)
        yield Finding("durability", False, says, f"{commands} {format_command('SELECT pg_reload_conf()')}")
    else:
        yield Finding("durability", True, f"fsync and synchronous_commit are {row['synchronous_commit']}")
    if row["autovacuum"] == "off":
        says = "autovacuum is off: the queue's tables keep growing, and workers take tasks ever more slowly"
        fix = f"{format_command('ALTER SYSTEM SET autovacuum = on')} && {format_command('SELECT pg_reload_conf()')}"
        yield Finding("autovacuum", False, says, fix)


def judge_connections(rows: Sequence[Any]) -> Finding:
    """Whether there are connections left: on the server, and where they have limits of their own, of the database and
    the role."""
    says = ", ".join(f"{row['used']} of {row['most']} {_OF[row['what']]} in use" for row in rows)
    tight = [row for row in rows if row["used"] >= _CROWDED * row["most"]]
    if not tight:
        return Finding("connections", True, says)
    raises = {
        "server": "ALTER SYSTEM SET max_connections = {most}",
        "database": "ALTER DATABASE {name} CONNECTION LIMIT {most}",
        "role": "ALTER ROLE {name} CONNECTION LIMIT {most}",
    }
    count = format_command("SELECT usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2")
    ways = [format_command(raises[row["what"]].format(most=2 * row["most"], name=row["name"])) for row in tight]
    restart = " and restart the server" if tight[0]["what"] == "server" else ""
    fix = f"find and close connections you do not need: {count}; or {' && '.join(ways)}{restart}"
    return Finding("connections", None, says, fix)


def judge_holders(rows: Sequence[Any]) -> Iterator[Finding]:
    """Transactions that have been open for so long that dead rows of the queue cannot be removed."""
    for row in rows:
        age, held = format_age(row["age"]), "VACUUM cannot clean the tables of the queue"
        if row["kind"] == "prepared":
            says = f"prepared transaction {row['name']} of {row['who']} is {age} old: {held}"
            fix = format_command(f"ROLLBACK PREPARED '{row['name']}'")
        else:
            says = f"a transaction of {row['who']} (pid {row['name']}, {row['state']}) is open for {age}: {held}"
            fix = format_command(f"SELECT pg_terminate_backend({row['name']})")
        yield Finding("transactions", None, says, fix)


def judge_blockers(rows: Sequence[Any]) -> Iterator[Finding]:
    """Transactions for which Plait waits."""
    for row in rows:
        age, waited = format_age(row["age"] or 0.0), format_age(row["waited"])
        calls = "1 call" if row["waiting"] == 1 else f"{row['waiting']} calls"
        says = (
            f"{calls} of Plait {'waits' if row['waiting'] == 1 else 'wait'} (for up to {waited}) for a transaction of "
            f"{row['who']} (pid {row['pid']}, {row['state']}) that is open for {age}"
        )
        fix = f"commit it or roll it back; or {format_command('SELECT pg_terminate_backend(' + str(row['pid']) + ')')}"
        yield Finding("blocked", False, says, fix)


def judge_slots(rows: Sequence[Any]) -> Iterator[Finding]:
    """Replication slots that nobody reads keep WAL and dead rows."""
    for row in rows:
        if row["bytes"] >= MUCH_WAL or row["holds_rows"]:
            size = format_bytes(row["bytes"])
            says = f"replication slot {row['name']} has no reader, and PostgreSQL keeps {size} of WAL for it"
            drop = format_command(f"SELECT pg_drop_replication_slot('{row['name']}')")
            fix = f"start the program that reads it, or drop it: {drop}"
            yield Finding("replication", None, says, fix)


async def examine_session(connection: asyncpg.Connection) -> Finding:
    """Whether the settings of Plait's own sessions are in force; some are the system's to refuse."""
    wanted = {name: value for name, value in SESSION_SETTINGS.items() if name.startswith(_OWN)}
    found = await connection.fetchval(
        "SELECT array_agg(current_setting(n) ORDER BY ord) FROM unnest($1::text[]) WITH ORDINALITY AS s(n, ord)",
        list(wanted),
    )
    assert found is not None
    other = [f"{name} is {value}" for name, value in zip(wanted, found, strict=True) if value != wanted[name]]
    if not other:
        return Finding("settings", True, "those of Plait's sessions are in force")
    says = f"settings of Plait's sessions are not in force: {', '.join(other)}"
    fix = "something between here and PostgreSQL changes them: connect to the server directly"
    return Finding("settings", False, says, fix)


async def examine_hints(connection: SharingConnection, url: str) -> Finding:
    """Whether a NOTIFY of one connection reaches another that listens; behind some poolers it does not."""
    if connection.shares_session:
        return Finding(
            "notifications",
            None,
            "you connect through a pooler in transaction mode: changes are found by polling, within about a second",
            "for less delay connect to the server directly, or set pool_mode = session in the pooler for this database",
        )
    channel = f"plait_doctor_{uuid4().hex}"
    heard = asyncio.Event()
    begun = time.perf_counter()
    sender = await connect(url, application_name="plait doctor")
    try:
        await connection.add_listener(channel, lambda *_: heard.set())
        await sender.execute(f"NOTIFY {channel}")
        await asyncio.wait_for(heard.wait(), HINT_SECONDS)
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, PlaitError):
        return Finding(
            "notifications",
            False,
            "a NOTIFY does not arrive: perhaps you connect through a pooler; changes are found by polling",
            "connect to the server directly, or set pool_mode = session in the pooler for this database",
        )
    finally:
        await sender.close()
    return Finding("notifications", True, f"arrive within {format_seconds(time.perf_counter() - begun)}")


def judge_tables(rows: Sequence[Any]) -> Iterator[Finding]:
    """How large Plait's tables are, and whether dead rows pile up in one."""
    total = sum(row["bytes"] for row in rows)
    largest = ", ".join(f"{row['name']} {format_bytes(row['bytes'])}" for row in rows[:3])
    yield Finding("tables", True, f"{format_bytes(total)} in all; {largest}")
    for row in rows:
        if row["dead"] > max(_MANY_DEAD, row["live"]):
            says = f"{row['dead']:,.0f} dead rows in plait.{row['name']} wait for VACUUM"
            yield Finding("tables", None, says, format_command(f"VACUUM plait.{row['name']}"))
