"""Types that several parts of the API share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

MOST_ROWS = 500
"""Rows of one page."""


class Answer(BaseModel):
    """Base of what is answered."""

    model_config = ConfigDict(from_attributes=True)


class Order(BaseModel):
    """Base of what is asked for in a body. A field that is not known is refused: it is likely misspelt."""

    model_config = ConfigDict(extra="forbid", str_max_length=4 << 20)


class Problem(Answer):
    """Every error that the API answers with."""

    type: str = Field(description="A word for programs, such as `not_found`, `invalid` or `unauthorized`.")
    message: str = Field(description="A sentence for people.")
    field: str | None = Field(None, description="The field of the request that is wrong, e.g. `body.input`.")
    hint: str | None = Field(None, description="What to do about it.")


class Payload(Answer):
    """Stored JSON as *text*, so that integers of any length stay exact. Long ones are shown in part."""

    text: str = Field(description="JSON text; cut off when `truncated`, and then not parsable.")
    size: int = Field(description="Bytes of the whole.")
    truncated: bool


class Failure(Answer):
    """The error of a task or an attempt."""

    type: str
    message: str
    trace: str = ""


class Done(Answer):
    """Whether an order changed anything."""

    done: bool


class Started(Answer):
    """The run that was started."""

    id: UUID


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
Time = datetime
