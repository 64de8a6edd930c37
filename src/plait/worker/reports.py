"""What becomes of an attempt: the report that its execution, a timer or the judge makes of it."""

from __future__ import annotations

import json
import logging
import random
from datetime import timedelta

from plait.errors import DatabaseUnavailableError, NonRetryableException, RetryAfterException
from plait.graph.attempt import Attempt, Report
from plait.graph.definition import Status
from plait.graph.retry import choose_retry
from plait.logs import describe_attempt
from plait.values.failures import describe_exception

logger = logging.getLogger("plait.worker")

OUTAGE = "the database was not available to its code"
OUTAGE_PAUSE_US = 1_000_000

CANCELLED_BY_REQUEST = "somebody cancelled this task"


def report_failure(attempt: Attempt, error: BaseException, elapsed_us: int, *, database: str) -> Report:
    """The report of an attempt that raised: retried while retries remain, else failed. It did not fail when a call of
    its code to ``database``, its worker's own, met an outage: then it is handed back."""
    if _is_outage(error, database):
        logger.info("task %s of run %s is handed back: %s", attempt.name, attempt.run.id, error)
        return Report(Status.RELEASED, elapsed_us=elapsed_us, retry_us=OUTAGE_PAUSE_US, reason=OUTAGE)
    data = describe_exception(error)
    retryable = not isinstance(error, NonRetryableException)
    wanted = getattr(error, "after", None) if isinstance(error, RetryAfterException) else None
    after = wanted.total_seconds() if isinstance(wanted, timedelta) else None
    return choose_failure(attempt, data, elapsed_us, retryable=retryable, after=after)


def _is_outage(error: BaseException, database: str) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_outage(one, database) for one in error.exceptions)
    return isinstance(error, DatabaseUnavailableError) and error.database == database and not error.refused


def choose_failure(
    attempt: Attempt, error: bytes, elapsed_us: int, *, retryable: bool = True, after: float | None = None
) -> Report:
    """Retried or failed, as the task's options and the retries spent so far say."""
    spec = attempt.run.version.definition.tasks[attempt.task]
    delay = choose_retry(spec, attempt.retry, retryable=retryable, after=after, random=random.random())
    if delay is None:
        return Report(Status.FAILED, error=error, elapsed_us=elapsed_us)
    return Report(Status.RETRIED, error=error, elapsed_us=elapsed_us, retry_us=round(delay * 1e6))


def tell_failure(attempt: Attempt, report: Report) -> None:
    """One line for whoever watches the worker, once it is stored that an attempt failed; the traceback is with the run.
    What the code of an attempt raised that was cancelled or taken away is no failure, and not stored as one."""
    if logger.isEnabledFor(logging.INFO) and report.error is not None:
        record = json.loads(report.error)
        first, *more = (record["message"].strip() or "(no message)").split("\n", 1)
        logger.info(
            "task %s of run %s failed in attempt %d, %s: %s: %s",
            attempt.name,
            attempt.run.id,
            attempt.attempt,
            "not retried" if report.retry_us is None else f"retry in {report.retry_us / 1e6:g} s",
            record["type"],
            first + (" …" if more else ""),
            extra=describe_attempt(attempt),
        )
