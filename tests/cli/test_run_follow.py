"""``plait runs wait``, ``tail`` and ``tree``."""

import asyncio
import json
from itertools import pairwise

import pytest

from plait.cli.waiting import WaitNotice
from support.waiting import eventually
from support.workers import serve

NEVER = "0198c0de-7abc-7def-8123-456789abcdef"


def test_the_result_of_one_run_is_printed_as_json(control, work_on_control, execute_here):
    work_on_control()
    run = control.orders.run_no_wait(control.Order(amount=3))
    code, stdout, stderr = execute_here("runs", "wait", run.workflow_run_id)
    assert (code, json.loads(stdout), stderr) == (0, {"check": 3, "ship": {"scope": {}}}, "")


def test_of_several_runs_each_prints_a_line_when_it_ends_and_the_worst_decides(
    control, work_on_control, execute_here, gate
):
    work_on_control()
    good, bad = control.leaf.run_no_wait(), control.flaky.run_no_wait()
    code, stdout, _ = execute_here("runs", "wait", good.workflow_run_id, bad.workflow_run_id)
    lines = {line["workflow"]: line for line in map(json.loads, stdout.splitlines())}
    assert code == 1
    assert lines["leaf"] == {
        "id": good.workflow_run_id,
        "workflow": "leaf",
        "status": "COMPLETED",
        "output": {"leaf": 1},
    }
    assert lines["flaky"]["errors"][0]["message"] == "the gate is shut"


def test_a_failure_of_one_run_goes_to_stderr(control, work_on_control, execute_here):
    work_on_control()
    run = control.flaky.run_no_wait()
    code, stdout, stderr = execute_here("runs", "wait", run.workflow_run_id)
    assert (code, stdout) == (1, "")
    assert "ValueError: the gate is shut" in stderr
    assert f"plait runs show {run.workflow_run_id}" in stderr
    control.plait.runs.replay(run.workflow_run_id)
    code, stdout, _ = execute_here("runs", "wait", run.workflow_run_id, "-o", "json")
    assert (code, json.loads(stdout)["status"]) == (1, "FAILED")


def test_waiting_has_an_end_and_what_ended_before_it_is_printed(control, execute_here):
    waits, ended = control.leaf.run_no_wait(), control.leaf.run_no_wait()
    control.plait.runs.cancel(ended.workflow_run_id)
    code, stdout, stderr = execute_here(
        "runs", "wait", waits.workflow_run_id, ended.workflow_run_id, "--timeout", "300ms"
    )
    assert code == 124
    assert [json.loads(line)["status"] for line in stdout.splitlines()] == ["CANCELLED"]
    assert "1 of 2 runs did not end within 0.3 s" in stderr
    assert execute_here("runs", "tail", waits.workflow_run_id, "--timeout", "300ms")[0] == 124


@pytest.mark.parametrize("command", ["wait", "tail"])
def test_who_waits_for_a_run_that_no_live_worker_has_code_for_is_told(control, work_on_control, start_command, command):
    run = control.leaf.run_no_wait()
    waiter = start_command("runs", command, run.workflow_run_id)
    says = "task 'leaf' waits: no live worker has this task's code; to start one: plait worker TARGET"
    waiter.wait_for(says)
    work_on_control()
    assert waiter.wait() == 0


def test_why_a_run_waits_is_said_once_and_only_after_a_while_without_progress(control):
    run = control.flaky.run_no_wait()
    said, clock = [], iter([0, 1.9, 2.0, 4.1, 9.0])

    async def judge(times):
        for _ in range(times):
            notice.judge(await control.plait.runs.aio_get_details(run.workflow_run_id))
        return len(said)

    notice = WaitNotice(said.append, clock=lambda: next(clock))
    assert asyncio.run(judge(2)) == 0
    assert asyncio.run(judge(1)) == 1
    assert asyncio.run(judge(2)) == 1
    assert "task 'steady' waits" in said[0]


def test_the_picture_of_a_run_says_why_its_tasks_wait(control, work_on_control, execute_here):
    run = control.leaf.run_no_wait()
    says = "task 'leaf' waits: no live worker has this task's code"
    assert says in execute_here("runs", "show", run.workflow_run_id)[2]
    assert execute_here("runs", "show", run.workflow_run_id, "--json")[2] == ""
    work_on_control()
    run.result(20)
    assert says not in execute_here("runs", "show", run.workflow_run_id)[2]


def test_a_run_that_waits_for_a_free_slot_is_told_so_until_there_is_one(control, execute_here, gate):
    worker = serve(control.plait, slots=1)
    try:
        held, waits = control.held.run_no_wait(), control.leaf.run_no_wait()
        eventually(lambda: held.status() == "RUNNING", "the only slot is taken")
        shown = execute_here("runs", "show", waits.workflow_run_id)[2]
        assert "task 'leaf' waits: all slots of the worker that has its code are busy (1/1)" in shown
        assert "plait worker" not in shown
        assert "waits" not in execute_here("runs", "show", held.workflow_run_id)[2]
        gate.touch()
        waits.result(20)
    finally:
        worker.stop()


@pytest.mark.parametrize("command", ["wait", "tail", "tree"])
def test_an_unknown_run_is_not_waited_for(execute_here, command):
    code, stdout, stderr = execute_here("runs", command, NEVER)
    assert (code, stdout, "try: plait runs list" in stderr) == (4, "", True)
    assert execute_here("runs", command, "latest")[0] == 2
    assert execute_here("runs", command)[0] == 2


def test_the_tail_of_an_ended_run_is_its_whole_history(control, work_on_control, execute_here, gate):
    work_on_control()
    run = control.flaky.run_no_wait()
    eventually(lambda: run.status() == "FAILED", "it failed")
    gate.touch()
    control.plait.runs.replay(run.workflow_run_id)
    run.result(20)
    code, stdout, _ = execute_here("runs", "tail", run.workflow_run_id)
    words = [line.split()[1:] for line in stdout.splitlines()]
    assert code == 0
    assert [word[:2] for word in words] == [
        ["QUEUED", "steady"],
        ["RUNNING", "steady"],
        ["COMPLETED", "steady"],
        ["QUEUED", "shaky"],
        ["RUNNING", "shaky"],
        ["FAILED", "shaky"],
        ["QUEUED", "shaky"],
        ["RUNNING", "shaky"],
        ["COMPLETED", "shaky"],
        ["COMPLETED", "run"],
    ]
    assert "ValueError: the gate is shut" in stdout
    assert words[6][2:4] == ["attempt", "2"]
    lines = [
        json.loads(line) for line in execute_here("runs", "tail", run.workflow_run_id, "-o", "json")[1].splitlines()
    ]
    assert len(lines) == len(words)
    assert lines[5]["error"] == "ValueError: the gate is shut"
    assert {"run_id", "at", "status"} == set(lines[-1])
    assert all(earlier["at"] <= later["at"] for earlier, later in pairwise(lines))


def test_a_tail_follows_a_run_to_its_end(control, work_on_control, start_command, gate):
    run = control.held.run_no_wait()
    tail = start_command("runs", "tail", run.workflow_run_id, "-o", "json")

    def list_words():
        return [json.loads(line)["status"] for line in tail.stdout.splitlines()]

    eventually(lambda: list_words() == ["QUEUED"], "it is queued")
    work_on_control()
    eventually(lambda: list_words() == ["QUEUED", "RUNNING"], "it runs")
    gate.touch()
    assert tail.wait() == 0, tail.stderr
    assert list_words() == ["QUEUED", "RUNNING", "COMPLETED", "COMPLETED"]


def test_a_tail_tells_what_a_task_waits_for_and_why_it_was_cancelled(control, work_on_control, start_command):
    work_on_control()
    run = control.approval.run_no_wait()
    tail = start_command("runs", "tail", run.workflow_run_id)
    eventually(lambda: "waits for event 'approved' where input.ok" in tail.stdout, "it tells what it waits for")
    control.plait.runs.cancel(run.workflow_run_id, reason="nobody \x1b[31m cares")
    assert tail.wait() == 1
    assert "nobody \\x1b[31m cares" in tail.stdout


def test_a_tail_tells_of_tasks_that_were_cancelled_before_their_turn(control, execute_here):
    run = control.flaky.run_no_wait()
    control.plait.runs.cancel(run.workflow_run_id)
    code, stdout, _ = execute_here("runs", "tail", run.workflow_run_id)
    words = [line.split()[1:3] for line in stdout.splitlines()]
    assert code == 1
    assert words == [["QUEUED", "steady"], ["CANCELLED", "steady"], ["CANCELLED", "shaky"], ["CANCELLED", "run"]]


def test_a_tree_has_child_runs_below_the_task_that_started_them(control, work_on_control, execute_here):
    work_on_control()
    run = control.family.run_no_wait({"runs": 2, "deep": 1})
    run.result(20)
    code, stdout, stderr = execute_here("runs", "tree", run.workflow_run_id)
    assert code == 0, stderr
    words = [[word for word in line.split() if word[0] not in "├└│✓"] for line in stdout.splitlines()]
    assert [line[0] for line in words] == [
        *("family", "spread", "leaf", "leaf", "leaf", "leaf", "nest"),
        *("family", "spread", "leaf", "leaf", "nest"),
    ]
    shown = json.loads(execute_here("runs", "tree", run.workflow_run_id, "-o", "json")[1])
    spread, nest = shown["tasks"]
    assert [child["workflow"] for child in spread["child_runs"]] == ["leaf", "leaf"]
    [inner] = nest["child_runs"]
    assert [child["workflow"] for child in inner["tasks"][0]["child_runs"]] == ["leaf"]
    assert inner["trigger"] == "PARENT"


def test_what_goes_beyond_depth_and_limit_of_a_tree_is_counted(control, work_on_control, execute_here):
    work_on_control()
    run = control.family.run_no_wait({"runs": 12, "deep": 2})
    run.result(20)

    def read(*arguments):
        code, stdout, stderr = execute_here("runs", "tree", run.workflow_run_id, *arguments)
        assert code == 0
        return stdout, stderr

    everything, hint = read()
    assert "more:" not in everything
    assert "--depth" not in hint
    shallow, hint = read("--depth", "1")
    assert "… 12 more: 12 COMPLETED" in shallow
    assert "… 1 more: 1 COMPLETED" in shallow
    assert "--depth" in hint
    few, _ = read("--limit", "5")
    assert few.count("✓ leaf") == 4
    assert "… 8 more: 8 COMPLETED" in few
    shown = json.loads(read("--depth", "1", "-o", "json")[0])
    assert [task["hidden_child_runs"] for task in shown["tasks"]] == [{"COMPLETED": 12}, {"COMPLETED": 1}]
