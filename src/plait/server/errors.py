"""Every error as a ``Problem``: which class gives which status, and nothing of what is not for strangers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from plait.errors import (
    DatabaseUnavailableError,
    DefinitionError,
    ExpressionError,
    InvalidValueError,
    NotFoundError,
    OperationError,
    PayloadTooLargeError,
    PlaitError,
    ReplayError,
    SchemaError,
)
from plait.server.answers import Problem

logger = logging.getLogger("plait.server")


class ProblemError(Exception):
    """Answer with a problem of this status."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = Problem(type=kind, message=make_clean(message), field=field, hint=hint)
        self.headers = headers


# The first class that fits decides: status, word, hint.
_BY_CLASS: tuple[tuple[type[Exception], int, str, str | None], ...] = (
    (NotFoundError, 404, "not_found", None),
    (ReplayError, 409, "conflict", None),
    (PayloadTooLargeError, 413, "too_large", None),
    (InvalidValueError, 422, "invalid", None),
    (DefinitionError, 422, "invalid", None),
    (ExpressionError, 422, "invalid", None),
    (SchemaError, 503, "unavailable", "plait db status"),
    (DatabaseUnavailableError, 503, "unavailable", "plait doctor"),
    (OperationError, 503, "unavailable", "plait doctor"),
    (PlaitError, 400, "refused", None),
    # What slipped through to the database and does not fit there: a NUL character, say.
    (asyncpg.DataError, 422, "invalid", None),
)


def make_clean(text: str) -> str:
    """``text`` as JSON and browsers can take it."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def answer(status: int, problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem as a response."""
    return JSONResponse(problem.model_dump(), status_code=status, headers=headers)


def describe(error: Exception) -> tuple[int, Problem]:
    """Status and problem of an error that Plait or the database raised."""
    for kind, status, word, hint in _BY_CLASS:
        if isinstance(error, kind):
            return status, Problem(type=word, message=make_clean(str(error)), field=None, hint=hint)
    return 500, Problem(
        type="internal", message="an unexpected error; see the server's log", field=None, hint="please report it"
    )


def install(app: FastAPI) -> None:
    """Have an app answer every error as a problem."""

    async def on_problem(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ProblemError)
        return answer(error.status, error.problem, error.headers)

    async def on_invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return answer(422, _describe_invalid(error.errors()))

    async def on_http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        word = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status_code, "refused")
        problem = Problem(type=word, message=make_clean(str(error.detail)), field=None, hint=None)
        return answer(error.status_code, problem, dict(error.headers or {}))

    async def on_plait(_request: Request, error: Exception) -> JSONResponse:
        return answer(*describe(error))

    async def on_defect(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(*describe(error))

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    for kind in (PlaitError, asyncpg.DataError):
        app.add_exception_handler(kind, on_plait)
    app.add_exception_handler(Exception, on_defect)


def _describe_invalid(errors: Sequence[Any]) -> Problem:
    first = errors[0]
    field = ".".join(str(step) for step in first["loc"])
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    shown = make_clean(field)[:200]
    return Problem(type="invalid", message=f"{shown}: {make_clean(first['msg'])}{more}", field=shown, hint=None)
