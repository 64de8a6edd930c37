"""Where the dashboard of this project is: noted by what serves it, read by what prints a link."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from plait.settings import settings
from plait.settings.project import find_project

_FILE = "dashboard.json"


def find_server() -> str | None:
    """The address of the dashboard, with a slash at the end: the setting ``dashboard_url``, else that of a server of
    this project that runs. None when neither is known."""
    if url := settings.dashboard_url:
        return url.rstrip("/") + "/"
    try:
        note = json.loads(_locate().read_text())
        os.kill(int(note["pid"]), 0)
        url = str(note["url"])
    except PermissionError:  # it runs, under another account
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if urlsplit(url).scheme in ("http", "https") else None


def link_run(run_id: str) -> str | None:
    """The address of a run's page; None where no dashboard is known."""
    server = find_server()
    return None if server is None else f"{server}runs/{run_id}"


@contextmanager
def noted_server(url: str) -> Iterator[None]:
    """Note for the time of the block that this process serves the dashboard there. Not being able to is no harm."""
    path = _locate()
    text = json.dumps({"url": url, "pid": os.getpid()})
    with suppress(OSError):
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o755)
            (path.parent / ".gitignore").write_text("*\n")
        path.write_text(text)
    try:
        yield
    finally:
        with suppress(OSError):
            if path.read_text() == text:
                path.unlink()


def _locate() -> Path:
    return (settings.home or find_project() / ".plait") / _FILE
