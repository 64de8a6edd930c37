"""``plait.runs`` and ``plait.tasks``: what people see who ask by SQL, and what it costs with a history."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from plait import Context, EmptyModel, Plait
from plait.graph.attempt import Report
from plait.graph.definition import Status, WorkflowDefinition
from plait.types import TriggerWorkflowOptions
from support.database import Database
from support.driver import Driver, make_definition

CHAIN = make_definition("chain", a=[], b=["a"], c=["b"])


def read_run(database: Database, run_id: Any, columns: str) -> tuple[Any, ...]:
    [row] = database.query(f"SELECT {columns} FROM plait.runs WHERE id = %s", run_id)
    return row


def read_tasks(database: Database, run_id: Any, columns: str = "status") -> dict[str, Any]:
    rows = database.query(f"SELECT task, {columns} FROM plait.tasks WHERE run_id = %s", run_id)
    return {task: values[0] if len(values) == 1 else values for task, *values in rows}


@pytest.fixture
async def driver(database: Database) -> Any:
    driver = await Driver(database.url).open(CHAIN)
    yield driver
    await driver.close()


async def test_a_run_and_its_tasks_from_the_trigger_to_the_end(driver: Driver, database: Database) -> None:
    [run_id] = await driver.start(1)
    assert read_run(database, run_id, "workflow, status, started_at, finished_at") == ("chain", "QUEUED", None, None)
    assert read_tasks(database, run_id, "status, attempt") == {
        "a": ["QUEUED", 1], "b": ["PENDING", None], "c": ["PENDING", None],
    }  # fmt: skip

    held = await driver.claim("a")
    assert read_run(database, run_id, "status") == ("RUNNING",)
    assert read_tasks(database, run_id, "status, worker") == {
        "a": ["RUNNING", "driver"], "b": ["PENDING", None], "c": ["PENDING", None],
    }  # fmt: skip

    await driver.finish(held, Report(Status.COMPLETED, b'{"pages": 3}'))
    assert read_run(database, run_id, "status, finished_at") == ("RUNNING", None)
    assert read_tasks(database, run_id, "status, output") == {
        "a": ["COMPLETED", {"pages": 3}], "b": ["QUEUED", None], "c": ["PENDING", None],
    }  # fmt: skip

    error = json.dumps({"type": "ValueError", "message": "no", "trace": ""}).encode()
    await driver.finish(await driver.claim("b"), Report(Status.FAILED, error=error))
    assert (
        database.value("SELECT error ->> 'message' FROM plait.tasks WHERE run_id = %s AND task = 'b'", run_id) == "no"
    )
    await driver.finish(await driver.claim("c"), Report(Status.CANCELLED, reason="a parent failed"))
    assert read_run(database, run_id, "status, started_at IS NOT NULL, finished_at IS NOT NULL") == (
        "FAILED",
        True,
        True,
    )
    assert read_tasks(database, run_id, "status, reason") == {
        "a": ["COMPLETED", None], "b": ["FAILED", None], "c": ["CANCELLED", "a parent failed"],
    }  # fmt: skip


async def test_a_task_that_is_tried_again_is_pending_with_its_last_error(driver: Driver, database: Database) -> None:
    [run_id] = await driver.start(1)
    report = Report(Status.RETRIED, error=b'{"type": "E", "message": "first"}', retry_us=60_000_000)
    await driver.finish(await driver.claim("a"), report)
    columns = "status, attempt, due_at > plait.now(), error ->> 'message'"
    assert read_tasks(database, run_id, columns)["a"] == ["PENDING", 2, True, "first"]


async def test_what_a_cancelled_run_never_came_to_is_cancelled_with_it(driver: Driver, database: Database) -> None:
    [run_id] = await driver.start(1)
    await driver.store.control.cancel_runs([run_id], "enough")
    assert read_run(database, run_id, "status") == ("CANCELLED",)
    never = ["CANCELLED", None, "its run was cancelled"]
    assert read_tasks(database, run_id, "status, attempt, reason") == {
        "a": ["CANCELLED", 1, "enough"], "b": never, "c": never,
    }  # fmt: skip


async def test_what_a_replay_has_superseded_is_not_shown(driver: Driver, database: Database) -> None:
    [run_id] = await driver.start(1)
    for task in "abc":
        await driver.finish(await driver.claim(task), Report(Status.COMPLETED, b"1"))
    database.query("UPDATE plait.attempt SET status = plait.supersede(status) WHERE task > 0")
    database.query("UPDATE plait.run SET status = plait.open(), finished_at = NULL")
    shown = read_tasks(database, run_id, "status, attempt, output, finished_at IS NULL")
    assert shown["a"] == ["COMPLETED", 1, 1, False]
    assert shown["b"] == shown["c"] == ["PENDING", None, None, True]


def test_metadata_priority_and_what_started_a_run(plait: Plait, database: Database) -> None:
    @plait.task(name="child")
    def child(input: EmptyModel, ctx: Context) -> None: ...

    run = child.run_no_wait(options=TriggerWorkflowOptions(additional_metadata={"team": "a"}, priority=3))
    run_id = UUID(run.workflow_run_id)
    row = read_run(database, run_id, "metadata, priority, trigger, trigger_id, input")
    assert row == ({"team": "a"}, 3, None, None, {})
    database.query("UPDATE plait.run SET metadata = metadata || '{\"plait.trace\": {}}', trigger_kind = 3")
    assert read_run(database, run_id, "metadata, trigger") == ({"team": "a"}, "CRON")


BAD = {"no UTF-8": b"\xff\xfe", "no JSON": b"{", "a NUL": rb'"\u0000"', "a deep one": b"[" * 100_000}


@pytest.mark.parametrize("payload", BAD.values(), ids=BAD)
async def test_a_payload_that_jsonb_cannot_hold_fails_no_query(
    driver: Driver, database: Database, payload: bytes
) -> None:
    good, bad = await driver.start(2)
    for task in "abc":
        await driver.finish(await driver.claim(task), Report(Status.COMPLETED, b'"fine"'))
    database.query("UPDATE plait.run SET input = %s WHERE id = %s", payload, bad)
    database.query("UPDATE plait.attempt SET output = %s, error = %s WHERE run_id = %s", payload, payload, bad)
    assert dict(database.query("SELECT id, input FROM plait.runs")) == {good: {}, bad: None}
    rows = database.query("SELECT run_id, output, error FROM plait.tasks")
    assert sorted(rows) == sorted([(good, "fine", None)] * 3 + [(bad, None, None)] * 3)


def test_a_role_that_may_read_the_views_only_can_use_them(database: Database) -> None:
    role = f"reporter_{database.name}"
    database.query(f"CREATE ROLE {role} LOGIN")
    try:
        database.query(f"GRANT USAGE ON SCHEMA plait TO {role}")
        database.query(f"GRANT SELECT ON plait.runs, plait.tasks TO {role}")
        database.query(f"SET ROLE {role}")
        assert database.query("SELECT * FROM plait.runs WHERE id >= plait.lowest_id(now() - interval '1 day')") == []
        assert database.query("SELECT * FROM plait.tasks") == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.query("SELECT * FROM plait.run")
    finally:
        database.query("RESET ROLE")
        database.query(f"DROP OWNED BY {role}")
        database.query(f"DROP ROLE {role}")


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "query-with-sql.md"


def test_the_sql_on_the_page_about_it_runs(database: Database) -> None:
    """Its console blocks are run by tests/docs."""
    blocks = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert len(blocks) == 2
    for block in blocks:
        database.query(f"BEGIN; {block}; ROLLBACK")


RUNS, TASKS = 20_000, 3
FILL = (
    "INSERT INTO plait.workflow_version (workflow, digest, definition, actions, roots, schedules_us, pending) "
    "SELECT 'old' || n, n, '{}', '{}', '{}', '{}', '{}' FROM generate_series(1, 200) n",
    "INSERT INTO plait.run (id, created_at, finished_at, version_id, priority, status, pending, input) "
    "SELECT overlay(plait.lowest_id(at)::text PLACING right(gen_random_uuid()::text, 17) FROM 20)::uuid, at, at, "
    "{version}, 1, 2, '{{}}', '{{}}' "
    "FROM (SELECT now() - n * interval '1 minute' AS at FROM generate_series(1, {runs}) n) m",
    "INSERT INTO plait.attempt (run_id, task, attempt, retry, status, started_at, finished_at, output) "
    "SELECT id, t, 1, 0, 2, created_at, created_at, '1' FROM plait.run, generate_series(0, 2) t",
    "DELETE FROM plait.attempt WHERE task > 0 AND run_id IN (SELECT id FROM plait.run ORDER BY id DESC LIMIT 40)",
    "UPDATE plait.run SET status = 0, finished_at = NULL "
    "WHERE id IN (SELECT id FROM plait.run ORDER BY id DESC LIMIT 40)",
    "INSERT INTO plait.ready (run_id, position, queued_at, era, action_id, task, attempt, retry, lost, priority) "
    "SELECT r.id, r.position, now(), 1, v.actions[2], 1, 1, 0, 0, 1 FROM plait.run r "
    "JOIN plait.workflow_version v ON v.id = r.version_id WHERE r.status = 0",
    "INSERT INTO plait.ready (run_id, position, queued_at, era, action_id, task, attempt, retry, lost, priority) "
    "SELECT gen_random_uuid(), nextval('plait.position'), now(), 1, a.id, 0, 1, 0, 0, 1 "
    "FROM plait.action a, generate_series(1, {runs})",
    "INSERT INTO plait.waiting "
    "(run_id, position, due_at, schedule_us, action_id, task, attempt, retry, lost, priority) "
    "SELECT gen_random_uuid(), nextval('plait.position'), now(), -1, 1, 0, 1, 0, 0, 1 FROM generate_series(1, {runs})",
)
"""A run a minute that has ended, but for the newest 40, whose second task is ready; and queues of tasks of others."""


@pytest.fixture(scope="module")
def history(server: Any) -> Iterator[Database]:
    database = Database(server, "plait_views_history")
    yield database
    database.drop()


@pytest.fixture(scope="module", params=["statistics of an empty database", "statistics as they are"])
def filled(request: pytest.FixtureRequest, history: Database) -> Database:
    """The tables full, and what the planner knows of them."""
    if history.count("run") == 0:
        fill(history, CHAIN)
    else:
        history.query("ANALYZE")
    return history


def fill(database: Database, definition: WorkflowDefinition) -> None:
    database.query(
        "INSERT INTO plait.action (workflow, task) SELECT %s, name FROM unnest(%s::text[]) AS t(name)",
        definition.name,
        [task.name for task in definition.tasks],
    )
    version = database.value(
        "INSERT INTO plait.workflow_version (workflow, digest, definition, actions, roots, schedules_us, pending) "
        "SELECT 'chain', 'x', '', array_agg(id ORDER BY id), '{0}', '{-1,-1,-1}', '{}' FROM plait.action RETURNING id"
    )
    for sql in FILL:
        database.query(sql.format(version=version, runs=RUNS) if "{version}" in sql or "{runs}" in sql else sql)


def explain(database: Database, sql: str, *parameters: Any) -> dict[str, Any]:
    """The plan with what it did."""
    [plan] = database.value(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *parameters)
    found: dict[str, Any] = plan["Plan"]
    return found


def iter_nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from iter_nodes(child)


def count_visited(plan: dict[str, Any]) -> int:
    """Rows that were looked at, of the tables that grow with the work; that of definitions may be read whole."""
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return round(
        sum(
            (node["Actual Rows"] + sum(node.get(name, 0) for name in removed)) * node["Actual Loops"]
            for node in iter_nodes(plan)
            if node.get("Relation Name", "workflow_version") not in ("workflow_version", "action")
        )
    )


EACH_RUN = 1 + TASKS
"""Rows that a run with all its columns takes: itself, its attempts (for the start)."""
EACH_TASK = 2
"""Rows that a task takes, beside those of its run: its attempt, the same for its error."""


@pytest.mark.parametrize(
    ("sql", "rows", "most"),
    [
        ("SELECT * FROM plait.runs ORDER BY id DESC LIMIT 50", 50, 50 * EACH_RUN),
        ("SELECT id, status FROM plait.runs ORDER BY id DESC LIMIT 50", 50, 50 + 40),
        ("SELECT * FROM plait.runs WHERE id = (SELECT id FROM plait.run ORDER BY id LIMIT 1)", 1, 1 + EACH_RUN),
        (
            "SELECT * FROM plait.runs WHERE id >= plait.lowest_id(now() - interval '2 hours') "
            "AND id < plait.lowest_id(now() - interval '1 hour')",
            60,
            61 * EACH_RUN,
        ),
        (
            "SELECT count(*) FROM plait.runs WHERE id >= plait.lowest_id(now() - interval '1 day') "
            "AND created_at >= now() - interval '23 hours'",
            1,
            24 * 60,
        ),
        (
            "SELECT * FROM plait.tasks WHERE run_id = (SELECT id FROM plait.run ORDER BY id LIMIT 1)",
            TASKS,
            1 + 1 + TASKS * EACH_TASK,
        ),
        ("SELECT * FROM plait.tasks ORDER BY run_id DESC LIMIT 30", 30, 11 + 31 * EACH_TASK),
        (
            "SELECT * FROM plait.tasks WHERE run_id >= plait.lowest_id(now() - interval '1 hour')",
            59 * TASKS,
            60 * (1 + TASKS * EACH_TASK),
        ),
    ],
)
def test_what_a_query_reads_grows_with_its_answer(filled: Database, sql: str, rows: int, most: int) -> None:
    plan = explain(filled, sql)
    assert rows <= plan["Actual Rows"] <= rows + TASKS  # a minute may pass
    assert count_visited(plan) <= most
