"""``plait crons`` and ``plait scheduled``."""

import json

import pytest

NEVER = "0198c0de-7abc-7def-8123-456789abcdef"


@pytest.fixture
def known(plait_command):
    """The workflow ``hello`` is known to the database."""
    assert plait_command("run", "flows:hello", "-o", "json").returncode == 0


@pytest.fixture
def say(execute_here):
    """Runs a command that shall succeed; its standard output."""

    def run(*arguments):
        code, stdout, stderr = execute_here(*arguments)
        assert code == 0, stderr
        return stdout.strip()

    return run


def test_a_cron_from_its_making_to_its_end(known, say):
    options = ("--timezone", "Europe/Berlin", "--catch-up", "all", "--catch-up-bound", "2h", "--metadata", "k=1")
    made = json.loads(say("crons", "create", "hello", "morning", "0 9 * * MON-FRI", "name=me", *options, "-o", "json"))
    assert (made["workflow"], made["expression"], made["timezone"]) == (
        "hello",
        "0 9 * * MON-FRI",
        "Europe/Berlin",
    )
    assert (made["catch_up"], made["catch_up_bound"]) == ("all", 7200)
    assert (made["input"], made["metadata"]) == ({"name": "me"}, {"k": 1})
    assert len(made["next_times"]) == 5
    assert all("T09:00:00+0" in fire for fire in made["next_times"])
    shown = say("crons", "show", made["id"])
    assert "0 9 * * MON-FRI in Europe/Berlin" in shown
    assert "At 09:00" in shown
    assert shown.count("09:00:00 CE") == 5
    assert "all up to 2 h 00 m old" in shown
    assert "in code" not in say("crons", "list")
    assert say("crons", "pause", made["id"]) == f"paused {made['id']}"
    assert "paused" in say("crons", "list")
    assert say("crons", "unpause", made["id"]).startswith(f"unpaused {made['id']}; next at 2")
    run_id = say("crons", "run", made["id"])
    run = json.loads(say("runs", "show", run_id, "-o", "json"))
    assert (run["input"], run["metadata"]["cron_name"]) == ({"name": "me"}, "morning")
    assert say("crons", "delete", made["id"]) == f"deleted {made['id']}"
    assert say("crons", "list") == "no crons"


def test_a_scheduled_run_from_its_making_to_its_end(known, say):
    made = json.loads(say("scheduled", "create", "hello", "2h", '{"name": "you"}', "-o", "json"))
    assert (made["workflow"], made["status"], made["input"]) == ("hello", "SCHEDULED", {"name": "you"})
    assert made["id"] in say("scheduled", "list", "--status", "scheduled")
    assert say("scheduled", "list", "--status", "STARTED") == "no scheduled runs"
    assert "starts at 2999-01-31 08:00:00" in say("scheduled", "update", made["id"], "2999-01-31T08:00")
    assert json.loads(say("scheduled", "list", "-o", "json"))["items"][0]["run_at"].startswith("2999-01-3")
    assert say("scheduled", "delete", made["id"]) == f"deleted {made['id']}"
    assert say("scheduled", "list") == "no scheduled runs"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["crons", "create", "helo", "x", "@daily"], 4, "did you mean 'hello'"),
        (["crons", "create", "hello", "x", "61 * * * *"], 2, "minute '61'"),
        (["crons", "create", "hello", "x", "@daily", "--timezone", "Europe/Brlin"], 2, "did you mean 'Europe/Berlin'"),
        (["crons", "create", "hello", "x", "@daily", "[1]"], 2, "input"),
        (["crons", "show", NEVER], 4, "try: plait crons list"),
        (["crons", "pause", "first"], 2, "not a valid cron id"),
        (["scheduled", "create", "helo", "2h"], 4, "did you mean 'hello'"),
        (["scheduled", "create", "hello", "soon"], 2, "is not a time"),
        (["scheduled", "delete", NEVER], 4, "try: plait scheduled list"),
        (["scheduled", "update", NEVER, "1h"], 4, "there is no scheduled run"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(known, execute_here, arguments, code, words):
    found, stdout, stderr = execute_here(*arguments)
    assert (found, stdout) == (code, "")
    assert stderr.startswith("error: ")
    assert words in stderr
