"""Who a worker is, and what it may do now."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from plait.errors import InvalidInputError
from plait.ids import new_run_id


@dataclass(frozen=True, slots=True)
class Timings:
    """How a worker keeps time, in seconds.

    It sends a heartbeat every ``heartbeat``. If none arrives for ``lease``, other workers take over its tasks; so it
    stops them itself after ``lease - margin``. On a stop signal running tasks have ``grace`` to finish.
    """

    heartbeat: float = 4.0
    lease: float = 30.0
    margin: float = 4.0
    grace: float = 30.0

    def __post_init__(self) -> None:
        if not 0 < self.heartbeat < self.lease - self.margin or self.margin < 0 or self.grace < 0:
            raise InvalidInputError(f"{self}: needs 0 < heartbeat < lease - margin, 0 <= margin and 0 <= grace")


@dataclass(slots=True, eq=False)
class Identity:
    """Shared by all parts of a worker. The switches are set on the engine's loop only."""

    name: str
    slots: int
    timings: Timings
    labels: str | None = None
    id: UUID = field(default_factory=new_run_id)
    """Under which it is registered, or will be: a lost lease gives it another one."""
    is_registered: bool = False
    """Whether it may claim and store: not before it is registered, and not once its lease is lost."""
    is_alone: bool = False
    """Whether no other worker could run what it frees; the heartbeat learns it."""
    others: int = 0
    """Live workers beside it, and of these, the ``peers`` that have the same code; as the heartbeat last learnt."""
    peers: int = 0
    is_stopping: bool = False
    """Whether it claims nothing more, and goes on with nothing of what it frees."""

    @property
    def worker_id(self) -> UUID | None:
        """The id under which it may claim and store now."""
        return self.id if self.is_registered else None

    def begin(self) -> None:
        """It is registered under its id."""
        self.is_registered = True
        self.is_alone = False  # until the first heartbeat tells

    def lose(self) -> UUID:
        """Its lease is lost: it needs to register anew, under another id. Returns the id it had."""
        lost, self.id, self.is_registered = self.id, new_run_id(), False
        return lost
