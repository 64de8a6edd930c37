"""What made a task fail, as it is stored: exceptions to JSON, and back to what callers get."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from plait.errors import InvalidValueError, TaskRunError
from plait.values.encoding import decode_json

MESSAGE_LIMIT = 10_000
TRACE_LIMIT = 50_000
"""Characters of a stored error message and traceback; of a longer one the beginning and the end are kept."""


def read_task_error(data: bytes | None, task_name: str, task_run_id: str) -> TaskRunError | None:
    """The error of an attempt as it was stored, or None."""
    if data is None:
        return None
    error = decode_json(data)
    return TaskRunError(
        str(error.get("message", "")), str(error.get("type", "")), str(error.get("trace", "")), task_run_id, task_name
    )


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


def _make_storable(text: str, limit: int) -> str:
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
