"""Log records that say which task they come from: for your own handlers, and for those of the command line."""

from __future__ import annotations

import logging
import sys
from typing import Any

from plait.engine.current import current_attempt
from plait.graph.attempt import Attempt

FIELDS = ("run_id", "task_run_id", "workflow", "task", "attempt", "trace_id", "span_id")
"""What a record can have besides its own attributes."""


def describe_attempt(attempt: Attempt) -> dict[str, Any]:
    """The ids and names of an attempt, as fields of a log record."""
    return {
        "run_id": str(attempt.run.id),
        "task_run_id": f"{attempt.run.id}:{attempt.task}",
        "workflow": attempt.run.version.definition.name,
        "task": attempt.name,
        "attempt": attempt.attempt,
    }


def describe_current_task() -> dict[str, Any]:
    """The ids and names of the task that the calling code belongs to, and of the trace if there is one.

    ``run_id``, ``task_run_id``, ``workflow``, ``task`` and ``attempt``; empty outside of a task. ``trace_id`` and
    ``span_id``, in hexadecimal digits, wherever OpenTelemetry has a current span.
    """
    found: dict[str, Any] = {}
    current = current_attempt.get()
    if current is not None:
        found = describe_attempt(current.attempt)
    trace = sys.modules.get("opentelemetry.trace")  # where nobody has imported it, nothing is traced
    if trace is not None:
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            found |= {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}
    return found


class TaskLogFilter(logging.Filter):
    """Adds to every record of a handler the task it comes from. Drops no record.

    Add it to a handler, not to a logger: the filters of a logger do not see what its children log. It works in
    ``logging.config.dictConfig`` as ``{"()": "plait.logs.TaskLogFilter"}``. If a handler passes records to another
    thread (``QueueHandler``), add it to that handler, not to the one behind.

    Args:
        missing: the value of the fields outside of a task, so that a format string can use them; None leaves them out.
    """

    def __init__(self, missing: Any = "-") -> None:
        super().__init__()
        self._missing = missing

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the fields. Those that the record already has, from ``extra``, stay as they are."""
        found = describe_current_task()
        for field in FIELDS:
            value = found.get(field, self._missing)
            if value is not None and not hasattr(record, field):
                setattr(record, field, value)
        return True
