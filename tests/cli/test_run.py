"""``plait run``: input, output, exit codes."""

import json
import signal

import pytest


def test_stdout_is_exactly_the_result_and_stderr_the_progress(plait_command):
    done = plait_command("run", "flows.py:diamond", "n=3")
    assert done.returncode == 0, done.stderr
    assert done.stdout == '{"top": 3, "left": 4, "right": 6, "bottom": 10}\n'
    assert "printed by a task" in done.stderr
    assert "printed by a subprocess" in done.stderr
    assert "COMPLETED  bottom" in done.stderr
    assert "RETRIED    right  ValueError: not at first" in done.stderr


@pytest.mark.parametrize("target", ["flows.py:hello", "flows:hello", "flows:plait"])
def test_a_standalone_prints_its_own_output_with_exact_integers(plait_command, target):
    done = plait_command("run", target, "--workflow", "hello", "name=Ada")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f'{{"hello": "Ada", "big": {2**70}, "input": {{"name": "Ada"}}}}\n'


def test_input_from_json_a_file_stdin_and_pairs(plait_command, project):
    (project / "input.json").write_text('{"name": "file", "deep": [1, {"x": null}]}')

    def read_back(*arguments, **options):
        done = plait_command("run", "flows:hello", *arguments, **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["input"]

    assert read_back("-i", f'{{"name": "é✓", "n": {10**30}}}') == {"name": "é✓", "n": 10**30}
    assert read_back("-f", "input.json", "name=pair") == {"name": "pair", "deep": [1, {"x": None}]}
    assert read_back("-f", "-", stdin='{"name": "stdin"}') == {"name": "stdin"}
    assert read_back("n=7", "t=true", "s=seven", "e=", 'q="7"', "f=NaN", "a=b=c") == {
        "n": 7, "t": True, "s": "seven", "e": "", "q": "7", "f": "NaN", "a": "b=c",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["n=x"], "input.n"),
        (["-i", "{"], "JSON"),
        (["-i", "{", "n=1"], "-i"),
        (["-i", "[1]", "n=1"], "is not a JSON object"),
        (["-i", "{}", "-f", "x"], "not both"),
        (["-f", "missing.json"], "there is no file missing.json"),
        (["pair"], "key=value"),
        (["--metadata", "x"], "key=value"),
        (["--priority", "4"], "priority"),
        (["--timeout", "-3s"], "--timeout"),
        (["--timeout", "soon"], "--timeout"),
        (["-i", '{"n": NaN}'], "input.n"),
        (["m=3"], "input has no field 'm'"),
        (["-i", "{}", "n=1", "count=3"], "input has no field 'count'"),
        (["--n", "3"], "write an input as n=3"),
        (["--n=a b"], "write an input as n='a b'"),
        (["--m", "3"], "No such option"),
    ],
)
def test_a_bad_input_exits_with_2_and_starts_nothing(execute_here, database, arguments, says):
    code, stdout, stderr = execute_here("run", "flows.py:diamond", *arguments)
    assert code == 2, stderr
    assert stdout == ""
    assert says in stderr
    assert "Traceback" not in stderr
    assert database.count("run") == 0


def test_a_failed_run_exits_with_1_and_leaves_stdout_empty(plait_command):
    done = plait_command("run", "flows.py:failing")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "FAILED     explode" in done.stderr
    assert "ValueError: boom" in done.stderr
    assert "try: plait runs show" in done.stderr
    assert "\x1b" not in done.stderr, "an escape of the error's text must not reach the terminal"


def test_output_json_is_an_object_whatever_happens(plait_command):
    good = json.loads(plait_command("run", "flows:hello", "-o", "json").stdout)
    assert (good["status"], good["workflow"], good["output"]["hello"]) == ("COMPLETED", "hello", "world")
    done = plait_command("run", "flows:failing", "-o", "json")
    bad = json.loads(done.stdout)
    assert done.returncode == 1
    assert (bad["status"], bad["workflow"]) == ("FAILED", "failing")
    assert [(error["task"], error["type"]) for error in bad["errors"]] == [("explode", "ValueError")]
    assert len(bad["id"]) == 36


def test_an_unreachable_database_exits_with_3_and_hides_the_password(plait_command):
    done = plait_command("run", "flows:hello", "--database-url", "postgresql://me:secret@127.0.0.1:1/db")
    assert done.returncode == 3
    assert "not available" in done.stderr
    assert "try: plait doctor" in done.stderr
    assert "secret" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(plait_command):
    done = plait_command("run", "flows:hello", "--debug", "--database-url", "postgresql://127.0.0.1:1/db")
    assert done.returncode == 3
    assert "Traceback" in done.stderr


def test_the_option_wins_over_the_url_that_the_code_names(plait_command, project, database, environment):
    text = (project / "flows.py").read_text()
    (project / "flows.py").write_text(text.replace("Plait()", "Plait('postgresql://127.0.0.1:1/nowhere')"))
    assert plait_command("run", "flows:hello").returncode == 3
    assert plait_command("--database-url", database.url, "run", "flows:hello").returncode == 0
    assert plait_command("run", "flows:hello", "--database-url", database.url).returncode == 0


def test_a_timeout_exits_with_124_and_the_run_goes_on_later(plait_command, database, gate):
    done = plait_command("run", "flows:gated", "--timeout", "1s", "-o", "json")
    assert done.returncode == 124
    assert "plait worker flows:gated" in done.stderr
    run = json.loads(done.stdout)
    assert run["status"] in ("QUEUED", "RUNNING")
    assert f"plait runs show {run['id']}" in done.stderr
    gate.touch()
    assert plait_command("run", "flows:gated").returncode == 0  # its worker takes up what was left, too
    database.wait_ended(1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_hands_back_and_says_how_to_go_on(start_command, database, gate, number, code):
    command = start_command("run", "flows:gated")
    command.wait_for("RUNNING    wait")
    command.send(number)
    assert command.wait() == code
    assert command.stdout == ""
    assert "is durable" in command.stderr
    assert "plait worker flows:gated" in command.stderr
    # Handed back, not abandoned: no lease has to run out first, and no retry was spent.
    assert database.count("running") == 0
    assert database.value("SELECT status FROM plait.attempt ORDER BY task DESC LIMIT 1") == -1


def test_a_run_for_workers_elsewhere_says_that_none_is_there_and_an_interrupt_promises_nothing(start_command):
    command = start_command("run", "flows.py:hello", "--no-worker")
    command.wait_for(
        "task 'hello' waits: no live worker has this task's code; to start one: plait worker flows.py:hello"
    )
    command.send(signal.SIGINT)
    assert command.wait() == 130
    assert "handing back" not in command.stderr
    assert "is not lost: it is durable and goes on where a worker serves it" in command.stderr


def test_detach_prints_the_id_and_a_waiter_gets_the_result_of_a_worker_elsewhere(
    plait_command, start_command, database
):
    detached = plait_command("run", "flows:hello", "name=far", "--detach", "--metadata", "team=a", "--priority", "3")
    assert detached.returncode == 0, detached.stderr
    run_id = detached.stdout.strip()
    assert f"plait runs show {run_id}; it runs where a worker serves it: plait worker flows:hello" in detached.stderr
    assert database.query("SELECT id::text, priority, metadata FROM plait.run") == [(run_id, 3, {"team": "a"})]
    assert database.count("ready") == 1, "nobody works on it here"
    start_command("worker", "flows:plait").wait_for("serving")
    done = plait_command("run", "flows:hello", "name=near", "--no-worker")
    assert json.loads(done.stdout)["hello"] == "near"
    database.wait_ended(2)


def test_output_table_prints_the_tree_without_a_terminal(plait_command):
    done = plait_command("run", "flows:diamond", "-o", "table")
    assert done.returncode == 0
    assert "✓ bottom" in done.stdout
    assert "← left, right" in done.stdout
    plain = plait_command("run", "flows:diamond", "-o", "table", env={"PYTHONIOENCODING": "ascii"})
    assert plain.returncode == 0, plain.stderr
    assert "+ bottom" in plain.stdout
