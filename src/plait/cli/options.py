"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from plait.errors import PlaitError

if TYPE_CHECKING:  # generic, in recent versions of click
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType

Command = TypeVar("Command", bound=Callable[..., Any])


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
        from plait.types import parse_duration  # noqa: PLC0415 - brings pydantic, which a supervisor does without

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
        from plait.types import parse_duration  # noqa: PLC0415 - see above

        try:
            ago = timedelta(seconds=parse_duration(value, where="moment"))
            return datetime.now(UTC) - ago
        except (PlaitError, OverflowError):
            self.fail(
                f"{value!r} is no moment: write how long ago (90s, 2h, 3d) or a time (2026-01-31T08:00)",
                param,
                ctx,
            )


def parse_pairs(items: Sequence[str], what: str) -> dict[str, Any]:
    """``key=value`` items as a dict. A value that is JSON counts as JSON, any other as the text it is."""
    pairs: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{what} {item!r} is not of the form key=value")
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
            help="The PostgreSQL to use.",
        ),
    ):
        command = option(command)
    return command


def _store_url(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:
        context.meta["plait.database_url"] = value


def output_option(*formats: str) -> Callable[[Command], Command]:
    """``-o json|table`` as the parameter ``output``."""
    choices = click.Choice(formats or ("table", "json"))
    return click.option("-o", "--output", type=choices, default=(formats or ("table",))[0], show_default=True)


def get_database_url() -> str | None:
    """The URL given on the command line, if any."""
    url = click.get_current_context().meta.get("plait.database_url")
    return url or None
