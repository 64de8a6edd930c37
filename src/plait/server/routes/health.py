"""``/livez``, ``/readyz`` and ``/metrics``: for what looks after the process."""

from __future__ import annotations

from fastapi import Request, Response

from plait.server.models.session import Health
from plait.server.permissions import PUBLIC, READ, make_router
from plait.server.routes.deps import At

router = make_router("health")


@router.get("/livez", **PUBLIC)
async def livez() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health}}, **PUBLIC)
async def readyz(desk: At, response: Response) -> Health:
    """The database answers, and its schema fits."""
    health = await desk.check_health()
    if health.status != "ok":
        response.status_code = 503
    return health


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    **READ,
)
async def metrics(request: Request) -> Response:
    """Prometheus metrics; see the how-to page for their names."""
    text, media_type = await request.app.state.exporter.render()
    return Response(text, media_type=media_type)
