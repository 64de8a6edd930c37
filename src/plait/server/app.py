"""The application: routes, errors, guards and the dashboard's files, as one ASGI app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from plait.server import errors
from plait.server.models.common import Problem
from plait.server.routes import catalog, health, runs, session, stream, triggers

if TYPE_CHECKING:
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
        generate_unique_id_function=_name_operation,
        separate_input_output_schemas=False,
    )
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
    app.include_router(api)
    app.include_router(health.router, responses=_PROBLEMS)
    errors.install(app)
    return app


def _name_operation(route: APIRoute) -> str:
    return route.name
