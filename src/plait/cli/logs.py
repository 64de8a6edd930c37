"""Log lines on stderr: one per record, for people or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time

import click

from plait.cli.text import clean, wants_colour
from plait.settings import settings

_COLOURS = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


class TextFormatter(logging.Formatter):
    """``16:30:12.123 INFO  4711 plait.worker: message``, a traceback below it."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        head = f"{clock}.{record.msecs:03.0f} {record.levelname:<7} {record.process} {record.name}: "
        line = head + clean(record.getMessage()).replace("\n", "\n    ")
        if record.exc_info:
            line += "\n" + clean(self.formatException(record.exc_info))
        colour = _COLOURS.get(record.levelno) if self._colour else None
        return click.style(line, fg=colour) if colour else line


class JsonFormatter(logging.Formatter):
    """One JSON object per record: where it comes from, and of a task's the ids of run and attempt."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        plain = logging.makeLogRecord({}).__dict__
        entry |= {key: value for key, value in record.__dict__.items() if key not in plain and key not in entry}
        entry.pop("asctime", None)
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class _TaskFilter(logging.Filter):
    """Adds the ids of the task that a record comes from. Where no such code is loaded, no task runs: a supervisor
    stays without it."""

    def __init__(self) -> None:
        super().__init__()
        self._inner: logging.Filter | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        if self._inner is None and "plait.engine.current" in sys.modules:
            from plait.logs import TaskLogFilter  # noqa: PLC0415 - see above

            self._inner = TaskLogFilter(missing=None)
        if self._inner is not None:
            self._inner.filter(record)
        return True


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what ``sys.stderr`` is at that moment: a live display puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def set_up_logging(level: str, form: str = "text") -> None:
    """Send all log records from ``level`` on to stderr. What the user's code sets up itself comes on top."""
    handler = _StderrHandler()
    handler.addFilter(_TaskFilter())
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter(colour=wants_colour(sys.stderr)))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())
    if settings.debug:
        logging.getLogger("plait").setLevel(logging.DEBUG)
