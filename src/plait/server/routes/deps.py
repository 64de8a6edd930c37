"""What routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from plait.server.clients import Clients
from plait.server.requests import Index


def _find_clients(request: Request) -> Clients:
    clients: Clients = request.app.state.clients
    return clients


Ask = Annotated[Clients, Depends(_find_clients)]
TaskIndex = Annotated[Index, Path(description="`index` of the task.")]
WorkflowName = Annotated[str, Path(min_length=1, max_length=200)]
Text = Annotated[str | None, Query(min_length=1, max_length=500)]

JSON_FILE: dict[int | str, dict[str, object]] = {
    200: {"content": {"application/json": {"schema": {}}}, "description": "JSON, to the letter as it is stored."}
}


def name_id(value: object) -> str | None:
    """An id of a request as the features take it."""
    return None if value is None else str(value)


def choose_one(text: str | None) -> list[str] | None:
    """A filter of a request that is one text, as the features take it."""
    return None if text is None else [text]


def send_file(data: bytes, name: str) -> Response:
    """JSON to be saved under a name."""
    return Response(
        data, media_type="application/json", headers={"content-disposition": f'attachment; filename="{name}"'}
    )
