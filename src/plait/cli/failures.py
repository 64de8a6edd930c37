"""What went wrong, as people read it: ``error: …``, ``try: …`` and an exit code."""

from __future__ import annotations

import sys
import traceback

import click

from plait.cli.text import clean, style
from plait.errors import (
    DatabaseUnavailableError,
    DefinitionError,
    EmbeddedPostgresError,
    FailedTaskRunExceptionGroup,
    InvalidValueError,
    NotFoundError,
    OperationError,
    PlaitError,
    ResultTimeoutError,
    RunCancelledError,
    SchemaError,
)

EXIT_RUN_FAILED = 1
EXIT_USAGE = 2
EXIT_CANNOT_CONNECT = 3
EXIT_NOT_FOUND = 4
EXIT_DEFECT = 70
EXIT_TIMEOUT = 124
EXIT_INTERRUPTED = 130

# The first class that fits decides.
_BY_CLASS: tuple[tuple[type[BaseException], int, str | None], ...] = (
    (SchemaError, EXIT_CANNOT_CONNECT, "plait db status"),
    (
        DatabaseUnavailableError,
        EXIT_CANNOT_CONNECT,
        "plait doctor, which checks each step of the way to the database",
    ),
    (EmbeddedPostgresError, EXIT_CANNOT_CONNECT, "plait doctor"),
    (OperationError, EXIT_CANNOT_CONNECT, "plait doctor"),
    (NotFoundError, EXIT_NOT_FOUND, "plait runs list"),
    (DefinitionError, EXIT_USAGE, None),
    (InvalidValueError, EXIT_USAGE, None),
    (ResultTimeoutError, EXIT_TIMEOUT, None),
    (FailedTaskRunExceptionGroup, EXIT_RUN_FAILED, None),
    (RunCancelledError, EXIT_RUN_FAILED, None),
    (PlaitError, EXIT_RUN_FAILED, None),
    (KeyboardInterrupt, EXIT_INTERRUPTED, None),
)


class CommandError(Exception):
    """A command cannot go on. ``hint`` is the next step; ``detail`` stands before the error, as it is."""

    def __init__(self, message: str, *, code: int = EXIT_USAGE, hint: str | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.detail = detail


def report_error(error: BaseException, *, debug: bool) -> int:
    """Say on stderr what happened and what to try. Returns the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if debug and not isinstance(error, click.UsageError):
        traceback.print_exception(error)
    if isinstance(error, click.ClickException):
        return _report_usage(error)
    if isinstance(error, click.Abort):
        error = KeyboardInterrupt()
    if isinstance(error, CommandError):
        say_error(str(error), hint=error.hint, detail=error.detail)
        return error.code
    for kind, code, hint in _BY_CLASS:
        if isinstance(error, kind):
            say_error(str(error) or "interrupted", hint=hint)
            return code
    say_error(
        f"unexpected {type(error).__name__}: {error}",
        hint=None if debug else "the same with --debug for the traceback; this is a defect of Plait, please report it",
    )
    return EXIT_DEFECT


def say_error(message: str, *, hint: str | None = None, detail: str = "") -> None:
    """Write one error to stderr."""
    if detail:
        click.echo(clean(detail).rstrip(), err=True)
    click.echo(style("error: ", "red", sys.stderr) + clean(message), err=True)
    say_hint(hint)


def say_hint(hint: str | None) -> None:
    """Write the next step to stderr."""
    if hint:
        click.echo(style("try: ", "cyan", sys.stderr) + clean(hint), err=True)


def _report_usage(error: click.ClickException) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = (
        None
        if context is None or ": see `" in error.message or "did you mean" in error.message
        else (f"{context.command_path} --help")
    )
    say_error(error.format_message(), hint=hint)
    return error.exit_code
