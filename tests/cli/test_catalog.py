"""``plait workflows`` and ``plait workers``."""

import json

import pytest

from support.waiting import eventually

NEVER = "0198c0de-7abc-7def-8123-456789abcdef"


def test_workflows_are_listed_and_found_by_a_part_of_their_name(control, work_on_control, execute_here):
    assert execute_here("workflows", "list")[:2] == (0, "no workflows\n")
    work_on_control()
    code, stdout, _ = execute_here("workflows", "list")
    rows = [line.split() for line in stdout.splitlines()]
    assert code == 0
    assert rows[0][0] == "WORKFLOW"
    assert {row[0] for row in rows[1:]} == set(control.plait.declared)
    assert "order:*" in stdout
    found = json.loads(execute_here("workflows", "list", "ORDER", "-o", "json")[1])["items"]
    assert [(workflow["name"], workflow["task_count"]) for workflow in found] == [("orders", 2)]
    code, stdout, stderr = execute_here("workflows", "list", "--limit", "2")
    last = stdout.splitlines()[-1].split()[0]
    assert f"--after {last}" in stderr
    after = json.loads(execute_here("workflows", "list", "--after", last, "-o", "json")[1])["items"]
    assert len(after) == len(control.plait.declared) - 2


def test_a_workflow_is_shown_with_what_its_tasks_wait_for(control, work_on_control, execute_here):
    work_on_control()
    code, stdout, _ = execute_here("workflows", "show", "approval")
    assert code == 0
    assert "wait_for: event 'approved' where input.ok or 1 h after the run started" in stdout
    orders = execute_here("workflows", "show", "orders")[1]
    assert "started by event order:*" in orders
    assert "1 retry with backoff 1" in orders
    assert '"amount"' in orders
    shown = json.loads(execute_here("workflows", "show", "orders", "-o", "json")[1])
    assert [(task["name"], task["parents"]) for task in shown["tasks"]] == [("check", []), ("ship", ["check"])]
    version = str(shown["version_id"])
    assert json.loads(execute_here("workflows", "show", "orders", "--version", version, "-o", "json")[1]) == shown


def test_an_unknown_workflow_or_version_is_answered_with_those_there_are(control, execute_here):
    control.orders.run_no_wait()
    code, stdout, stderr = execute_here("workflows", "show", "order")
    assert (code, stdout) == (4, "")
    assert "did you mean 'orders'" in stderr
    assert "try: plait workflows list" in stderr
    code, _, stderr = execute_here("workflows", "show", "orders", "--version", "999")
    assert (code, "it has 1" in stderr) == (2, True)
    for bad in (["show", "\udcff"], ["show", ""], ["list", "\udcff"], ["list", "--limit", "0"], ["show"]):
        assert execute_here("workflows", *bad)[0] == 2


def test_workers_are_listed_with_what_they_serve_and_shown_with_what_they_run(
    control, work_on_control, execute_here, gate
):
    assert execute_here("workers", "list")[:2] == (0, "no workers\n")
    thread = work_on_control()
    run = control.held.run_no_wait()
    eventually(lambda: run.status() == "RUNNING", "it runs")
    code, stdout, _ = execute_here("workers", "list")
    assert code == 0
    assert stdout.splitlines()[0].split()[:3] == ["WORKER", "NAME", "STATUS"]
    row = stdout.splitlines()[1]
    assert row.startswith(f"{thread.worker.id}  test  ")
    assert "ACTIVE" in row
    assert "1/20" in row
    shown = execute_here("workers", "show", str(thread.worker.id))[1]
    assert "slots 1 of 20 in use" in shown
    assert "serves flaky: shaky, steady" in shown
    assert run.workflow_run_id in shown
    entry = json.loads(execute_here("workers", "show", str(thread.worker.id), "-o", "json")[1])
    assert [task["task"] for task in entry["running"]] == ["held"]
    gate.touch()
    run.result(20)
    thread.stop()
    assert execute_here("workers", "list")[1] == "no workers\n"
    [ended] = json.loads(execute_here("workers", "list", "--ended", "-o", "json")[1])["items"]
    assert (ended["id"], ended["status"]) == (str(thread.worker.id), "ENDED")


def test_unknown_and_malformed_worker_ids(execute_here):
    code, _, stderr = execute_here("workers", "show", NEVER)
    assert (code, "try: plait workers list --ended" in stderr) == (4, True)
    assert execute_here("workers", "show", "worker-1")[0] == 2


@pytest.mark.parametrize("group", ["workflows", "workers", "events", "filters", "runs"])
def test_what_other_people_named_cannot_move_the_cursor(execute_here, database, group):
    """Names that Plait itself would refuse, as if somebody had written them past it."""
    evil = "e\x1b[2Jvil\u202e"
    definition = json.dumps({"name": evil, "tasks": [{"name": evil}], "description": evil, "on_events": [evil]})
    database.query(
        "INSERT INTO plait.workflow_version (workflow, digest, definition, actions, roots, schedules_us, pending) "
        "VALUES (%s, 'd', %s, '{}', '{}', '{}', '{}')",
        evil,
        definition,
    )
    database.query(
        "INSERT INTO plait.worker (id, name, host, pid, slots, lease_us, labels, actions, plait) "
        "VALUES (%s, %s, %s, 1, 1, 1000000, jsonb_build_object('l', %s::text), '{}', %s)",
        *(NEVER, evil, evil, evil, evil),
    )
    database.query(
        "INSERT INTO plait.filter (id, workflow, scope, expression, payload, declared) "
        "VALUES (%s, %s, %s, %s, '{}', false)",
        *(NEVER, evil, evil, evil),
    )
    database.query(
        "INSERT INTO plait.run (id, created_at, version_id, priority, pending, input, metadata) "
        "SELECT %s, now(), id, 1, '{}', '{}', NULL FROM plait.workflow_version",
        NEVER,
    )
    shown = execute_here(group, "list")[1]
    if group == "workflows":
        shown += execute_here("workflows", "show", evil)[1]
    if group == "workers":
        shown += execute_here("workers", "show", NEVER)[1]
    if group == "runs":
        shown += execute_here("runs", "tree", NEVER)[1]
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert ("vil" in shown) == (group != "events")
