"""What becomes of an attempt: the report that its execution, a timer or the judge makes of it."""

from __future__ import annotations

import json
import logging
import random
import traceback
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from plait.errors import InvalidValueError, NonRetryableException, RetryAfterException
from plait.graph.definition import Status
from plait.graph.retry import choose_retry

if TYPE_CHECKING:
    from plait.worker.holdings import Assignment

logger = logging.getLogger("plait.worker")

CANCELLED_BY_REQUEST = "somebody cancelled this task"

MESSAGE_LIMIT = 10_000
TRACE_LIMIT = 50_000
"""Characters of a stored error message and traceback; of a longer one the beginning and the end are kept."""


class Report(NamedTuple):
    """The outcome of an attempt, ready to be stored. ``retry_us`` is the delay of a retried or handed back one."""

    status: Status
    output: bytes | None = None
    error: bytes | None = None
    reason: str | None = None
    elapsed_us: int = 0
    retry_us: int | None = None


def report_failure(assignment: Assignment, error: BaseException, elapsed_us: int) -> Report:
    """The report of an attempt that raised: retried while retries remain, else failed."""
    data = describe_exception(error)
    retryable = not isinstance(error, NonRetryableException)
    wanted = getattr(error, "after", None) if isinstance(error, RetryAfterException) else None
    after = wanted.total_seconds() if isinstance(wanted, timedelta) else None
    return choose_failure(assignment, data, elapsed_us, retryable=retryable, after=after)


def choose_failure(
    assignment: Assignment, error: bytes, elapsed_us: int, *, retryable: bool = True, after: float | None = None
) -> Report:
    """Retried or failed, as the task's options and the retries spent so far say."""
    spec = assignment.run.version.definition.tasks[assignment.task]
    delay = choose_retry(spec, assignment.retry, retryable=retryable, after=after, random=random.random())
    _log_failure(assignment, error, delay)
    if delay is None:
        return Report(Status.FAILED, error=error, elapsed_us=elapsed_us)
    return Report(Status.RETRIED, error=error, elapsed_us=elapsed_us, retry_us=round(delay * 1e6))


def describe_exception(error: BaseException) -> bytes:
    """An exception as stored JSON: type, message and traceback, whatever its ``__str__`` does."""
    message = _read_message(error)
    if isinstance(error, BaseExceptionGroup):
        message += "".join(f"\n  {type(one).__name__}: {_read_message(one)}" for one in _list_leaves(error)[:10])
    try:
        trace = "".join(_format_trace(error))
    except BaseException as broken:
        trace = f"<the traceback cannot be made: {type(broken).__name__}>"
    return describe_failure(type(error).__name__, message, trace)


def _read_message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:
        return f"<the error's own text cannot be made: {type(broken).__name__}>"


def _list_leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    """The errors of a group and of the groups within it."""
    return [
        leaf
        for one in group.exceptions
        for leaf in (_list_leaves(one) if isinstance(one, BaseExceptionGroup) else [one])
    ]


def describe_failure(kind: str, message: str, trace: str = "") -> bytes:
    """A failure as stored JSON. Lone surrogates and NUL are escaped by JSON and made visible."""
    record = {
        "type": _make_storable(kind, 200),
        "message": _make_storable(message, MESSAGE_LIMIT),
        "trace": _make_storable(trace, TRACE_LIMIT),
    }
    return json.dumps(record, ensure_ascii=False).encode()


def _format_trace(error: BaseException) -> list[str]:
    # The first frames are the engine's own; what a user wants begins with the task's function. An error about a
    # returned value has no frame of the user's at all.
    if isinstance(error, InvalidValueError):
        return []
    return traceback.format_exception(type(error), error, _skip_engine(error.__traceback__), limit=-100)


_ENGINE = f"{Path(__file__).parents[1]}/"


def _skip_engine(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the user's first frame on; all of it when there is none."""
    found = trace
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_ENGINE):
        found = found.tb_next
    return found or trace


def _log_failure(assignment: Assignment, error: bytes, delay: float | None) -> None:
    """One line for whoever watches the worker; the traceback is with the run. None where the attempt was taken away
    before: that its code was told to stop is no failure."""
    if not assignment.concluded and logger.isEnabledFor(logging.INFO):
        record = json.loads(error)
        first, *more = (record["message"].strip() or "(no message)").split("\n", 1)
        logger.info(
            "task %s of run %s failed in attempt %d, %s: %s: %s",
            assignment.name,
            assignment.run.id,
            assignment.attempt,
            "not retried" if delay is None else f"retry in {delay:g} s",
            record["type"],
            first + (" …" if more else ""),
        )


def _make_storable(text: str, limit: int) -> str:
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
