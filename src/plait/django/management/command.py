"""Management commands that are ``plait`` commands: checked here, then this process becomes that command.

So options, help, signals and exit codes are those of ``plait``, and a worker's supervisor does not carry Django along.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, SystemCheckError

from plait.django import get_plait
from plait.django.config import find_url

TARGET = "plait.django.target:plait"
_OF_DJANGO = ("--settings", "--pythonpath")


class PassingCommand(BaseCommand):
    """``manage.py NAME ARGUMENTS``, which is ``plait WORDS ARGUMENTS``, for this project."""

    words: tuple[str, ...] = ()
    serves_project = False
    """Whether the command takes a TARGET: then it is this project."""

    def run_from_argv(self, argv: list[str]) -> None:
        arguments = drop_options(argv[2:])
        try:
            if self.serves_project and not {"-h", "--help", "--new-account"} & set(arguments):
                self.prepare()
                arguments = [*arguments, "--", TARGET]
            become_plait([*self.words, *arguments])
        except (SystemCheckError, CommandError) as error:
            self.stderr.write(str(error), lambda text: text)
            sys.exit(error.returncode)

    def prepare(self) -> None:
        """Find out now what would keep the command from its work. Raises ``SystemCheckError`` or ``CommandError``."""
        from plait.errors import PlaitError  # noqa: PLC0415 - for these commands only

        self.check(tags=["plait"])
        try:
            with get_plait():
                pass
        except PlaitError as error:
            raise CommandError(str(error)) from error

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError("call_command() cannot start this: run it from the shell, because it replaces this process")


def drop_options(arguments: Sequence[str]) -> list[str]:
    """The arguments without Django's own ``--settings`` and ``--pythonpath``, which have had their effect."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in _OF_DJANGO:
            next(rest, None)
        elif not argument.startswith(tuple(f"{option}=" for option in _OF_DJANGO)):
            kept.append(argument)
    return kept


def become_plait(arguments: Sequence[str]) -> NoReturn:
    """Execute ``plait`` with this project on its path and its database in the environment."""
    if "DJANGO_SETTINGS_MODULE" not in os.environ:
        raise CommandError("Plait needs the settings as a module: set DJANGO_SETTINGS_MODULE, or pass --settings")
    folders = [str(Path(folder or ".").resolve()) for folder in sys.path[:2] if not folder.endswith(".zip")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")]).strip(":")}
    if url := find_url():
        environment["PLAIT_DATABASE_URL"] = url
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, "-P", "-m", "plait", *arguments], environment)
