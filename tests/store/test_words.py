"""Codes have names in SQL, those of Python's enums, and the names cost a statement nothing."""

from __future__ import annotations

import re
from typing import Any

import psycopg

from plait.graph.definition import Status
from plait.graph.triggers import TriggerKind
from plait.store.connection import SESSION_SETTINGS
from plait.store.statements import list_sql, read_sql
from support.database import Database

TRIGGERS = {
    "by_parent": TriggerKind.PARENT,
    "by_event": TriggerKind.EVENT,
    "by_cron": TriggerKind.CRON,
    "by_schedule": TriggerKind.SCHEDULED,
    "by_replay": TriggerKind.REPLAY,
}
STATEMENTS = list_sql("sql")
REAL = {
    "plait.cancel_runs", "plait.cancel_task", "plait.carry_out_cancellations", "plait.clock",
    "plait.continue_deliveries", "plait.deliver_events",
    "plait.find_version", "plait.finish_tasks", "plait.fire_crons", "plait.hold_prunable",
    "plait.is_being_cancelled", "plait.lowest_id", "plait.park_tasks", "plait.push_events", "plait.replay_runs",
    "plait.schedule_runs", "plait.start_runs", "plait.start_scheduled", "plait.wake_tasks",
}  # fmt: skip
"""Functions that statements call, as opposed to those that the planner puts something else in the place of."""


def test_sql_and_python_have_the_same_codes(database: Database) -> None:
    for status in Status:
        assert database.value(f"SELECT plait.{status.name.lower()}()") == status
    for name, kind in TRIGGERS.items():
        assert database.value(f"SELECT plait.{name}()") == kind
        assert database.value(f"SELECT plait.name_trigger(plait.{name}())") == kind.name
    assert len(TRIGGERS) == len(TriggerKind)


def test_words_are_those_of_python(database: Database) -> None:
    codes = list(range(-20, 20))
    rows = database.query(
        "SELECT code, plait.name_outcome(code), plait.is_outcome(code), plait.is_superseded(code), "
        "plait.supersede(code) FROM unnest(%s::int2[]) AS u(code)",
        codes,
    )
    outcomes = {status: status.name for status in Status if status > 0}
    for code, name, is_outcome, is_superseded, superseded in rows:
        assert name == outcomes.get(code)
        assert is_outcome == (code > 0)
        assert is_superseded == (code < -10)
        assert superseded == -10 - code


def test_the_planner_puts_numbers_in_the_place_of_words(database: Database) -> None:
    """In the plan of a statement stands no function of Plait's but those that do something."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        for name, value in SESSION_SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        connection.execute("SET search_path = pg_catalog")  # names of Plait's functions are then told in full
        called = {
            path: set(re.findall(r"\bplait\.\w+(?=\()", explain(connection, read_sql(path)))) for path in STATEMENTS
        }
    assert {path: names - REAL for path, names in called.items() if names - REAL} == {}


def explain(connection: psycopg.Connection[Any], sql: str) -> str:
    """The generic plan of a statement."""
    parameters = max([int(number) for number in re.findall(r"\$(\d+)", sql)], default=0)
    arguments = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
    connection.execute(f"PREPARE statement AS {sql}")  # type: ignore[call-overload]
    plan = connection.execute(f"EXPLAIN (VERBOSE) EXECUTE statement{arguments}").fetchall()  # type: ignore[call-overload]
    connection.execute("DEALLOCATE statement")
    return "\n".join(line for (line,) in plan)
