"""What starts a run, as it is recorded with the run."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

FILTER_PAYLOAD = "plait.filter_payload"
"""The key in a run's metadata under which the payload of the event filter that let it start stands."""


class TriggerKind(IntEnum):
    """What started a run that nobody's code started directly."""

    PARENT = 1
    EVENT = 2
    CRON = 3
    SCHEDULED = 4
    REPLAY = 5


class RunTrigger(NamedTuple):
    """The trigger of one run. ``id``: the parent run, event, cron, scheduled run or replayed run.

    Of a child run, ``task`` is the index of the parent's task and ``child_key`` what finds the child again when that
    task runs again.
    """

    kind: TriggerKind
    id: UUID
    task: int | None = None
    child_key: str | None = None
