"""What starts a run, as it is recorded with the run."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any, NamedTuple
from uuid import UUID

FILTER_PAYLOAD = "plait.filter_payload"
"""The key in a run's metadata under which the payload of the event filter that let it start stands."""

TRACE_KEY = "plait.trace"
"""The key in a run's metadata under which the trace context of its trigger stands, in the headers of W3C or whatever
propagator is set. Not shown as metadata."""


def read_metadata(stored: str | None) -> dict[str, Any]:
    """The metadata of a run or event as its users gave it, from what is stored."""
    found: dict[str, Any] = json.loads(stored) if stored else {}
    found.pop(TRACE_KEY, None)
    return found


def hide_trace(stored: str | None) -> str | None:
    """``read_metadata`` for those who show the text."""
    if stored is None or TRACE_KEY not in stored:
        return stored
    shown = read_metadata(stored)
    return json.dumps(shown) if shown else None


class TriggerKind(IntEnum):
    """What started a run that nobody's code started directly."""

    PARENT = 1
    EVENT = 2
    CRON = 3
    SCHEDULED = 4
    REPLAY = 5


def make_child_key(workflow: str, key: str | int) -> str:
    """What finds a child run of ``workflow`` again: ``key`` as it was given, or the number of the call."""
    return f"{'#' if isinstance(key, int) else '='}{len(workflow)}:{workflow}:{key}"


def read_child_key(stored: str) -> str | None:
    """The key that was given for a child run; None where the order of the calls finds it."""
    length, _, rest = stored[1:].partition(":")
    return rest[int(length) + 1 :] if stored.startswith("=") else None


class RunTrigger(NamedTuple):
    """The trigger of one run. ``id``: the parent run, event, cron, scheduled run or replayed run.

    Of a child run, ``task`` is the index of the parent's task, ``attempt`` the attempt that asks for it, and
    ``child_key`` what finds the child again when that task runs again.
    """

    kind: TriggerKind
    id: UUID
    task: int | None = None
    attempt: int | None = None
    child_key: str | None = None
