"""The application: routes, errors, guards and the dashboard's files, as one ASGI app."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from plait.server import errors, static_files
from plait.server.accounts import Account
from plait.server.answers import Problem
from plait.server.auth import Authorize, Gate
from plait.server.changes import Broker
from plait.server.clients import Clients
from plait.server.metrics import Exporter
from plait.server.middleware import LOOPBACK_NAMES, Guard
from plait.server.routes import catalog, health, runs, session, stream, triggers

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from plait.client import Plait

API = "/api/v1"
DESCRIPTION = """\
See every execution, live, and act on it.

JSON that users wrote (inputs, outputs, metadata) is passed as text, so that integers of any length stay exact. Pages
are cut by keys: pass `next` of one page as `before` or `after` of the following one. Every error is a `Problem`.
"""
_PROBLEMS: dict[int | str, dict[str, object]] = {
    "4XX": {"model": Problem, "description": "What is wrong with the request."},
    "5XX": {"model": Problem, "description": "What is wrong with the server, or its database."},
}


def build_routes() -> FastAPI:
    """The app with its routes alone: enough for the OpenAPI document."""
    from plait import __version__  # noqa: PLC0415 - plait is being imported when this is

    app = FastAPI(
        title="Plait",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        routes=_make_router().routes,
    )
    errors.install(app)
    return app


@cache
def _make_router() -> APIRouter:
    """All routes, once for all apps of a process: to read what their functions take and answer takes half a second."""
    api = APIRouter(prefix=API, responses=_PROBLEMS)
    for router in (
        session.router,
        runs.router,
        catalog.router,
        catalog.workers,
        catalog.filters,
        triggers.events,
        triggers.crons,
        triggers.scheduled,
        stream.router,
    ):
        api.include_router(router)
    every = APIRouter(generate_unique_id_function=_name_operation)
    every.include_router(api)
    every.include_router(health.router, responses=_PROBLEMS)
    every.include_router(static_files.router)
    return every


def create_app(
    plait: Plait,
    *,
    accounts: Sequence[Account] = (),
    authorize: Authorize | None = None,
    allowed_hosts: Sequence[str] | None = None,
) -> FastAPI:
    """The dashboard with its API, as an ASGI app of its own or to be mounted in another.

    Args:
        plait: whose runs it shows; the workflows declared with it validate the inputs of what is triggered.
        accounts: who may sign in.
        authorize: your own answer to who asks: ``Role.READ``, ``Role.WRITE`` or None, from the request. Asked before
            the accounts.
        allowed_hosts: the names under which it may be reached; any, unless given. Without accounts and ``authorize``
            it serves this machine alone, under its loopback names and those given here.
    """
    app = build_routes()
    clients = Clients(plait)
    gate = Gate(accounts, authorize, clients)
    app.state.clients = clients
    app.state.gate = gate
    app.state.broker = Broker(plait)
    app.state.exporter = Exporter(plait)
    hosts = allowed_hosts
    if gate.is_open:
        hosts = [*LOOPBACK_NAMES, *(allowed_hosts or ())]
    app.add_middleware(Guard, hosts=hosts, local_only=gate.is_open)
    return app


def mount(app: Starlette, plait: Plait, path: str = "/plait", **options: Any) -> FastAPI:
    """Mount the dashboard in a FastAPI or Starlette app under a prefix; ``options`` as ``create_app`` takes them.

    Returns the mounted app. The stream of changes stays open as long as a page does: give uvicorn a
    ``--timeout-graceful-shutdown``, or it waits for the pages when it is told to stop.
    """
    dashboard = create_app(plait, **options)
    app.mount(path, dashboard)
    return dashboard


def _name_operation(route: APIRoute) -> str:
    return route.name
