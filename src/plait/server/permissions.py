"""Who may use which route. A route that declares no rule cannot be made."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

KEY = "x-access"
"""Where a route's rule stands, also in the OpenAPI document."""


class Access(StrEnum):
    """A rule: for everybody, for whoever may look, for whoever may change things."""

    PUBLIC = "public"
    READ = "read"
    WRITE = "write"


def rule(access: Access) -> dict[str, Any]:
    """The rule as options of a route: ``@router.get("/runs", **READ)``."""
    return {"openapi_extra": {KEY: access.value}}


PUBLIC, READ, WRITE = rule(Access.PUBLIC), rule(Access.READ), rule(Access.WRITE)


class GuardedRoute(APIRoute):
    """A route that asks who is there before it reads anything of the request."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        extra = self.openapi_extra or {}
        if KEY not in extra:
            raise TypeError(f"route {path} declares no access rule: add **PUBLIC, **READ or **WRITE")
        self.access = Access(extra[KEY])

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        access = Access((self.openapi_extra or {})[KEY]) if KEY in (self.openapi_extra or {}) else Access.WRITE

        async def guarded(request: Request) -> Response:
            await request.app.state.gate.admit(request, access)
            return await handler(request)

        return guarded


def make_router(tag: str) -> APIRouter:
    """A router whose routes are guarded."""
    return APIRouter(route_class=GuardedRoute, tags=[tag])
