"""The dashboard's files: hashed ones for ever, the page itself with the prefix it is served under."""

from __future__ import annotations

import html
import mimetypes
import re
from importlib.resources import files
from pathlib import Path

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from plait.server.permissions import PUBLIC, make_router

FOLDER = Path(str(files("plait.server"))) / "static"
_IMMUTABLE = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}

MISSING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Plait</title></head><body>
<h1>Plait</h1>
<p>The server runs, and its API answers under <code>api/v1</code>. The dashboard itself was not built into this copy of
Plait: that happens in a checkout of the sources. With Node,
<code>cd dashboard &amp;&amp; npm ci &amp;&amp; npm run build</code> builds it;
<code>pip install plait</code> brings it.</p>
</body></html>
"""

router = make_router("dashboard")


@router.get("/{path:path}", include_in_schema=False, **PUBLIC)
@router.head("/{path:path}", include_in_schema=False, **PUBLIC)
async def serve_dashboard(request: Request, path: str) -> Response:
    """A file of the dashboard, or its page for every address that it knows itself."""
    if path.startswith("api/"):
        raise HTTPException(404, f"there is no page /{path[:200]}")
    file = _find_file(path)
    if file is not None:
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        cache = _IMMUTABLE if path.startswith("assets/") else "no-cache"
        return Response(file.read_bytes(), media_type=kind, headers={"cache-control": cache})
    if "." in path.rpartition("/")[2] and "text/html" not in request.headers.get("accept", ""):
        raise HTTPException(404, f"there is no page /{path[:200]}")
    return _serve_page(request)


def _serve_page(request: Request) -> Response:
    index = FOLDER / "index.html"
    text = index.read_text() if index.is_file() else MISSING
    base = html.escape((request.scope.get("root_path") or "").rstrip("/") + "/")
    text = re.sub(r"<base\b[^>]*>", "", text)
    text = re.sub(r"(<head[^>]*>)", lambda match: f'{match[1]}<base href="{base}">', text, count=1)
    return Response(text, media_type="text/html", headers={"cache-control": "no-store"})


def _find_file(path: str) -> Path | None:
    """A file below the folder, and no other."""
    if not path or "\0" in path:
        return None
    try:
        file = (FOLDER / path).resolve()
        inside = file.is_relative_to(FOLDER.resolve()) and file.is_file() and file.name != "index.html"
    except (OSError, ValueError):
        return None
    return file if inside else None
