"""What the tasks of the flows do: record themselves, wait at gates, misbehave."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import BaseModel


class Number(BaseModel):
    n: int = 0


class Gate:
    """A door between processes: closed until somebody opens it."""

    def __init__(self, folder: str | Path, name: str) -> None:
        self._path = Path(folder) / f"{name}.gate"

    def open(self) -> None:
        self._path.touch()

    def wait(self, seconds: float = 60.0) -> None:
        """Block until it is open. Looks in short steps: a gate has no other way to tell another process."""
        deadline = time.monotonic() + seconds
        while not self._path.exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"gate {self._path} stayed closed")
            time.sleep(0.005)
