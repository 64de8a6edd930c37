"""``plait completion``: the script by which a shell completes what is typed after ``plait``."""

from __future__ import annotations

import click

from plait.cli.help import command

_SHELLS = ("bash", "zsh", "fish")


@command(
    "completion",
    ("bash: for every shell from now on", "plait completion bash > ~/.local/share/bash-completion/completions/plait"),
    ("zsh: in ~/.zshrc, after compinit", 'eval "$(plait completion zsh)"'),
    ("fish: for every shell from now on", "plait completion fish > ~/.config/fish/completions/plait.fish"),
    ("this shell only (bash, zsh)", 'eval "$(plait completion bash)"'),
)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete commands, options, and what they are about.

    Ids of runs, crons, events and the like, and the names of workflows are looked up in the database, for at most a
    second. An embedded PostgreSQL that does not run is not started for that.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only for this

    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root()
    # Not .source() of the class: for bash that starts a bash, to see how old it is.
    maker = found(root.command, {}, "plait", "_PLAIT_COMPLETE")
    click.echo(maker.source_template % maker.source_vars())
