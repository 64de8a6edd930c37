"""What routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request, Response

from plait.server.desk import Desk
from plait.server.models.common import Index


def _find_desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


At = Annotated[Desk, Depends(_find_desk)]
TaskIndex = Annotated[Index, Path(description="Its place in `tasks` of the run.")]
WorkflowName = Annotated[str, Path(min_length=1, max_length=200)]

JSON_FILE: dict[int | str, dict[str, object]] = {
    200: {"content": {"application/json": {"schema": {}}}, "description": "JSON, to the letter as it is stored."}
}


def send_file(data: bytes, name: str) -> Response:
    """JSON to be saved under a name."""
    return Response(
        data, media_type="application/json", headers={"content-disposition": f'attachment; filename="{name}"'}
    )
