"""Writes docs/reference/cli.md from the commands, and docs/reference/settings.md from the table of settings.

    .venv/bin/python tools/command_reference.py            write the pages
    .venv/bin/python tools/command_reference.py --check    say which are stale; exit code 1 if any

Nothing is said there that the code does not say: to change a page, change a docstring, an option's help or the table.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from plait.cli import COMMANDS, HELP, plait
from plait.cli.failures import EXIT_CODES
from plait.cli.lazy import Entry
from plait.settings import SETTINGS, Setting

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"

NOTE = "<!-- Written by tools/command_reference.py; changes are lost. -->"

CLI_HEAD = f"""# Command line

{NOTE}

{{about}}

`plait COMMAND --help` shows what stands here; `plait --version` the version. A misspelt command or option is answered
with the nearest one. Completion for bash, zsh and fish: [Complete commands in the
shell](../how-to/complete-commands-in-the-shell.md).

## For every command

- **Database**: `--database-url URL`, before or after the command, else the [setting](settings.md) `database_url`,
  else the embedded PostgreSQL of the project folder.
- **Output**: `-o table` is for people; `-o json` and `-o yaml` hold the same data for programs, and `--json` is
  short for `-o json`. Times are ISO 8601. Commands that follow something print a line of JSON, or a document of
  YAML, for each thing that happens. Results go to stdout; progress, hints and errors go to stderr.
- **Errors** begin with `error:`, the next step with `try:`. `--debug` (or `PLAIT_DEBUG=1`) adds the traceback.
- **Colour** is used on a terminal. `NO_COLOR=1` switches it off, `FORCE_COLOR=1` on where there is no terminal.
- **Pager**: on a terminal that is too small for it, a list goes through `$PAGER` (`less` if that is not set).
  `--no-pager` or `PAGER=` switches that off.
- **Asking back**: what changes many things asks on a terminal. `--yes` answers; without a terminal nothing is asked.

## Exit codes

| code | when |
|---|---|
{{codes}}
"""

SETTINGS_HEAD = f"""# Settings

{NOTE}

An argument in the code or on the command line decides. What it leaves out is read from the environment, else from
`[tool.plait]` in the `pyproject.toml` of the project folder, else the default counts. Nothing is read before the
first use.

```toml title="pyproject.toml"
[tool.plait]
database_url = "postgresql://localhost/shop"
worker_slots = 50
retention = "30d"
```

`plait config show` says what counts here, and who said so. A key that is no setting and a value that does not fit
are errors. An empty variable counts as not set. A relative path in the file starts from the folder of the file, one
in the environment from the current directory. See [Configure](../how-to/configure.md).

| setting | environment | default | |
|---|---|---|---|
{{rows}}
"""


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or compare them. Returns the exit code."""
    pages = {FOLDER / "cli.md": write_cli(), FOLDER / "settings.md": write_settings()}
    if "--check" in arguments:
        stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
        for path in stale:
            print(f"{path.relative_to(FOLDER.parents[1])} is stale: run tools/command_reference.py")
        return int(bool(stale))
    for path, text in pages.items():
        path.write_text(text)
    return 0


def write_cli() -> str:
    """The page of all commands."""
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    about = _write_text(HELP.partition("\b")[0])
    parts = [CLI_HEAD.format(about=about, codes=codes), "## Commands\n", "\n".join(_iter_index())]
    for name, entry in COMMANDS.items():
        if entry.members:
            parts.append(f"\n## plait {name}\n\n{entry.help}\n")
        for command, path in _iter_commands(name, entry):
            parts.append(_write_command(command, path, "###" if entry.members else "##"))
    return "\n".join(parts).rstrip() + "\n"


def _iter_index() -> Iterator[str]:
    yield "| command | |\n|---|---|"
    for name, entry in COMMANDS.items():
        if entry.members:
            members = ", ".join(f"[{member}](#{_anchor(f'plait {name} {member}')})" for member in entry.members)
            yield f"| [`plait {name}`](#{_anchor(f'plait {name}')}) | {entry.help} {members} |"
        else:
            yield f"| [`plait {name}`](#{_anchor(f'plait {name}')}) | {entry.help} |"


def _anchor(heading: str) -> str:
    return heading.replace(" ", "-")


def _iter_commands(name: str, entry: Entry) -> Iterator[tuple[click.Command, str]]:
    if not entry.members:
        yield entry.load(name), f"plait {name}"
    for member, command in entry.members.items():
        yield command.load(member), f"plait {name} {member}"


def _write_command(command: click.Command, path: str, level: str) -> str:
    context = click.Context(command, info_name=path, parent=None)
    usage = " ".join(piece for piece in command.collect_usage_pieces(context))
    parts = [f"\n{level} {path}\n", f"```text\n{path} {usage}\n```\n", _write_text(command.help or "") + "\n"]
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    rows = [_write_option(option) for option in options if option.name not in ("database_url", "debug", "help")]
    if rows:
        parts.append("\n".join(["| option | |", "|---|---|", *rows]) + "\n")
    examples = getattr(command, "examples", ())
    if examples:
        lines = "\n\n".join(f"# {wish}\n{line}" for wish, line in examples)
        parts.append(f"```bash\n{lines}\n```\n")
    return "\n".join(parts)


def _write_option(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    value = _name_value(option)
    bounds = ""
    if isinstance(option.type, click.IntRange) and option.type.max is not None:
        bounds = f" {option.type.min} to {option.type.max}."
    default = ""
    if option.show_default and not option.is_flag:
        shown = option.show_default if isinstance(option.show_default, str) else option.default
        default = f" Default: {shown}."
    said = re.sub(r" \[(PLAIT_\w+)(?:; default ([^\]]+))?\]$", _write_origin, option.help or "")
    text = f"{said}{'' if said.endswith('.') or not said else '.'}{bounds}{default}".strip()
    many = " May be repeated." if option.multiple and "peat" not in text else ""
    return f"| {names}{value} | {_escape(text)}{many} |"


def _write_origin(match: re.Match[str]) -> str:
    default = f" Default: {match[2]}." if match[2] else ""
    return f" Setting `{match[1]}`.{default}"


def _name_value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if option.metavar:
        return f" {_escape(option.metavar)}"
    if isinstance(option.type, click.Choice):
        return " " + " \\| ".join(f"`{choice}`" for choice in option.type.choices)
    if isinstance(option.type, click.types.IntParamType):
        return " N"
    return f" {option.type.name.upper()}"


def write_settings() -> str:
    """The page of all settings."""
    return SETTINGS_HEAD.format(rows="\n".join(_write_setting(setting) for setting in SETTINGS.values()))


def _write_setting(setting: Setting[Any]) -> str:
    variables = ", ".join(f"`{variable}`" for variable in setting.variables)
    default = setting.kind.to_plain(setting.default)
    if setting.fallback:
        shown = setting.fallback
    elif default in (None, [], ""):
        shown = "none"
    elif isinstance(default, bool):
        shown = "on" if default else "off"
    else:
        shown = f"`{default}`"
    facts = [f"A value is {setting.kind.describe()}."]
    if setting.argument:
        facts.append("Argument: " + ", ".join(f"`{one}`" for one in setting.argument.split(", ")) + ".")
    if not setting.in_file:
        facts.append("A secret: in the environment only.")
    return f"| `{setting.name}` | {variables} | {shown} | {_escape(' '.join([setting.help, *facts]))} |"


def _write_text(text: str) -> str:
    """A docstring's paragraphs, one line each."""
    paragraphs = inspect.cleandoc(text.replace("\b", "")).split("\n\n")
    return "\n\n".join(_escape(" ".join(paragraph.split())) for paragraph in paragraphs if paragraph.strip())


def _escape(text: str) -> str:
    """Text of a terminal as Markdown: what is written in signs becomes code."""
    text = re.sub(r"(?<![`\w-])(--?[a-z][\w-]*)", r"`\1`", text)
    text = re.sub(r"(?<!`)\b(PLAIT_[A-Z_]+(?:=\w+)?|DATABASE_URL)\b(?!`)", r"`\1`", text)
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    assert plait is not None
    sys.exit(main(sys.argv[1:]))
