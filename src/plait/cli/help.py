"""Commands whose help ends with examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

Example = tuple[str, str]
"""What one wants, and the command line that does it."""


class Command(click.Command):
    """A command with ``examples``, which its help and the reference show."""

    examples: Sequence[Example] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples: a comment, and below it a line to copy."""
        if self.examples:
            with formatter.section("Examples"):
                for number, (wish, line) in enumerate(self.examples):
                    if number:
                        formatter.write_paragraph()
                    for text in (f"# {wish}", *line.splitlines()):
                        formatter.write(f"{'':{formatter.current_indent}}{text}\n")


def command(
    name: str | None = None, *examples: Example, cls: type[Command] = Command, **options: Any
) -> Callable[[Callable[..., Any]], Command]:
    """``click.command`` with examples: ``@command("list", ("what failed", "plait runs list --status FAILED"))``."""

    def decorate(function: Callable[..., Any]) -> Command:
        made = click.command(name, cls=cls, **options)(function)
        made.examples = examples
        return made

    return decorate
