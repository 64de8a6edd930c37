"""How results are printed: the same data in each format, colours and pager only where they are welcome."""

import fcntl
import json
import os
import pty
import re
import struct
import termios
from pathlib import Path

import click
import pytest
import yaml

from plait.cli import COMMANDS
from support import launcher

PLAIT = ["-P", "-m", "plait"]

# These print no data of their own: they work until they are stopped, or their text is what is asked for.
WITHOUT_OUTPUT = {"worker", "dev", "serve", "open", "completion", "top", "db sql", "db psql", "workflows graph"}


def list_commands() -> dict[str, click.Command]:
    found = {name: entry.load(name) for name, entry in COMMANDS.items() if not entry.members}
    for name, entry in COMMANDS.items():
        found |= {f"{name} {member}": command.load(member) for member, command in entry.members.items()}
    return found


def list_options(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def in_terminal(arguments: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a command writes to a terminal of ten lines."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 200, 0, 0))
    # pytest-xdist says by these how large its own terminal is.
    environment = {name: value for name, value in environment.items() if name not in ("LINES", "COLUMNS")}
    with open(side, "r+b", buffering=0) as terminal:
        streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
        process = launcher.start([*PLAIT, *arguments], cwd=folder, env=environment, **streams)
    shown = b""
    while True:
        try:
            chunk = os.read(main, 65536)
        except OSError:  # Linux says so when nobody has the terminal open any more
            break
        if not chunk:
            break
        shown += chunk
    os.close(main)
    assert process.wait() == 0, shown
    return shown.decode()


def test_every_command_that_answers_has_the_same_formats():
    for name, command in list_commands().items():
        if name not in WITHOUT_OUTPUT:
            assert {"-o", "--output", "--json"} <= list_options(command), name
            [output] = [parameter for parameter in command.params if parameter.name == "output"]
            assert list(output.type.choices) == ["table", "json", "yaml"], name


def test_every_list_can_be_kept_from_the_pager():
    for name, command in list_commands().items():
        if name.endswith(" list"):
            assert "--no-pager" in list_options(command), name


def test_json_and_yaml_hold_the_same(plait_command):
    plait_command("run", "flows:diamond", "--detach")
    as_json = plait_command("runs", "list", "-o", "json").stdout
    assert json.loads(as_json) == yaml.safe_load(plait_command("runs", "list", "-o", "yaml").stdout)
    assert plait_command("runs", "list", "--json").stdout == as_json


def test_what_follows_something_prints_a_document_for_each_thing(plait_command):
    run_id = json.loads(plait_command("run", "flows:diamond", "--json").stdout)["id"]
    lines = [json.loads(line) for line in plait_command("runs", "tail", run_id, "--json").stdout.splitlines()]
    assert lines == list(yaml.safe_load_all(plait_command("runs", "tail", run_id, "-o", "yaml").stdout))
    assert len(lines) > 4


def test_texts_of_several_lines_stay_readable_in_yaml(execute_here):
    from plait.cli.output import to_yaml  # noqa: PLC0415 - the command line is not there before it is used

    value = {"trace": "first\n  second\n", "n": 10**5000, "odd": "é\x1b[31m", "yes": "no"}
    with_limit_off = to_yaml(value)
    assert "trace: |\n  first\n    second\n" in with_limit_off
    assert "\x1b" not in with_limit_off
    assert str(yaml.safe_load(with_limit_off.replace("0" * 5000, ""))["n"]) == "1"
    assert yaml.safe_load(with_limit_off.replace("0" * 5000, ""))["yes"] == "no"


def test_two_formats_at_once_are_refused(execute_here):
    code, _, stderr = execute_here("runs", "list", "--json", "-o", "yaml")
    assert code == 2
    assert "not both" in stderr


COLOUR = re.compile(r"\x1b\[3\dm")


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_where_there_is_no_terminal(execute_here, monkeypatch, variables, coloured):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _, stdout, stderr = execute_here("doctor", "--database-url", "mysql://x")
    assert bool(COLOUR.search(stdout)) is coloured
    _, _, stderr = execute_here("runs", "shw")
    assert bool(COLOUR.search(stderr)) is coloured


def test_a_list_that_does_not_fit_goes_through_the_pager(project, environment, plait):
    for _ in range(10):
        plait.event.push("some:key", {})
    copy = project / "paged"
    pager = project / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {copy}\n")
    pager.chmod(0o755)
    terminal = {**environment, "TERM": "xterm", "PAGER": str(pager)}
    shown = in_terminal(["events", "list"], project, terminal)
    assert "some:key" not in shown
    assert copy.read_text().count("some:key") == 10
    copy.unlink()
    unpaged = (["events", "list", "--no-pager"], ["--no-pager", "events", "list"], ["events", "list", "--limit", "3"])
    for arguments in unpaged:
        assert "some:key" in in_terminal(arguments, project, terminal)
    assert "some:key" in in_terminal(["events", "list"], project, {**terminal, "PAGER": ""})
    assert not copy.exists()


def test_bulk_orders_show_a_bar_on_a_terminal_and_nothing_elsewhere(plait_command, project, environment):
    plait_command("run", "flows:diamond", "--detach")
    shown = in_terminal(["runs", "cancel", "--all", "--yes"], project, {**environment, "TERM": "xterm"})
    assert re.search(r"cancelling .*1/1", shown)
    done = plait_command("runs", "replay", "--all", "--yes")
    assert done.stdout == "replayed: 1 run\n"
    assert done.stderr == ""


def test_progress_is_told_page_by_page(plait_command, database, control, monkeypatch):
    monkeypatch.setattr("plait.features.run_control.PAGE", 2)
    flow = next(iter(control.plait.declared.values()))
    from plait.features.runs import RunFilter  # noqa: PLC0415 - see above

    for _ in range(5):
        flow.run_no_wait()
    told = []
    control.plait.runs.bulk_cancel(filter=RunFilter(), on_progress=lambda done: told.append((done.matched, done.done)))
    assert told == [(2, 2), (4, 4), (5, 5)]
