"""The project folder: where ``.plait/`` and the settings of a project are. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path


def find_project(start: Path | None = None) -> Path:
    """The project folder of ``start`` (default: the current directory).

    The nearest folder upwards that has ``.plait/``, else the nearest with ``pyproject.toml`` or ``.git``,
    else ``start``. A ``.plait`` that a third party put into a shared folder such as ``/tmp`` does not count.
    """
    here = (start or Path.cwd()).resolve()
    folders = (here, *here.parents)
    for folder in folders:
        home = folder / ".plait"
        if is_trusted(home) and home.is_dir():
            return folder
    for folder in folders:
        if (folder / "pyproject.toml").exists() or (folder / ".git").exists():
            return folder
    return here


def is_trusted(path: Path) -> bool:
    """Whether ``path`` exists and belongs to this process's account or to the owner of the folder it is in."""
    try:
        status, above = path.stat(), path.parent.stat()
    except OSError:
        return False
    return not hasattr(os, "geteuid") or status.st_uid in (os.geteuid(), above.st_uid)
