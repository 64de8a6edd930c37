"""Events, crons and scheduled runs."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from plait.server.models.catalog import Key, Name
from plait.server.models.common import Answer, JsonText, Moment, Order, Payload, Priority, Time
from plait.server.models.runs import RunItem

CatchUp = Literal["none", "latest", "all"]
Expression = Annotated[str, Field(min_length=1, max_length=500)]
ZoneName = Annotated[str, Field(min_length=1, max_length=100)]


class EventItem(Answer):
    """One event. `delivered`: its runs were started and the tasks that waited for it were woken."""

    id: UUID
    key: str
    scope: str | None
    priority: int | None
    metadata: str | None = Field(description="JSON text of an object.")
    created_at: Time
    delivered: bool
    payload: Payload = Field(description="In a list, the first bytes of it.")


class EventPage(Answer):
    """Events, newest first. As with runs, a page looks at a bounded number of them."""

    events: list[EventItem]
    next: UUID | None = Field(description="`before` of the next page.")


class EventView(Answer):
    event: EventItem
    runs: list[RunItem] = Field(description="The first runs that it started, oldest first.")
    runs_more: bool


class EventOrder(Order):
    key: Key
    payload: JsonText = "{}"
    metadata: JsonText | None = None
    scope: Key | None = None
    priority: Priority | None = None


class CronItem(Answer):
    id: UUID
    workflow: str
    name: str
    expression: str
    timezone: str
    catch_up: CatchUp
    paused: bool
    declared: bool = Field(description="With the workflow, in code.")
    priority: int
    input: Payload
    metadata: str | None
    created_at: Time
    last_at: Time | None = Field(description="The newest fire time that got a run.")
    next_at: Time | None
    next_times: list[Time] = Field(description="The next five, also of a paused one: those it would have.")


class CronPage(Answer):
    crons: list[CronItem]
    next: UUID | None = Field(description="`after` of the next page.")


class CronOrder(Order):
    workflow: Name
    name: Name
    expression: Expression
    timezone: ZoneName = "UTC"
    catch_up: CatchUp = "latest"
    input: JsonText = "{}"
    metadata: JsonText | None = None
    priority: Priority | None = None


class CronPreview(Answer):
    """What an expression means."""

    explanation: str
    next_times: list[Time]


class ScheduledItem(Answer):
    """A run that time starts once. `run_id`: the run, once it was started."""

    id: UUID
    workflow: str
    run_at: Time
    priority: int
    input: Payload
    metadata: str | None
    created_at: Time
    run_id: UUID | None = None


class ScheduledPage(Answer):
    """Scheduled runs, the latest time first."""

    scheduled: list[ScheduledItem]
    next: UUID | None = Field(description="`before` of the next page.")


class ScheduledOrder(Order):
    workflow: Name
    run_at: Moment
    input: JsonText = "{}"
    metadata: JsonText | None = None
    priority: Priority | None = None


class ScheduledChange(Order):
    run_at: Moment
