"""What the commands share that ask and order: texts and payloads from arguments, the next step, a question back."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.failures import EXIT_NOT_FOUND, CommandError
from plait.cli.options import parse_pairs
from plait.errors import InvalidValueError, NotFoundError
from plait.values.encoding import decode_json

if TYPE_CHECKING:  # generic, in recent versions of click
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType


class TextType(_ParamType):
    """A name, key or scope. Refuses bytes that are no UTF-8, which Python takes from a command line as surrogates."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{value!r} is not valid UTF-8", param, ctx)
        return text


TEXT = TextType()


@contextmanager
def looking_for(where: str) -> Iterator[None]:
    """Have what is not found in the block reported with the command that lists what there is."""
    try:
        yield
    except NotFoundError as error:
        raise CommandError(str(error), code=EXIT_NOT_FOUND, hint=where) from error


def read_json(text: str, what: str) -> Any:
    """A value from JSON text; from a file if it is ``@file``, from stdin if ``-``."""
    data = _read_source(text) if text == "-" or text.startswith("@") else text.encode("utf-8", "surrogatepass")
    try:
        return decode_json(data)
    except InvalidValueError as error:
        raise CommandError(f"{what}: {error}", hint="""'{"key": "value"}', @file.json, or - for stdin""") from None


def read_payload(arguments: Sequence[str], what: str) -> Any:
    """A payload from ``JSON``, ``@file``, ``-`` or ``field=value …``; the fields come on top of an object."""
    first, *pairs = arguments or ("{}",)
    if not _is_json(first):
        return parse_pairs(arguments, what)
    payload = read_json(first, what)
    if not pairs:
        return payload
    if not isinstance(payload, dict):
        raise click.UsageError(f"{what} is not a JSON object, so field=value cannot be added to it")
    return {**payload, **parse_pairs(pairs, what)}


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal, unless ``yes``. Elsewhere nobody could answer. Ends the command if the answer is no."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    if not click.confirm(question, err=True):
        raise CommandError("nothing was changed", code=1)


def _is_json(argument: str) -> bool:
    return argument == "-" or argument.startswith(("@", "{", "[", '"')) or "=" not in argument


def _read_source(text: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if text == "-" else Path(text[1:]).read_bytes()
    except FileNotFoundError:
        raise CommandError(f"there is no file {text[1:]}", hint=f"a path from {Path.cwd()}") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{text[1:]} cannot be read: {error}") from None
