"""The input of a run from the command line: ``-i``, ``-f`` and ``key=value``, and what a mistyped one is told."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.failures import CommandError
from plait.cli.help import Command
from plait.cli.options import parse_pairs
from plait.cli.target import load_target
from plait.cli.text import to_json
from plait.declaration.base import get_input_type
from plait.types import UNSET
from plait.values.encoding import decode_json
from plait.wording import suggest

if TYPE_CHECKING:
    from plait.declaration.runnable import Runnable


def read_input(workflow: Runnable[Any, Any, Any], text: str | None, file: str | None, pairs: Sequence[str]) -> Any:
    """The validated input from ``-i`` or ``-f`` and ``key=value`` arguments, which win.

    Raises ``UsageError``, ``CommandError`` and ``InvalidInputError``; also for a pair whose key is no field of the
    input, where other keys would be ignored.
    """
    if text is not None and file is not None:
        raise click.UsageError("give -i or -f, not both")
    where = "-i"
    if file is not None:
        where = "stdin" if file == "-" else file
        text = _read_file(file)
    if text is None and not pairs:
        return UNSET
    data = "{}" if text is None else text
    if pairs:
        try:
            base = decode_json(data.encode("utf-8", "surrogatepass"))
        except ValueError as error:
            raise CommandError(f"{where}: {error}", hint="""-i '{"key": "value"}'""") from None
        if not isinstance(base, dict):
            raise click.UsageError(f"{where} is not a JSON object, so key=value cannot be added to it")
        given = parse_pairs(pairs, "argument")
        _check_keys(workflow, given)
        data = to_json({**base, **given})
    return get_input_type(workflow).decode(data.encode("utf-8", "surrogatepass"))


def list_fields(workflow: Runnable[Any, Any, Any]) -> list[str] | None:
    """The keys that the input has a use for; None where that is unknown or any key is welcome."""
    schema = workflow.definition.input_schema or {}
    if reference := schema.get("$ref"):  # of a model that contains itself
        schema = schema.get("$defs", {}).get(reference.rpartition("/")[2], {})
    if not schema.get("properties") or schema.get("additionalProperties", False) is not False:
        return None
    model = _find_class(workflow.input_adapter.core_schema)
    decorators = getattr(model, "__pydantic_decorators__", None)
    if decorators is not None and any(
        validator.info.mode in ("before", "wrap") for validator in decorators.model_validators.values()
    ):
        return None  # what sees the raw input may take keys that are no fields
    return list(dict.fromkeys([*schema["properties"], *_list_names(model)]))


def _find_class(schema: Any) -> Any:
    while isinstance(schema, dict) and "cls" not in schema:
        schema = schema.get("schema")
    return None if schema is None else schema["cls"]


def _list_names(model: Any) -> list[str]:
    """The names of a model's fields, and all their aliases: the schema has one for each."""
    names: list[str] = []
    for name, field in getattr(model, "__pydantic_fields__", {}).items():
        names.append(name)
        alias = field.validation_alias
        for choice in getattr(alias, "choices", [alias]):
            first = getattr(choice, "path", [choice])[0]
            names += [first] if isinstance(first, str) else []
    return names


def _check_keys(workflow: Runnable[Any, Any, Any], given: dict[str, Any]) -> None:
    fields = list_fields(workflow)
    for key in given:
        if fields is not None and key not in fields:
            shown = ", ".join(fields[:8]) + (" …" if len(fields) > 8 else "")
            raise CommandError(f"input has no field {key!r}{suggest(key, fields)}", hint=f"its fields: {shown}")


def _read_file(name: str) -> str:
    try:
        return sys.stdin.buffer.read().decode() if name == "-" else Path(name).read_text("utf-8")
    except FileNotFoundError:
        raise CommandError(f"there is no file {name}", hint=f"a path from {Path.cwd()}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}") from None


class RunCommand(Command):
    """``plait run``: an option that is none, but a field of the input, is told how inputs are written."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            self._explain(ctx, error.option_name, given)
            raise

    def _explain(self, ctx: click.Context, option: str, given: list[str]) -> None:
        """Raise ``CommandError`` if ``option`` is a field of the target's input."""
        ctx.ignore_unknown_options = True
        found, _, _ = self.make_parser(ctx).parse_args(list(given))
        target = found.get("target")
        if not isinstance(target, str) or target.startswith("-"):
            return
        try:
            with redirect_stdout(sys.stderr):
                fields = list_fields(load_target(target).choose_workflow(found.get("workflow"))) or []
        except Exception:  # whatever else is wrong will be told when the option is right
            return
        name = option.lstrip("-")
        field = next((field for field in fields if field in (name, name.replace("-", "_"))), None)
        if field is not None:
            pair = f"{field}={shlex.quote(_find_value(option, given))}"
            raise CommandError(f"there is no option {option}; write an input as {pair}", hint="plait run --help")


def _find_value(option: str, given: list[str]) -> str:
    for position, argument in enumerate(given):
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
        if argument == option and position + 1 < len(given):
            return given[position + 1]
    return "VALUE"
