"""``plait runs cancel`` and ``plait runs replay``."""

import json
import os
import pty
import subprocess
import sys

import pytest

from support.waiting import eventually

NEVER = "0198c0de-7abc-7def-8123-456789abcdef"


@pytest.fixture
def order(execute_here):
    """Runs ``plait runs …`` and returns its exit code and what it printed as JSON."""

    def order(*arguments):
        code, stdout, stderr = execute_here("runs", *arguments, "-o", "json")
        assert stdout, stderr
        return code, json.loads(stdout)

    return order


@pytest.fixture
def failed(control, work_on_control):
    """The id of a run of ``flaky`` that failed, with a worker there for more."""
    work_on_control()
    reference = control.flaky.run_no_wait()
    eventually(lambda: reference.status() == "FAILED", "the run failed")
    return reference.workflow_run_id


def test_runs_are_cancelled_by_id_and_each_is_accounted_for(control, order, execute_here):
    first, second = (control.leaf.run_no_wait().workflow_run_id for _ in range(2))
    code, told = order("cancel", first)
    assert (code, told["done"]) == (0, 1)
    assert control.plait.runs.get_status(first) == "CANCELLED"
    code, stdout, stderr = execute_here("runs", "cancel", first, NEVER, second)
    assert code == 4
    assert stdout.splitlines() == [f"{first}  has ended: CANCELLED", f"{second}  cancelled"]
    assert f"there is no run {NEVER}" in stderr
    assert execute_here("runs", "cancel", NEVER)[0] == 4


def test_a_filter_cancels_what_matches_and_a_dry_run_only_counts(control, order, execute_here):
    leaves = [control.leaf.run_no_wait(additional_metadata={"batch": n % 2}) for n in range(5)]
    control.flaky.run_no_wait()
    assert order("cancel", "--workflow", "leaf", "--dry-run") == (
        0,
        {"matched": 5, "done": 0, "dry_run": True, "next": None},
    )
    assert {leaf.status() for leaf in leaves} == {"QUEUED"}
    assert execute_here("runs", "cancel", "--workflow", "leaf", "--metadata", "batch=1", "--dry-run")[1] == (
        "would cancel 2 runs\n"
    )
    assert order("cancel", "--workflow", "leaf", "--metadata", "batch=1")[1]["done"] == 2
    assert [leaf.status() for leaf in leaves] == ["QUEUED", "CANCELLED"] * 2 + ["QUEUED"]
    assert order("cancel", "--until", "1h")[1]["matched"] == 0
    assert order("cancel", "--status", "running")[1]["matched"] == 0
    assert order("cancel", "--all", "--since", "1h")[1] == {"matched": 4, "done": 4, "dry_run": False, "next": None}
    assert execute_here("runs", "cancel", "--all")[:2] == (0, "no run matches\n")


def test_one_task_is_cancelled_and_the_run_goes_on(control, work_on_control, execute_here):
    reference = control.flaky.run_no_wait()
    code, stdout, _ = execute_here("runs", "cancel", reference.workflow_run_id, "--task", "shaky")
    assert (code, "a worker will cancel task shaky" in stdout) == (0, True)
    work_on_control()
    eventually(lambda: reference.status() == "CANCELLED", "the run ended")
    tasks = control.plait.runs.get_details(reference.workflow_run_id).tasks
    assert [task.status for task in tasks.values()] == ["COMPLETED", "CANCELLED"]
    code, _, stderr = execute_here("runs", "cancel", reference.workflow_run_id, "--task", "shakey")
    assert (code, "did you mean 'shaky'" in stderr) == (4, True)
    assert f"try: plait runs show {reference.workflow_run_id}" in stderr


def test_a_failed_run_is_replayed_and_what_completed_is_kept(control, failed, order, gate):
    assert "would be replayed" in order("replay", failed, "--dry-run")[1]["runs"][0]["outcome"]
    assert control.plait.runs.get_status(failed) == "FAILED"
    gate.touch()
    code, told = order("replay", failed)
    assert (code, told["runs"][0]["replayed_as"]) == (0, failed)
    assert control.plait.runs.get_run_ref(failed).result(20) == {"steady": 1, "shaky": 1}


def test_completed_tasks_are_replayed_only_when_asked_for(control, failed, order, execute_here, gate):
    gate.touch()
    order("replay", failed)
    reference = control.plait.runs.get_run_ref(failed)
    reference.result(20)
    code, stdout, stderr = execute_here("runs", "replay", failed)
    assert (code, stdout, "try: --from-start, or --task NAME" in stderr) == (1, "", True)
    assert "cannot be replayed" in order("replay", failed, "--dry-run")[1]["runs"][0]["outcome"]
    assert order("replay", failed, "--task", "shaky")[0] == 0
    assert reference.result(20)["steady"] == 1
    code, _, stderr = execute_here("runs", "replay", failed, "--task", "shakey")
    assert (code, f"try: plait runs show {failed}" in stderr) == (4, True)
    assert order("replay", failed, "--from-start")[0] == 0
    assert reference.result(20)["steady"] > 1


def test_another_input_starts_a_new_run(control, work_on_control, execute_here, order, project):
    work_on_control()
    first = control.orders.run_no_wait(control.Order(amount=1))
    first.result(20)
    (project / "order.json").write_text('{"amount": 3}')
    for source, amount in (('{"amount": 2}', 2), ("@order.json", 3)):
        told = order("replay", first.workflow_run_id, "--input", source)[1]
        new = told["runs"][0]["replayed_as"]
        assert new != first.workflow_run_id
        assert control.plait.runs.get_run_ref(new).result(20)["check"] == amount
        assert control.plait.runs.get(new).trigger == "REPLAY"
    assert execute_here("runs", "replay", first.workflow_run_id, "--input", "{")[0] == 2


def test_a_filter_replays_what_failed_and_an_active_run_is_refused(control, failed, order, execute_here, gate):
    held = control.held.run_no_wait()
    eventually(lambda: held.status() == "RUNNING", "it runs")
    code, _, stderr = execute_here("runs", "replay", held.workflow_run_id)
    assert (code, f"try: plait runs wait {held.workflow_run_id}" in stderr) == (1, True)
    code, told = order("replay", held.workflow_run_id, failed, NEVER)
    assert (code, told["done"]) == (4, 1)
    assert ["error" in run for run in told["runs"]] == [True, False, True]
    eventually(lambda: control.plait.runs.get_status(failed) == "FAILED", "it failed again")
    assert order("replay", "--all", "--dry-run")[1]["matched"] == 1
    gate.touch()
    assert order("replay", "--workflow", "flaky", "--status", "failed")[1]["done"] == 1
    assert control.plait.runs.get_run_ref(failed).result(20)["shaky"] == 1
    assert order("replay", "--workflow", "flaky")[1]["matched"] == 0


def answer_on_terminal(project, env, answer, *arguments):
    """The exit code of ``plait`` on a terminal where somebody types ``answer``, and what was shown."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "plait", *arguments],
        cwd=project,
        env={"TERM": "xterm", **env},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    stdout, _ = process.communicate(timeout=60)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    return process.returncode, stdout.decode(), shown.decode()


def test_on_a_terminal_it_asks_back_before_it_cancels_many(control, project, environment):
    runs = [control.leaf.run_no_wait() for _ in range(2)]
    code, stdout, shown = answer_on_terminal(project, environment, "n\n", "runs", "cancel", "--all")
    assert (code, stdout) == (1, "")
    assert "cancel 2 runs, with their child runs? [y/N]" in shown
    assert "nothing was changed" in shown
    assert {run.status() for run in runs} == {"QUEUED"}
    code, stdout, _ = answer_on_terminal(project, environment, "y\n", "runs", "cancel", "--all")
    assert (code, stdout) == (0, "cancelled, child runs included: 2 runs\n")
    last = control.leaf.run_no_wait()
    code, _, shown = answer_on_terminal(project, environment, "", "runs", "cancel", "--all", "--yes")
    assert (code, last.status()) == (0, "CANCELLED")
    assert "[y/N]" not in shown


@pytest.mark.parametrize("command", ["cancel", "replay"])
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["latest"],
        [NEVER, "latest"],
        [NEVER, "--all"],
        [NEVER, "--workflow", "leaf"],
        ["--task", "a", "--all"],
        ["--status", "COMPLETED"],
        ["--since", "soon"],
        ["--metadata", "none"],
        ["--workflow", "\udcff"],
        ["--metadata", "a=\udcff"],
        ["--all", "--metadata", 'a="\\u0000"'],
    ],
)
def test_an_order_that_is_not_clear_is_a_usage_error_and_changes_nothing(control, execute_here, command, arguments):
    run = control.leaf.run_no_wait()
    code, stdout, stderr = execute_here("runs", command, *arguments)
    assert (code, stdout) == (2, ""), stderr
    assert stderr.startswith("error: ")
    assert run.status() == "QUEUED"


def test_a_malformed_id_keeps_the_runs_before_it_as_they_are(control, execute_here):
    run = control.leaf.run_no_wait()
    assert execute_here("runs", "cancel", run.workflow_run_id, "latest")[:2] == (2, "")
    assert run.status() == "QUEUED"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--input", "{}", "--from-start"],
        ["--input", "{}", "--task", "check"],
        ["--input", "{}", "--dry-run"],
        ["--input", "{"],
        ["--input", "@nowhere.json"],
    ],
)
def test_options_of_replay_that_do_not_go_together_are_refused(control, execute_here, arguments):
    run = control.orders.run_no_wait().workflow_run_id
    assert execute_here("runs", "replay", run, *arguments)[0] == 2
