"""What requests hold: filters of lists, and bodies. A field that is not known is refused: it is likely misspelt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from plait.errors import InvalidInputError
from plait.features.run_search import RunFilter
from plait.features.run_views import TriggerWord
from plait.types import WorkflowRunStatus
from plait.types.crons import CatchUp

MOST_ROWS = 500
"""Rows of one page."""
MOST_IDS = 10_000


def _check_moment(moment: datetime) -> datetime:
    """In UTC, and within what the database holds whatever is added to it."""
    if not 1970 <= moment.year < 9998:
        raise ValueError("a time from 1970 to 9997")
    return moment.astimezone(UTC)


Limit = Annotated[int, Field(ge=1, le=MOST_ROWS, description="Rows of a page.")]
Moment = Annotated[AwareDatetime, AfterValidator(_check_moment)]
Index = Annotated[int, Field(ge=0, le=32_767)]
VersionId = Annotated[int, Field(ge=1, le=2**31 - 1)]
JsonText = Annotated[
    str, Field(description="JSON as text: integers stay exact, whatever their length.", max_length=4 << 20)
]
Priority = Annotated[int, Field(ge=1, le=3)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Key = Annotated[str, Field(min_length=1, max_length=500)]
CronExpression = Annotated[str, Field(min_length=1, max_length=500)]
ZoneName = Annotated[str, Field(min_length=1, max_length=100)]
MetadataToken = Annotated[str, Field(pattern=r"^[^:]+:", max_length=1000)]


class Body(BaseModel):
    """Base of what is asked for in a body."""

    model_config = ConfigDict(extra="forbid", str_max_length=4 << 20)


# runs


class TriggerRequest(Body):
    """Start a run."""

    workflow: Name
    input: JsonText = "{}"
    metadata: JsonText | None = Field(None, description="JSON text of an object.")
    priority: Priority | None = None
    idempotency_key: Key | None = None


class CancelRequest(Body):
    reason: Annotated[str, Field(max_length=1000)] | None = None


class ReplayRequest(Body):
    """What to run again besides what did not complete; or, with `input`, a new run with another input."""

    from_start: bool = False
    tasks: Annotated[list[Name], Field(max_length=1000)] = Field([], description="Names of the tasks to run again.")
    input: JsonText | None = None
    metadata: JsonText | None = None
    priority: Priority | None = None


class RunFilterRequest(Body):
    """The same filter as that of the list of runs."""

    status: list[WorkflowRunStatus] = Field([])
    workflow: Annotated[list[str], Field(max_length=100)] = Field([])
    metadata: Annotated[list[MetadataToken], Field(max_length=20)] = Field(
        [], description="Each is `key:value`; the value is compared as text. A run must match all."
    )
    trigger: list[TriggerWord] = Field([])
    triggered_by: UUID | None = None
    since: Moment | None = Field(
        None, description="Triggered at or after this time, by the clock of the program that triggered it."
    )
    until: Moment | None = Field(None, description="Triggered before this time.")

    def build(self) -> RunFilter:
        """The filter as ``plait.runs`` takes it."""
        return RunFilter(
            since=self.since,
            until=self.until,
            statuses=self.status or None,
            workflow_names=self.workflow or None,
            additional_metadata=_read_tokens(self.metadata) or None,
            triggers=self.trigger or None,
            triggered_by=None if self.triggered_by is None else str(self.triggered_by),
        )


class RunQuery(RunFilterRequest):
    """A page of the runs that pass a filter."""

    before: UUID | None = Field(None, description="`next` of the page before.")
    limit: Limit = 50


class RunStatsQuery(RunFilterRequest):
    bars: Annotated[int, Field(ge=1, le=200)] = 48


class BulkRequest(Body):
    """About many runs: by id, or all that match a filter; exactly one of the two.

    With a filter, a bounded number of runs is dealt with at a time. Go on with `before` from the answer's `next` until
    that is null. Cancelling looks at active runs only, replaying at failed and cancelled ones.
    """

    ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_IDS)] | None = None
    filter: RunFilterRequest | None = None
    before: UUID | None = None
    dry_run: bool = Field(False, description="Count only.")
    from_start: bool = Field(False, description="Replay all tasks.")

    def build(self) -> dict[str, Any]:
        """Which runs, as the arguments of ``plait.runs.bulk_cancel``."""
        if (self.ids is None) == (self.filter is None):
            raise InvalidInputError("give either ids or filter; an empty filter matches all runs")
        return {
            "ids": None if self.ids is None else [str(run_id) for run_id in self.ids],
            "filter": None if self.filter is None else self.filter.build(),
            "before": None if self.before is None else str(self.before),
            "dry_run": self.dry_run,
        }


# what starts runs


class EventRequest(Body):
    key: Key
    payload: JsonText = "{}"
    metadata: JsonText | None = None
    scope: Key | None = None
    priority: Priority | None = None


class CronRequest(Body):
    workflow: Name
    name: Name
    expression: CronExpression
    timezone: ZoneName = "UTC"
    catch_up: CatchUp = "latest"
    input: JsonText = "{}"
    metadata: JsonText | None = None
    priority: Priority | None = None


class ScheduledRequest(Body):
    workflow: Name
    run_at: Moment
    input: JsonText = "{}"
    metadata: JsonText | None = None
    priority: Priority | None = None


class ScheduledChange(Body):
    run_at: Moment


class FilterRequest(Body):
    workflow: Name
    expression: Annotated[str, Field(min_length=1, max_length=10_000)]
    scope: Key
    payload: JsonText = "{}"


class FilterChange(Body):
    expression: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    scope: Key | None = None
    payload: JsonText | None = None


class LoginRequest(Body):
    """A user with a password, or a token."""

    user: Annotated[str, Field(max_length=200)] | None = None
    password: Annotated[str, Field(max_length=1000)] | None = None
    token: Annotated[str, Field(max_length=1000)] | None = None


def _read_tokens(tokens: Sequence[str]) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for token in tokens:
        key, _, value = token.partition(":")
        if pairs.setdefault(key, value) != value:
            raise InvalidInputError(f"metadata has {key!r} twice with different values; no run can match both")
    return pairs
