"""``plait events`` and ``plait filters``."""

import json

import pytest

from support.waiting import eventually

NEVER = "0198c0de-7abc-7def-8123-456789abcdef"


@pytest.fixture
def push(execute_here):
    """Pushes an event by the command; the event as it printed it."""

    def push(*arguments):
        code, stdout, stderr = execute_here("events", "push", "-o", "json", *arguments)
        assert code == 0, stderr
        return json.loads(stdout)

    return push


def test_an_event_that_was_pushed_is_listed_and_shown_with_the_runs_it_started(
    control, work_on_control, execute_here, push
):
    work_on_control()
    code, stdout, stderr = execute_here("events", "push", "order:new", "amount=5", "--metadata", "who=me")
    assert code == 0
    event_id = stdout.strip()
    assert f"plait events show {event_id}" in stderr

    def look():
        shown = json.loads(execute_here("events", "show", event_id, "-o", "json")[1])
        return shown if shown["runs"]["items"] and shown["runs"]["items"][0]["status"] == "COMPLETED" else None

    shown = eventually(look, "the run it started completed")
    assert (shown["key"], shown["payload"], shown["delivered"]) == ("order:new", {"amount": 5}, True)
    [run] = shown["runs"]["items"]
    assert (run["workflow"], run["metadata"], run["trigger"]) == ("orders", {"who": "me"}, "EVENT")
    text = execute_here("events", "show", event_id)[1]
    assert run["id"] in text
    assert '"amount": 5' in text
    assert f"started by event {event_id}" in execute_here("runs", "show", run["id"])[1]

    push("other", "{}", "--scope", "s")

    def list_keys(*arguments):
        code, stdout, stderr = execute_here("events", "list", "-o", "json", *arguments)
        assert code == 0, stderr
        return [event["key"] for event in json.loads(stdout)["items"]]

    assert list_keys() == ["other", "order:new"]
    assert list_keys("--key", "other") == ["other"]
    assert list_keys("--scope", "s") == ["other"]
    assert list_keys("--limit", "1") == ["other"]
    assert list_keys("--since", "2999-01-01") == []
    assert list_keys("--until", "2000-01-01") == []
    table = execute_here("events", "list", "--limit", "1")
    assert table[1].splitlines()[0].split() == ["EVENT", "KEY", "SCOPE", "PUSHED", "PAYLOAD"]
    assert "--before" in table[2]


def test_a_payload_comes_as_json_from_a_file_from_stdin_or_by_fields(push, plait_command, project):
    (project / "order.json").write_text('{"a": [1, {"b": null}]}')
    assert push("k", '{"a": 1}')["payload"] == {"a": 1}
    assert push("k", "@order.json")["payload"] == {"a": [1, {"b": None}]}
    assert push("k", "@order.json", "a=2", "c=text")["payload"] == {"a": 2, "c": "text"}
    assert push("k", "n=1", "t=one two", 'o={"x":[1]}')["payload"] == {"n": 1, "t": "one two", "o": {"x": [1]}}
    assert push("k")["payload"] == {}
    done = plait_command("events", "push", "k", "-", "-o", "json", stdin='{"from": "stdin"}')
    assert json.loads(done.stdout)["payload"] == {"from": "stdin"}


def test_what_nobody_delivered_yet_says_so(execute_here, push):
    event = push("k")
    assert event["delivered"] is False
    code, stdout, stderr = execute_here("events", "show", event["id"])
    assert (code, "not delivered yet" in stdout) == (0, True)
    assert "plait workers list" in stderr


def test_an_empty_list_says_how_to_push(execute_here):
    assert execute_here("events", "list")[:2] == (0, "no events\n")
    assert execute_here("filters", "list")[:2] == (0, "no filters\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["k", "{"],
        ["k", "[1]"],
        ["k", '"text"'],
        ["k", "7"],
        ["k", "NaN"],
        ["k", '{"a": NaN}'],
        ["k", '{"a": 1e400}'],
        ["k", "{}", "nofield"],
        ["k", "[1]", "a=1"],
        ["k", "=1"],
        ["k", "@nowhere.json"],
        ["k", "@."],
        ["k", '{"a": "\\u0000"}'],
        ["k", '{"a": "\\ud800"}'],
        ["k", "[" * 1000 + "]" * 1000],
        ["k", '{"a": ' + "1" * 5000 + "}"],
        ["k", "a=\udcff"],
        ["\udcff"],
        [""],
        ["x" * 8192],
        ["k", "--scope", "\udcff"],
        ["k", "--scope", ""],
        ["k", "--priority", "4"],
        ["k", "--metadata", "none"],
    ],
)
def test_a_bad_push_is_a_usage_error_and_stores_nothing(execute_here, database, arguments):
    code, stdout, stderr = execute_here("events", "push", *arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("error: ")
    assert database.count("event") == 0


def test_what_is_shown_of_an_event_cannot_move_the_cursor(execute_here, push):
    # click takes colours out where there is no terminal, so it takes other characters to see what `clean` does.
    event = push("k\u202e\x1b[31m", '{"a": "\\u001b[2J \\u202e"}', "--scope", "s\u202e\x1b")
    for arguments in (["list"], ["show", event["id"]]):
        text = execute_here("events", *arguments)[1]
        assert "\x1b" not in text
        assert "\u202e" not in text


@pytest.mark.parametrize(
    "arguments",
    [["--key", "\udcff"], ["--scope", "\udcff"], ["--since", "soon"], ["--limit", "0"], ["--before", "x"]],
)
def test_bad_filters_of_a_list_are_usage_errors(execute_here, arguments):
    code, stdout, stderr = execute_here("events", "list", *arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("error: ")


def test_unknown_and_malformed_event_ids(execute_here):
    code, _, stderr = execute_here("events", "show", NEVER)
    assert (code, "try: plait events list" in stderr) == (4, True)
    assert execute_here("events", "show", "latest")[0] == 2


def test_a_filter_is_made_listed_and_deleted(control, execute_here, database):
    control.orders.run_no_wait()
    making = ["filters", "create", "orders", "least=10", "--scope", "shop", "--expression"]
    code, stdout, stderr = execute_here(*making, "input.amount > payload.least")
    assert code == 0, stderr
    filter_id = stdout.strip()
    [listed] = json.loads(execute_here("filters", "list", "-o", "json", "--workflow", "orders", "--scope", "shop")[1])[
        "items"
    ]
    assert (listed["id"], listed["payload"], listed["declared"]) == (filter_id, {"least": 10}, False)
    assert "input.amount > payload.least" in execute_here("filters", "list")[1]
    assert json.loads(execute_here("filters", "list", "-o", "json", "--workflow", "x")[1])["items"] == []
    assert execute_here("filters", "delete", filter_id)[:2] == (0, f"deleted {filter_id}\n")
    assert database.count("filter") == 0
    code, _, stderr = execute_here("filters", "delete", filter_id)
    assert (code, "try: plait filters list" in stderr) == (4, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["order", "--scope", "s", "--expression", "true"], 4),
        (["orders", "--scope", "s", "--expression", "imput.a"], 2),
        (["orders", "--scope", "s", "--expression", "input.a =="], 2),
        (["orders", "--scope", " ", "--expression", "true"], 2),
        (["orders", "--scope", "s", "--expression", "input.a == '\udcff'"], 2),
        (["orders", "[1]", "--scope", "s", "--expression", "true"], 2),
        (["orders", "--scope", "s"], 2),
        (["\udcff", "--scope", "s", "--expression", "true"], 2),
    ],
)
def test_a_bad_filter_is_refused(control, execute_here, database, arguments, expected):
    control.orders.run_no_wait()
    code, stdout, stderr = execute_here("filters", "create", *arguments)
    assert (code, stdout) == (expected, ""), stderr
    assert stderr.startswith("error: ")
    assert database.count("filter") == 0
