"""The pages that are written from the code, and the examples that stand in the help."""

import shlex
import subprocess
import sys
from pathlib import Path

import click

from plait.cli import COMMANDS, plait

ROOT = Path(__file__).parents[2]


def iter_commands():
    for group, entry in COMMANDS.items():
        if not entry.members:
            yield group, entry.load(group)
        for name, member in entry.members.items():
            yield f"{group} {name}", member.load(name)


def iter_example_lines():
    for path, command in iter_commands():
        for _, text in command.examples:
            for line in text.splitlines():
                yield path, line


def test_the_reference_is_what_the_code_says():
    tool = ROOT / "tools" / "command_reference.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_has_an_example_of_itself():
    for path, command in iter_commands():
        lines = [line for name, line in iter_example_lines() if name == path]
        assert any(f"plait {path}" in line for line in lines), path
        assert "Examples:" in command.get_help(click.Context(command, info_name=path))


def test_every_example_is_a_command_line_that_is_understood(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "accounts").touch()
    for path, line in iter_example_lines():
        if line.startswith(("mkdir", "run=")):
            continue
        words = shlex.split(line[line.index("plait ") :].removesuffix(')"'))[1:]
        words = words[: min((words.index(sign) for sign in ("|", ">", ">>") if sign in words), default=None)]
        command, context = plait, click.Context(plait, info_name="plait")
        while isinstance(command, click.Group):
            command = command.get_command(context, words[0])
            assert command is not None, (path, line)
            words = words[1:]
        command.make_context(f"plait {path}", words)
