"""``/session``: signing in and out, and who one is."""

from __future__ import annotations

from fastapi import Request, Response

from plait.server.answers import Done, SessionView
from plait.server.permissions import PUBLIC, make_router
from plait.server.requests import LoginRequest

router = make_router("session")


@router.get("/session", **PUBLIC)
async def get_session(request: Request) -> SessionView:
    """Show who is signed in and what they may do; works without signing in."""
    view: SessionView = await request.app.state.gate.describe(request)
    return view


@router.post("/session", **PUBLIC)
async def sign_in(request: Request, response: Response, body: LoginRequest) -> SessionView:
    """Sign in with a password or a token; the answer sets a cookie."""
    view: SessionView = await request.app.state.gate.sign_in(request, response, body)
    return view


@router.delete("/session", **PUBLIC)
async def sign_out(request: Request, response: Response) -> Done:
    """End this session."""
    return Done(done=request.app.state.gate.sign_out(request, response))
