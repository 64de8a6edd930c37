"""The small types that declarations and triggers are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from plait.durations import Duration, parse_duration
from plait.errors import InvalidInputError, PlaitError
from plait.values.faults import find_fault
from plait.wording import shorten

__all__ = [
    "UNSET",
    "Duration",
    "EmptyModel",
    "Priority",
    "TaskDefaults",
    "TaskStatus",
    "TriggerWorkflowOptions",
    "Unset",
    "WorkflowRunStatus",
    "parse_duration",
]

MAX_KEY_LENGTH: Final = 500
"""Characters of an idempotency key or a child key: at four bytes each it still fits into an index entry."""


class Unset(Enum):
    """The type of ``UNSET``."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Says that an option was not given, where ``None`` and ``0`` are values of their own."""


class EmptyModel(BaseModel):
    """The input of a workflow declared without ``input_validator``. Whatever fields it is given are kept."""

    model_config = ConfigDict(extra="allow")


class Priority(IntEnum):
    """How urgent a run is, compared with all other runs. The highest goes first."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class WorkflowRunStatus(StrEnum):
    """Where a run stands. The last three are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class TaskStatus(StrEnum):
    """Where a task of a run stands. ``PENDING`` waits for its parents; the last four are final."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefaults:
    """Options for every task of a workflow that does not set them itself, its two hooks included.

    A task that says ``retries=0`` keeps 0: only what is left out is filled in. ``None`` in a field here
    means the same as leaving it out.
    """

    retries: int | Unset | None = UNSET
    backoff_factor: float | Unset | None = UNSET
    backoff_max_seconds: float | Unset | None = UNSET
    backoff_jitter: bool | Unset | None = UNSET
    execution_timeout: Duration | Unset | None = UNSET
    schedule_timeout: Duration | Unset | None = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerWorkflowOptions:
    """The options of one trigger in one object. A keyword given beside it wins; metadata is merged."""

    additional_metadata: Mapping[str, Any] | None = None
    priority: Priority | Literal[1, 2, 3] | int | None = None
    idempotency_key: str | None = None
    child_key: str | None = None


def check_priority(value: object, where: str, error: type[PlaitError]) -> int:
    """``value`` as 1, 2 or 3. Raises ``error`` with a message that begins with ``where``."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 3:
        return int(value)
    raise error(f"{where} is {shorten(value)}: give Priority.LOW (1), MEDIUM (2) or HIGH (3)")


def check_index_key(key: object, where: str) -> str | None:
    """``key``, or ``None`` for none. Raises ``InvalidInputError`` unless it can be an index key."""
    if key is None:
        return None
    if not isinstance(key, str) or not key:
        raise InvalidInputError(f"{where} is {shorten(key)}: give a str that is not empty")
    if len(key) > MAX_KEY_LENGTH:
        raise InvalidInputError(
            f"{where} {shorten(key)} has {len(key):,} characters: use at most {MAX_KEY_LENGTH}, e.g. a hash of it"
        )
    if fault := find_fault(key, where, try_leaves=False):
        raise InvalidInputError(fault)
    return key
