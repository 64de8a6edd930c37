"""Who is asking, and what the server is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from plait.server.models.common import Answer, Order


class SessionView(Answer):
    """Who is asking. `role` null: sign in first, by `login`."""

    role: Literal["read", "write"] | None
    user: str | None
    login: Literal["none", "password", "token", "both"] = Field(
        description="How to sign in; `none`: there is nothing to sign in to."
    )
    plait_version: str | None = Field(description="Null until signed in.")
    database: str | None = Field(description="Where the data is, without the password. Null until signed in.")


class LoginOrder(Order):
    """A user with a password, or a token."""

    user: Annotated[str, Field(max_length=200)] | None = None
    password: Annotated[str, Field(max_length=1000)] | None = None
    token: Annotated[str, Field(max_length=1000)] | None = None


class Health(Answer):
    status: Literal["ok", "unavailable"]
    detail: str | None = None
