"""Clocks that tests can set, by libfaketime: that of a PostgreSQL while it runs, or of a process from its start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_PLACES = (
    *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
    *Path("/usr/local/lib/faketime").glob("libfaketime.so.1"),
)


def find_faketime() -> Path:
    """The library. Without it the test is left out, and says so; in CI that is a failure."""
    if _PLACES:
        return _PLACES[0]
    message = "libfaketime is not there to move clocks with (Debian: apt install faketime)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def build_environment(offset: str) -> dict[str, str]:
    """For a process whose wall clock is off by ``offset``, such as ``+1d``; the monotonic one is right. Nothing in it
    may call ``time.sleep``, which fails then."""
    return {"LD_PRELOAD": str(find_faketime()), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class MovableClock:
    """The wall clock of a server's processes. Its file says how far it is off."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._library = find_faketime()
        self.set("+0")

    def set(self, offset: str) -> None:
        """Be off by ``offset`` from now on: ``-3600`` seconds, ``+1d``."""
        new = self._file.with_suffix(".new")
        new.write_text(offset)
        new.chmod(0o644)
        new.rename(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
