"""An attempt in the hands of this worker: its code, its slot, and its execution while the code runs."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plait.declaration.code import TaskCode
from plait.declaration.context import Context
from plait.engine.current import CurrentAttempt
from plait.graph.attempt import Attempt
from plait.worker import clock

if TYPE_CHECKING:
    from plait.tracing.spans import AttemptSpan

CodeBook = Mapping[int, TaskCode[Any]]
"""What this worker can run, by action id."""


@dataclass(slots=True, eq=False)
class Assignment(Attempt):
    """One attempt that this worker holds, from the claim until its outcome is committed."""

    code: TaskCode[Any] | None
    slot: bool = True
    """Whether it occupies a slot; ``release_slot`` gives it back early, a task that is only judged has none."""
    gone: bool = False
    """Whether it is held no more."""
    execution: Execution | None = None


class Execution:
    """One attempt while its code runs."""

    __slots__ = ("assignment", "context", "current", "started", "submitted", "task", "timeout", "trace")

    def __init__(self, assignment: Assignment, current: CurrentAttempt, context: Context, timeout: float) -> None:
        self.assignment = assignment
        self.current = current
        self.context = context
        self.timeout = timeout
        self.submitted = time.monotonic()
        self.started = clock.monotonic()
        self.task: asyncio.Task[None] | None = None
        self.trace: AttemptSpan | None = None

    def begin(self) -> None:
        """The code is called now (user's side). Waiting for a blocked loop costs a task no time."""
        self.started = clock.monotonic()
        self.assignment.deadline = self.started + self.timeout

    @property
    def has_begun(self) -> bool:
        """Whether the code was called."""
        return self.assignment.deadline < math.inf

    @property
    def elapsed_us(self) -> int:
        return int((clock.monotonic() - self.started) * 1e6)
