"""``plait config show``, and options that settings decide."""

import json

from plait.settings import SETTINGS


def write(project, *lines):
    (project / "pyproject.toml").write_text("\n".join(["[tool.plait]", *lines]))


def show(execute_here, *arguments):
    code, stdout, stderr = execute_here("config", "show", "--json", *arguments)
    return code, {entry["name"]: entry for entry in json.loads(stdout)}, stderr


def test_it_shows_every_setting_and_who_says_so(execute_here, project, monkeypatch):
    write(project, "worker_slots = 7", 'retention = "30d"')
    monkeypatch.setenv("PLAIT_RETENTION", "1d12h")
    code, found, stderr = show(execute_here)
    assert (code, stderr) == (0, "")
    assert list(found) == list(SETTINGS)
    assert (found["worker_slots"]["value"], found["worker_slots"]["origin"]) == (7, str(project / "pyproject.toml"))
    assert (found["retention"]["value"], found["retention"]["origin"]) == ("1d12h", "PLAIT_RETENTION")
    assert (found["worker_grace"]["value"], found["worker_grace"]["place"]) == ("30s", "default")
    assert found["database_url"]["origin"] == "DATABASE_URL"


def test_passwords_and_tokens_are_hidden_in_every_format(execute_here, monkeypatch):
    monkeypatch.setenv("PLAIT_DATABASE_URL", "postgresql://me:hush-hush@host/db")
    monkeypatch.setenv("PLAIT_SERVER_TOKEN", "hush-hush")
    for output in ("table", "json", "yaml"):
        _, stdout, stderr = execute_here("config", "show", "-o", output)
        assert "hush" not in stdout + stderr
        assert "postgresql://me:***@host/db" in stdout
    _, stdout, _ = execute_here("config", "show", "--database-url", "postgresql://you:hush@else/db", "database_url")
    assert "you:***@else" in stdout
    assert "--database-url" in stdout


def test_only_what_is_set_and_only_what_is_named(execute_here, project):
    write(project, "debug = false")
    assert list(show(execute_here, "--set")[1]) == ["database_url", "debug"]
    assert list(show(execute_here, "retention")[1]) == ["retention"]
    code, _, stderr = execute_here("config", "show", "retenton")
    assert code == 2
    assert "did you mean 'retention'?" in stderr


def test_what_is_wrong_is_told_once_beside_what_is_right(execute_here, project, monkeypatch):
    monkeypatch.setenv("PLAIT_WORKER_SLOTS", "many")
    monkeypatch.setenv("PLAIT_WORKER_SLOT", "3")
    code, found, stderr = show(execute_here)
    assert code == 2
    assert set(SETTINGS) - set(found) == {"worker_slots"}
    assert "PLAIT_WORKER_SLOTS='many' is wrong" in stderr
    assert "PLAIT_WORKER_SLOT is set, but Plait has no such setting (did you mean 'PLAIT_WORKER_SLOTS'?)" in stderr
    write(project, "worker-slots = 3")
    monkeypatch.delenv("PLAIT_WORKER_SLOTS")
    code, _, stderr = show(execute_here)
    assert code == 2
    assert stderr.count("no setting 'worker-slots'") == 1


def test_a_wrong_setting_ends_a_command_with_the_way_out(execute_here, project):
    write(project, 'retention = "30"', "worker_slot = 1")
    code, stdout, stderr = execute_here("worker", "flows:plait")
    assert code == 2
    assert stdout == ""
    assert "no setting 'worker_slot' (did you mean 'worker_slots'?)" in stderr
    assert "try: plait config show" in stderr


def test_a_worker_takes_what_its_options_leave_out_from_the_settings(project, start_command, plait_command):
    write(project, "worker_slots = 3", 'worker_name = "night"')
    start_command("worker", "flows:plait", env={"PLAIT_WORKER_PROCESSES": "2"}).wait_for("serving", times=2)
    workers = json.loads(plait_command("workers", "list", "--json").stdout)["items"]
    assert sorted((worker["name"], worker["slots"]) for worker in workers) == [("night-1", 3), ("night-2", 3)]


def test_an_option_wins_over_the_settings(project, start_command, plait_command):
    write(project, "worker_slots = 3")
    start_command("worker", "flows:plait", "--slots", "5").wait_for("serving")
    assert [worker["slots"] for worker in json.loads(plait_command("workers", "list", "--json").stdout)["items"]] == [5]


def test_plait_run_logs_less_than_the_default_unless_it_is_told_to(plait_command):
    assert " INFO " not in plait_command("run", "flows:diamond").stderr
    told = plait_command("run", "flows:diamond", env={"PLAIT_LOG_LEVEL": "info"})
    assert " INFO " in told.stderr
    assert told.returncode == 0
