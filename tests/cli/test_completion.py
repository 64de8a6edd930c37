"""What a shell is offered when somebody presses the tab key."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys

import click
import pytest

from plait.cli import COMMANDS, completing
from support import launcher
from support.waiting import eventually

PLAIT = ["-P", "-m", "plait"]


@pytest.fixture
def complete(project, environment):
    """Completes a line as bash asks for it: a list of what is offered."""

    def ask(line: str, **more: str) -> list[str]:
        words = line.split(" ")
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_PLAIT_COMPLETE": "bash_complete"}
        done = launcher.run(PLAIT, cwd=project, env={**environment, **asked, **more})
        assert (done.returncode, done.stderr) == (0, "")
        return [item.partition(",")[2] for item in done.stdout.split()]

    return ask


def ask_again(complete, words, **variables):
    """What is offered, asked for again as long as the database takes longer than a completion waits for it."""
    return eventually(lambda: complete(words, **variables), words)


def test_commands_options_and_choices(complete):
    assert complete("plait ru") == ["run", "runs"]
    assert complete("plait runs re") == ["replay"]
    assert complete("plait runs list --st") == ["--status"]
    assert complete("plait completion ") == ["bash", "zsh", "fish"]
    assert complete("plait config show worker_sl") == ["worker_slots"]


def test_ids_and_names_come_from_the_database(complete, plait_command):
    run_id = json.loads(plait_command("run", "flows:diamond", "--json").stdout)["id"]
    assert ask_again(complete, "plait runs show ") == [run_id]
    assert ask_again(complete, f"plait runs cancel {run_id[:8]}") == [run_id]
    assert complete("plait runs show zzz") == []
    assert ask_again(complete, "plait runs list --workflow dia") == ["diamond"]
    assert len(ask_again(complete, "plait workers show ")) == 1
    made = plait_command("crons", "create", "diamond", "nightly", "@daily").stdout.strip()
    assert ask_again(complete, "plait crons pause ") == [made]


@pytest.mark.parametrize("option", ["plait --database-url {} runs show ", "plait runs show --database-url {} "])
def test_the_database_of_the_command_line_is_asked(complete, plait_command, environment, option):
    run_id = plait_command("run", "flows:diamond", "--detach").stdout.strip()
    url = environment["DATABASE_URL"]
    assert ask_again(complete, option.format(url), DATABASE_URL="postgresql://127.0.0.1:1/none") == [run_id]


def test_a_database_that_does_not_answer_offers_nothing_and_says_nothing(complete):
    assert complete("plait runs show ", DATABASE_URL="postgresql://127.0.0.1:1/none") == []
    assert complete("plait runs show ", DATABASE_URL="mysql://x") == []
    assert complete("plait runs show ", PLAIT_WORKER_SLOTS="many") == []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/none"
        assert complete("plait runs show ", DATABASE_URL=url) == []


def test_an_embedded_server_that_does_not_run_is_not_started(complete, project):
    assert complete("plait runs show ", DATABASE_URL="") == []
    assert list((project / ".plait").iterdir()) == []


def test_a_look_at_the_database_ends_when_its_time_is_over(database, monkeypatch):
    monkeypatch.setattr(completing, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr("logging.disable", lambda: None)
    monkeypatch.setenv("DATABASE_URL", database.url)

    async def look_too_long(plait):
        for _ in range(100):
            await asyncio.sleep(0)
        return [("late", "")]

    command = click.Command("show", params=[click.Argument(["run_id"])])
    complete = completing.complete_from(look_too_long)
    assert complete(click.Context(command), command.params[0], "") == []
    monkeypatch.setattr(completing, "LOOK_SECONDS", 60.0)
    [found] = complete(click.Context(command), command.params[0], "")
    assert found.value == "late"


def test_every_id_and_every_workflow_completes(monkeypatch):
    """A parameter of a known name has a completer, in whatever command it stands."""
    monkeypatch.setattr("plait.cli.completing._ask", lambda _context, _look: [("found", "")])
    names = {"run_id", "run_ids", "cron_id", "cron_ids", "worker_id", "event_id", "scheduled_id", "scheduled_ids"}
    names |= {"filter_ids", "workflow"}
    for group, entry in COMMANDS.items():
        for name, member in entry.members.items() or [(group, entry)]:
            command = member.load(name)
            for parameter in command.params:
                if parameter.name in names and name != "run":  # of plait run the workflow is one of the TARGET
                    found = parameter.shell_complete(click.Context(command), "")
                    assert [item.value for item in found] == ["found"], (group, name, parameter.name)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_understands(execute_here, tmp_path, shell):
    code, script, _ = execute_here("completion", shell)
    assert code == 0
    assert f"_PLAIT_COMPLETE={shell}_complete" in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(script)
    assert subprocess.run([program, "-n", str(path)], capture_output=True, check=False).returncode == 0


def test_bash_completes_with_the_script(execute_here, project, environment, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    code, script, _ = execute_here("completion", "bash")
    assert code == 0
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "plait"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {" ".join(PLAIT)} "$@"\n')
    command.chmod(0o755)
    ask = f'{script}\nCOMP_WORDS=(plait doc)\nCOMP_CWORD=1\n_plait_completion plait\necho "${{COMPREPLY[@]}}"\n'
    env = {**environment, "PATH": f"{folder}:{environment['PATH']}"}
    done = subprocess.run([bash, "--norc", "-c", ask], cwd=project, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["doctor"]
