"""What the server alone answers; all else are the answers of ``plait.features``."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """Every error that the API answers with."""

    type: str = Field(description="A code for programs, such as `not_found`, `invalid` or `unauthorized`.")
    message: str = Field(description="A sentence for people.")
    field: str | None = Field(description="The field of the request that is wrong, e.g. `body.input`.")
    hint: str | None = Field(description="What to do about it.")


class Done(BaseModel):
    """Whether the request changed anything."""

    done: bool


class Started(BaseModel):
    """The run that was started."""

    id: UUID


class SessionView(BaseModel):
    """Who is asking. `role` null: sign in first, by `login`."""

    role: Literal["read", "write"] | None
    user: str | None
    login: Literal["none", "password", "token", "both"] = Field(
        description="How to sign in; `none`: there is nothing to sign in to."
    )
    plait_version: str | None = Field(description="Null until signed in.")
    database: str | None = Field(description="Where the data is, without the password. Null until signed in.")


class Health(BaseModel):
    status: Literal["ok", "unavailable"]
    detail: str | None


class StreamChange(BaseModel):
    """The data of one `change` of the stream. Nothing is promised about what it leaves out: fetch what is shown."""

    kind: Literal["run", "runs", "logs", "events", "workers", "schedules"] = Field(
        description="`run`: these runs changed. `runs`: some did, or new ones came. `logs`: these runs have new lines."
    )
    ids: list[UUID] = Field(description="Runs, where the kind is about some.")
