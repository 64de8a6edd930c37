"""The contract with the dashboard, and what every route must have."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from plait.server import openapi
from plait.server.app import build_routes
from plait.server.permissions import KEY, PUBLIC, READ, Access, GuardedRoute

DOCUMENT = Path(__file__).parents[2] / "dashboard" / "openapi.json"
OPEN = {"get_session", "sign_in", "sign_out", "livez", "readyz", "serve_dashboard"}
"""What strangers may ask: who they are, to sign in and out, whether the process lives, and the dashboard's files."""


def walk(routes: list[BaseRoute]) -> list[BaseRoute]:
    """Routes, and those of the routers and apps among them."""
    found: list[BaseRoute] = []
    for route in routes:
        router = getattr(route, "original_router", route)
        below = getattr(router, "routes", None)
        found += walk(list(below)) if below else [route]
    return found


def test_the_committed_document_is_what_the_code_says() -> None:
    assert DOCUMENT.read_text() == openapi.render(), "run: python -m plait.server.openapi"


def test_every_route_declares_an_access_rule() -> None:
    routes = walk(list(build_routes().routes))
    assert len(routes) > 30
    bare = [route for route in routes if not isinstance(route, GuardedRoute)]
    assert bare == [], "make it with make_router() and **PUBLIC, **READ or **WRITE"


def test_only_what_strangers_need_is_public() -> None:
    routes = [route for route in walk(list(build_routes().routes)) if isinstance(route, GuardedRoute)]
    assert {route.name for route in routes if route.access is Access.PUBLIC} == OPEN


def test_what_changes_something_needs_the_right_to_write() -> None:
    for route in walk(list(build_routes().routes)):
        assert isinstance(route, GuardedRoute)
        changes = not (route.methods or set()) <= {"GET", "HEAD"}
        assert not changes or route.access is Access.WRITE or route.name in OPEN, route.path


def test_a_route_without_a_rule_cannot_be_made() -> None:
    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(TypeError, match="no access rule"):
        router.get("/open")(lambda: None)
    router.get("/closed", **READ)(lambda: None)
    app = FastAPI()
    app.include_router(router, prefix="/x")
    [route] = [found for found in walk(list(app.routes)) if isinstance(found, APIRoute)]
    assert isinstance(route, GuardedRoute)
    assert route.access is Access.READ
    assert PUBLIC["openapi_extra"] == {KEY: "public"}


def test_every_operation_has_a_name_of_its_own() -> None:
    document = build_routes().openapi()
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
