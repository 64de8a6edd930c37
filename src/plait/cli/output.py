"""What commands print: data as JSON or YAML for programs, text for people, through a pager where it is long."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from plait.cli.options import Command
from plait.cli.text import allow_long_numbers, to_json, wants_colour

_NO_PAGER = "plait.no_pager"


def paged(command: Command) -> Command:
    """``--no-pager``, for commands whose text may be long."""
    return click.option(
        "--no-pager", is_flag=True, expose_value=False, callback=note_no_pager, help="Do not use a pager."
    )(command)


def note_no_pager(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """The callback of ``--no-pager``: for this command, and for those below it."""
    if value:
        context.meta[_NO_PAGER] = True


def print_text(text: str) -> None:
    """Text for people. On a terminal that is too small for it, through ``$PAGER`` (``less`` if that is not set)."""
    if not _wants_pager(text):
        click.echo(text)
        return
    # Quit where it fits, pass colours on, cut long lines, leave it on the screen.
    os.environ.setdefault("LESS", "FRSX")
    click.echo_via_pager(text, color=wants_colour(sys.stdout))


def _wants_pager(text: str) -> bool:
    if not (sys.stdout.isatty() and sys.stdin.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        return False
    if click.get_current_context().meta.get(_NO_PAGER) or os.environ.get("PAGER", "less") in ("", "cat"):
        return False
    return text.count("\n") + 1 >= shutil.get_terminal_size().lines


def print_data(value: Any, output: str, *, line: bool = False) -> None:
    """A value as JSON or YAML. ``line``: one of several, on a line of JSON, or as a document of YAML, of its own."""
    if output == "yaml":
        click.echo(f"{'---' if line else ''}{os.linesep if line else ''}{to_yaml(value)}", nl=False)
    else:
        click.echo(to_json(value, indent=None if line else 2))


def to_yaml(value: Any) -> str:
    """YAML text that holds what ``to_json`` would; texts of several lines stay readable."""
    import yaml  # noqa: PLC0415 - only for this format

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def represent_text(dumper: Any, text: str) -> Any:
        style = "|" if "\n" in text.strip() else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent_text)
    with allow_long_numbers():
        plain = json.loads(to_json(value))
        text: str = yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return text


def print_result(value: Any, output: str, text: str, *, line: bool = False) -> None:
    """``text`` for people, or ``value`` as data; ``line``: see ``print_data``."""
    if output == "table":
        click.echo(text)
    else:
        print_data(value, output, line=line)


@contextmanager
def showing_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while the block works, where that is a terminal; the block tells how many of ``total`` are done.

    It may be told from any thread, one at a time.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield lambda _done: None
        return
    with click.progressbar(length=total, label=what, file=sys.stderr, show_pos=True) as bar:
        yield lambda done: bar.update(min(done, total) - bar.pos)
