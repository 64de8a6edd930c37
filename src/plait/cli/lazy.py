"""A click group that knows its commands by a table and imports one only when it is used."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem


@dataclass(frozen=True)
class Entry:
    """A command, as ``"module:attribute"``, or a group of ``members``; ``help`` is its line in the list."""

    help: str
    target: str = ""
    members: dict[str, Entry] = field(default_factory=dict)

    def load(self, name: str) -> click.Command:
        """The command itself."""
        if self.members:
            return LazyGroup(name=name, entries=self.members, help=self.help)
        module, _, attribute = self.target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


class LazyGroup(click.Group):
    """Lists and suggests commands from ``entries``, without importing any."""

    def __init__(self, *, entries: dict[str, Entry], **options: Any) -> None:
        super().__init__(**options)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.entries.get(cmd_name)
        return None if entry is None else entry.load(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [
            CompletionItem(name, help=entry.help)
            for name, entry in self.entries.items()
            if name.startswith(incomplete) and not incomplete.startswith("-")
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.entries and not name.startswith("-"):
            close = difflib.get_close_matches(name, list(self.entries), n=1, cutoff=0.5)
            hint = f"did you mean `{ctx.command_path} {close[0]}`?" if close else f"see `{ctx.command_path} --help`"
            raise click.UsageError(f"there is no command {name!r}: {hint}", ctx=ctx)
        return super().resolve_command(ctx, args)
