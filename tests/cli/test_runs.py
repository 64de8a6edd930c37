"""``plait runs``."""

import json

import pytest

NEVER = "0198c0de-7abc-7def-8123-456789abcdef"


@pytest.fixture
def failed_run(plait_command):
    return json.loads(plait_command("run", "flows:failing", "-o", "json").stdout)["id"]


def test_list_filters_and_pages(plait_command, execute_here, failed_run):
    done = json.loads(plait_command("run", "flows:hello", "-o", "json").stdout)["id"]

    def list_ids(*arguments):
        code, stdout, stderr = execute_here("runs", "list", "-o", "json", *arguments)
        assert code == 0, stderr
        return [run["id"] for run in json.loads(stdout)["items"]]

    assert list_ids() == [done, failed_run]
    assert list_ids("--status", "failed") == [failed_run]
    assert list_ids("--status", "FAILED", "--status", "COMPLETED") == [done, failed_run]
    assert list_ids("--workflow", "hello") == [done]
    assert list_ids("--limit", "1") == [done]
    assert list_ids("--before", done) == [failed_run]
    assert list_ids("--since", "1h") == [done, failed_run]
    assert list_ids("--since", "2999-01-01") == []
    table = plait_command("runs", "list", "--limit", "1")
    assert table.stdout.splitlines()[0].split() == ["RUN", "WORKFLOW", "STATUS", "STARTED", "TOOK"]
    assert f"--before {done}" in table.stderr


def test_an_empty_list_says_how_to_make_a_run(plait_command):
    done = plait_command("runs", "list")
    assert (done.returncode, done.stdout) == (0, "no runs\n")
    assert "plait run" in done.stderr


@pytest.mark.parametrize("arguments", [["--status", "DONE"], ["--since", "soon"], ["--limit", "0"], ["--before", "x"]])
def test_bad_filters_are_usage_errors(execute_here, arguments):
    code, stdout, stderr = execute_here("runs", "list", *arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("error: ")


def test_show_has_the_tree_the_attempts_the_error_and_the_input(plait_command, failed_run):
    done = plait_command("runs", "show", failed_run, "--input")
    assert done.returncode == 0, done.stderr
    assert "input {}" in done.stdout
    assert "✗ explode" in done.stdout
    assert "⊘ never" in done.stdout
    assert "parent 'explode' failed" in done.stdout
    assert 'raise ValueError("boom' in done.stdout
    assert "\x1b" not in done.stdout


def test_show_as_json_has_every_attempt(plait_command):
    run = json.loads(plait_command("run", "flows:diamond", "-o", "json").stdout)["id"]
    shown = json.loads(plait_command("runs", "show", run, "-o", "json").stdout)
    assert (shown["status"], shown["input"]) == ("COMPLETED", {"n": 1})
    tasks = {task["name"]: task for task in shown["tasks"]}
    assert list(tasks) == ["top", "left", "right", "bottom"]
    assert [attempt["outcome"] for attempt in tasks["right"]["attempts"]] == ["RETRIED", "COMPLETED"]
    assert tasks["right"]["attempts"][0]["error"]["message"] == "not at first"
    assert tasks["bottom"]["output"] == 4
    assert tasks["bottom"]["parents"] == ["left", "right"]


def test_unknown_and_malformed_ids(plait_command):
    unknown = plait_command("runs", "show", NEVER)
    assert unknown.returncode == 4
    assert "try: plait runs list" in unknown.stderr
    malformed = plait_command("runs", "show", "latest")
    assert malformed.returncode == 2
    assert "run ids look like" in malformed.stderr


def test_a_reader_that_stops_reading_is_no_error(plait_command, project, environment, failed_run):
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "plait", "runs", "show", failed_run, "-o", "json"],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert errors == b""


@pytest.mark.parametrize("command", ["show", "wait", "cancel"])
def test_the_end_of_an_id_as_the_dashboard_shows_it_is_told_where_the_whole_is(execute_here, command):
    code, stdout, stderr = execute_here("runs", command, "932b2030")
    assert (code, stdout) == (2, "")
    assert "'932b2030' is not a valid run id" in stderr
    assert "try: the whole id, as plait runs list prints it: the dashboard shows only its end" in stderr
    assert "try:" not in execute_here("runs", command, "latest")[2]
