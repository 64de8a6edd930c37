"""Every error Plait raises, grouped by who must act on it.

``PlaitError`` is the one base class. Below it stand the author of a workflow (``DefinitionError``,
``InvalidInputError``, ``InvalidOutputError``), the operator (``OperationError`` and its subclasses) and what a run
itself ended with (``FailedTaskRunExceptionGroup``, ``RunCancelledError``). Two classes are raised *by* task code to
steer its retries: ``NonRetryableException`` and ``RetryAfterException``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


class PlaitError(Exception):
    """Base class of every error that Plait raises on purpose."""


# --- for the author of a workflow ------------------------------------------------------------------------------------


class DefinitionError(PlaitError, ValueError):
    """A workflow or task is declared wrongly. Raised at declaration, before anything is stored."""


class InvalidValueError(PlaitError, ValueError):
    """A value cannot be stored or does not fit its declared type. The message names the field."""


class InvalidInputError(InvalidValueError):
    """The input, metadata or an option of a trigger is not acceptable. Raised at the call; nothing is stored."""


class InvalidOutputError(InvalidValueError):
    """What a task returned does not fit its return annotation. The attempt fails with this error."""


class PayloadTooLargeError(InvalidValueError):
    """A payload is larger than the configured limit (1 MiB unless set otherwise)."""


class ExpressionError(PlaitError, ValueError):
    """A CEL expression cannot be evaluated on the data it was given, or does not give a boolean."""


class NonRetryableException(Exception):
    """Raise this in a task to fail it at once, even if retries remain."""


class RetryAfterException(Exception):
    """Raise this in a task so that its next retry waits for ``after`` instead of the computed backoff.

    It does not add retries: when none remain, the task fails.
    """

    def __init__(self, message: str = "", *, after: timedelta) -> None:
        super().__init__(message)
        if after < timedelta(0):
            raise ValueError(f"RetryAfterException(after={after!r}): a delay cannot be negative")
        self.after = after


# --- for the operator ------------------------------------------------------------------------------------------------


class OperationError(PlaitError):
    """Something around Plait needs an operator: the database, the schema, the embedded server."""


class DatabaseUnavailableError(OperationError, ConnectionError):
    """The database cannot be reached or refuses the connection.

    Attributes: ``database``, its URL without the password, and ``refused``: it answered, and to try again is of no use.
    """

    def __init__(self, message: str, *, database: str = "", refused: bool = False) -> None:
        super().__init__(message)
        self.database = database
        self.refused = refused


class SchemaError(OperationError):
    """The database's Plait schema is missing, too old or too new for this version of Plait."""


class UnknownVersionError(SchemaError):
    """The database no longer knows a workflow version that this process stored: somebody replaced or restored it."""


class KeyHeldError(OperationError):
    """A transaction that is still open holds the idempotency key, or the child run's key, of a run that was to be
    started. Nothing was started under that key. End that transaction, then trigger again."""


class EmbeddedPostgresError(OperationError):
    """The embedded PostgreSQL cannot be found, started or used."""


class SettingError(OperationError, ValueError):
    """A setting has a wrong value, or ``[tool.plait]`` has a setting that does not exist. The message says where."""


class NotFoundError(PlaitError, LookupError):
    """A run, workflow or task that was asked for does not exist."""


class ParentEndedError(PlaitError):
    """A task asked for a child run after the database had ended the task or given it away. No child run was started."""


PARENT_ENDED = (
    "no child run was started: the task that asked for it no longer runs (it or its run was cancelled, it timed "
    "out, or another worker has taken it over)"
)


class ReplayError(PlaitError, ValueError):
    """A run cannot be replayed: it is active, or it has no task to run again."""


class ResultTimeoutError(PlaitError, TimeoutError):
    """The run did not end within the caller's timeout. The run itself goes on."""


# --- what a run ended with -------------------------------------------------------------------------------------------


class TaskRunError(PlaitError):
    """One failed task of a run, as it was recorded.

    Attributes: ``exc`` (message), ``exc_type`` (class name), ``trace`` (formatted traceback, possibly shortened),
    ``task_name`` and ``task_run_external_id`` (``"<run id>:<task index>"``).
    """

    def __init__(
        self, exc: str, exc_type: str, trace: str = "", task_run_external_id: str | None = None, task_name: str = ""
    ) -> None:
        super().__init__(exc)
        self.exc = exc
        self.exc_type = exc_type
        self.trace = trace
        self.task_run_external_id = task_run_external_id
        self.task_name = task_name

    def __str__(self) -> str:
        where = f"task {self.task_name!r}: " if self.task_name else ""
        return f"{where}{self.exc_type}: {self.exc}" if self.exc else f"{where}{self.exc_type}"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.exc, self.exc_type, self.trace, self.task_run_external_id, self.task_name)


class FailedTaskRunExceptionGroup(PlaitError, ValueError):
    """A run failed. ``exceptions`` holds one ``TaskRunError`` per failed task, in task order."""

    def __init__(self, message: str, exceptions: Sequence[TaskRunError]) -> None:
        super().__init__(message)
        self.message = message
        self.exceptions = list(exceptions)

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {error}" for error in self.exceptions)])

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.exceptions)


class RunCancelledError(PlaitError):
    """The run was cancelled, so there is no result. ``workflow_run_id`` says which."""

    def __init__(self, workflow_run_id: str, reason: str = "") -> None:
        super().__init__(f"run {workflow_run_id} was cancelled" + (f": {reason}" if reason else ""))
        self.workflow_run_id = workflow_run_id
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.workflow_run_id, self.reason)
