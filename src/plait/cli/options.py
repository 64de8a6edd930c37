"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from plait.durations import parse_duration
from plait.errors import PlaitError
from plait.settings import Place, Setting
from plait.settings.kinds import Choice, File, Kind, Span, Whole

if TYPE_CHECKING:  # generic, in recent versions of click
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType

Command = TypeVar("Command", bound=Callable[..., Any])

OUTPUTS = ("table", "json", "yaml")
_AS_JSON = "plait.json"


class DurationType(_ParamType):
    """``90s``, ``5m``, ``1h30m``, ``250ms``; a bare number counts seconds. Gives float seconds."""

    name = "duration"

    def __init__(self, *, zero: bool = False) -> None:
        self.zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value)
        try:
            float(text)
            text += "s"
        except ValueError:
            pass
        if self.zero and text.strip("0.") == "s":
            return 0.0
        try:
            return parse_duration(text, where=param.opts[0] if param is not None else "duration")
        except PlaitError as error:
            self.fail(
                str(error).replace("give a timedelta, or a string with units", "write a number with a unit"),
                param,
                ctx,
            )


class MomentType(_ParamType):
    """A moment: how long ago (``2h``), or an ISO date or time (local unless it names a zone)."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone() if moment.tzinfo is None else moment
        except ValueError:
            pass
        try:
            ago = timedelta(seconds=parse_duration(value, where="moment"))
            return datetime.now(UTC) - ago
        except (PlaitError, OverflowError):
            self.fail(
                f"{value!r} is not a time: write how long ago (90s, 2h, 3d) or a time (2026-01-31T08:00)",
                param,
                ctx,
            )


def parse_pairs(items: Sequence[str], what: str) -> dict[str, Any]:
    """``key=value`` items as a dict. A value that is JSON counts as JSON, any other as the text it is."""
    pairs: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{what} {item!r} must be written key=value")
        pairs[key] = _read_value(text)
    return pairs


def _read_value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def common_options(command: Command) -> Command:
    """``--database-url`` and ``--debug``, which may stand after the command as well as before it."""
    for option in (
        click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of errors."),
        click.option(
            "--database-url",
            metavar="URL",
            expose_value=False,
            callback=_store_url,
            help="URL of the PostgreSQL to use.",
        ),
    ):
        command = option(command)
    return command


def _store_url(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:
        context.meta["plait.database_url"] = value


def output_option(
    *formats: str, default: str | None = "table", help: str = "table is for people; the other formats are for programs."
) -> Callable[[Command], Command]:
    """``-o table|json|yaml``, or other ``formats``, and ``--json`` as the parameter ``output``."""

    def decorate(command: Command) -> Command:
        choose = click.option(
            "-o",
            "--output",
            type=click.Choice(formats or OUTPUTS),
            default=default,
            show_default=default is not None,
            callback=_choose,
            help=help,
        )
        short = click.option(
            "--json", is_flag=True, is_eager=True, expose_value=False, callback=_note_json, help="The same as -o json."
        )
        return choose(short(command))

    return decorate


def _note_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    context.meta[_AS_JSON] = value


def _choose(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if not context.meta.get(_AS_JSON):
        return value
    given = context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
    if given and value != "json":
        raise click.UsageError(f"give --json or -o {value}, not both")
    return "json"


def setting_option(
    *names: str, setting: Setting[Any], type: Any = None, help: str = "", fallback: Any = None
) -> Callable[[Command], Command]:
    """An option for a setting: what the command line does not say is read from the settings.

    ``fallback`` takes the place of the setting's default in this command. Durations become seconds.
    """

    def decide(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if context.resilient_parsing:
            return value
        found = setting.find(value or None if parameter.multiple else value, option=parameter.opts[0])
        if fallback is not None and found.place is Place.DEFAULT:
            return fallback
        return found.value.total_seconds() if isinstance(found.value, timedelta) else found.value

    default = fallback or setting.kind.to_plain(setting.default)
    notes = [setting.variables[0], *([f"default {default}"] if default else [])]
    return click.option(
        *names,
        type=type or _choose_type(setting.kind),
        multiple=isinstance(setting.default, tuple),
        callback=decide,
        help=f"{help or setting.help} [{'; '.join(notes)}]",
    )


def _choose_type(kind: Kind[Any]) -> Any:
    match kind:
        case Choice():
            return click.Choice(kind.words, case_sensitive=False)
        case Whole():
            return click.IntRange(kind.least, kind.most)
        case Span():
            return DurationType(zero=True)
        case File():
            return click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.STRING


def get_database_url() -> str | None:
    """The URL given on the command line, if any."""
    url = click.get_current_context().meta.get("plait.database_url")
    return url or None
