"""What went wrong, as people read it: ``error: …``, ``try: …`` and an exit code."""

from __future__ import annotations

import sys
import traceback

import click

from plait.cli.text import clean, style, wants_colour
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
    SettingError,
)
from plait.settings import settings

EXIT_RUN_FAILED = 1
EXIT_USAGE = 2
EXIT_CANNOT_CONNECT = 3
EXIT_NOT_FOUND = 4
EXIT_DEFECT = 70
EXIT_TIMEOUT = 124
EXIT_INTERRUPTED = 130
EXIT_READER_GONE = 141
EXIT_TERMINATED = 143

EXIT_CODES = {
    0: "All is well.",
    EXIT_RUN_FAILED: "A run failed or was cancelled; `plait doctor` found a fault; you answered no to a question.",
    EXIT_USAGE: "The command line, a setting, an input or a declaration is wrong. Nothing was changed.",
    EXIT_CANNOT_CONNECT: "The database cannot be reached, refuses, or has another schema.",
    EXIT_NOT_FOUND: "The thing you named does not exist.",
    EXIT_DEFECT: "A bug in Plait; `--debug` shows the traceback.",
    EXIT_TIMEOUT: "`--timeout` has passed. The run goes on.",
    EXIT_INTERRUPTED: "Ctrl-C.",
    EXIT_READER_GONE: "The reader of the output, such as `head`, closed it.",
    EXIT_TERMINATED: "SIGTERM while a run was waited for. A worker that SIGTERM stops ends with 0.",
}
"""What the exit codes mean, for the reference."""

# The first class that fits decides.
_BY_CLASS: tuple[tuple[type[BaseException], int, str | None], ...] = (
    (SettingError, EXIT_USAGE, "plait config show"),
    (SchemaError, EXIT_CANNOT_CONNECT, "plait db status"),
    (
        DatabaseUnavailableError,
        EXIT_CANNOT_CONNECT,
        "plait doctor, which checks each step of the connection",
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
    debug = debug or _wants_debug()
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
            notes = getattr(error, "__notes__", None)  # a way out that is better than that of its class
            say_error(str(error) or "interrupted", hint=notes[0] if notes else hint)
            return code
    say_error(
        f"unexpected {type(error).__name__}: {error}",
        hint=None
        if debug
        else "run it again with --debug to see the traceback; this is a bug in Plait, please report it",
    )
    return EXIT_DEFECT


def _wants_debug() -> bool:
    try:
        return settings.debug
    except PlaitError:  # a setting may be the very error that is reported
        return False


def say_error(message: str, *, hint: str | None = None, detail: str = "") -> None:
    """Write one error to stderr."""
    if detail:
        click.echo(clean(detail).rstrip(), err=True)
    _echo(style("error: ", "red", sys.stderr) + clean(message))
    say_hint(hint)


def say_hint(hint: str | None) -> None:
    """Write the next step to stderr."""
    if hint:
        _echo(style("try: ", "cyan", sys.stderr) + clean(hint))


def _echo(text: str) -> None:
    # Outside a command click would take the colour away from what is no terminal, whatever FORCE_COLOR says.
    click.echo(text, err=True, color=True if wants_colour(sys.stderr) else None)


def _report_usage(error: click.ClickException) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = (
        None
        if context is None or ": see `" in error.message or "did you mean" in error.message
        else (f"{context.command_path} --help")
    )
    say_error(error.format_message(), hint=hint)
    return error.exit_code
