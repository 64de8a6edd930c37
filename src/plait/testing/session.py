"""What the processes of one test session have in common, and whether there is anything to clean up after it."""

from __future__ import annotations

import tempfile
from pathlib import Path

FOLDER_PREFIX = "plait-pytest-"


def find_folder(session: str) -> Path:
    """The folder of a session: made by the first server that it opens, removed with everything else of it."""
    return Path(tempfile.gettempdir()) / f"{FOLDER_PREFIX}{session}"
