"""``plait config``: the settings, and where each value comes from."""

from __future__ import annotations

import os
from typing import Any

import click

from plait.cli.failures import EXIT_USAGE, say_error
from plait.cli.help import command
from plait.cli.options import common_options, get_database_url, output_option
from plait.cli.output import paged, print_data, print_text
from plait.cli.text import format_table
from plait.errors import SettingError
from plait.settings import SETTINGS, Found, Place, Setting
from plait.settings.kinds import DatabaseUrl
from plait.settings.sources import read_project_file
from plait.store.urls import hide_password
from plait.wording import suggest

_INTERNAL = ("PLAIT_CHILD_DATABASE_URL", "PLAIT_REPLACES_WORKER", "PLAIT_SUPERVISOR_LINK")
"""Variables by which Plait's own processes talk to each other."""


@command(
    "show",
    ("every setting and where it comes from", "plait config show"),
    ("only what is not a default", "plait config show --set"),
    ("one setting, as a program reads it", "plait config show worker_slots --json"),
)
@click.argument(
    "names",
    metavar="[NAME]...",
    nargs=-1,
    shell_complete=lambda _context, _parameter, text: [name for name in SETTINGS if name.startswith(text)],
)
@click.option("--set", "only_set", is_flag=True, help="Show only settings that differ from their default.")
@output_option()
@paged
@common_options
def show_config(names: tuple[str, ...], only_set: bool, output: str) -> int:
    """Show every setting, its value, and where the value comes from; passwords and tokens are hidden.

    Plait takes the first value it finds: a command-line argument, the environment, [tool.plait] in the project's
    pyproject.toml, the default. Needs no database. Exit code 2 if a value is not valid.
    """
    for name in names:
        if name not in SETTINGS:
            raise click.UsageError(f"there is no setting {name!r}{suggest(name, SETTINGS)}")
    entries, errors = [], []
    for name in names or SETTINGS:
        try:
            found = _find(SETTINGS[name])
        except SettingError as error:
            errors.append(str(error))
            continue
        if not (only_set and found.place is Place.DEFAULT):
            entries.append(_describe(SETTINGS[name], found))
    _print(entries, output)
    for message in dict.fromkeys(errors):
        say_error(message)
    for variable in list_strangers():
        known = [name for setting in SETTINGS.values() for name in setting.variables]
        say_error(
            f"{variable} is set, but Plait has no such setting{suggest(variable, known)}", hint=f"unset {variable}"
        )
    return EXIT_USAGE if errors else 0


def list_strangers() -> list[str]:
    """The variables of the environment that begin like Plait's and are none: slips, most of them."""
    known = {variable for setting in SETTINGS.values() for variable in setting.variables}
    return sorted(name for name in os.environ if name.startswith("PLAIT_") and name not in {*known, *_INTERNAL})


def _find(setting: Setting[Any]) -> Found[Any]:
    given = get_database_url() if setting.name == "database_url" else None
    return setting.find(given, option="--database-url")


def _describe(setting: Setting[Any], found: Found[Any]) -> dict[str, Any]:
    return {
        "name": setting.name,
        "value": show_value(setting, found.value),
        "place": found.place.value,
        "origin": found.origin,
        "variables": list(setting.variables),
        "default": setting.kind.to_plain(setting.default),
        "help": setting.help,
    }


def show_value(setting: Setting[Any], value: Any) -> Any:
    """A value as JSON has it, without what is secret."""
    if value is None:
        return setting.kind.to_plain(value)
    if setting.secret:
        return "***"
    if isinstance(setting.kind, DatabaseUrl):
        return hide_password(value)
    return setting.kind.to_plain(value)


def _print(entries: list[dict[str, Any]], output: str) -> None:
    if output != "table":
        print_data(entries, output)
        return
    rows = [(one["name"], _to_text(one), one["origin"], one["variables"][0]) for one in entries]
    if rows:
        print_text(format_table(("SETTING", "VALUE", "FROM", "VARIABLE"), rows))
    file = read_file_note()
    if file:
        click.echo(f"\n{file}")


def _to_text(entry: dict[str, Any]) -> str:
    value = entry["value"]
    if value is None or value == []:
        fallback = SETTINGS[entry["name"]].fallback
        return f"({fallback or 'none'})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def read_file_note() -> str:
    """Which file was read, or why not, for people."""
    try:
        file = read_project_file()
    except SettingError as error:
        return str(error)
    if file is None:
        return "no pyproject.toml in the project folder"
    if file.ignored:
        return f"{file.path} was not read: it {file.ignored}"
    count = len(file.table)
    return f"{file.path} has {count or 'no'} setting{'s'[: count != 1]} in [tool.plait]"
