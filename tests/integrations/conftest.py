"""Examples as they are run in earnest: a web server and a worker, each a process of its own, on the test's database."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from support import launcher
from support.database import Database
from support.waiting import DEADLINE_SECONDS, eventually

EXAMPLES = Path(__file__).parents[2] / "examples"


class Program:
    """A Python program in the background, its output in a file."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = launcher.start(
                arguments, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the log has what a regular expression describes."""

        def look() -> re.Match[str] | None:
            ended = self.process.poll()
            found = re.search(pattern, self.log)
            assert found or ended is None, f"ended with {ended}:\n{self.log}"
            return found

        found = eventually(look, f"{pattern!r} in the log")
        assert found is not None
        return found

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end:\n{self.log}") from None

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def environment(database: Database) -> dict[str, str]:
    """The test's database, and nothing of the developer's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PLAIT_", "DJANGO_"))}
    return {**kept, "DATABASE_URL": database.url, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts a program: ``start("-m", "uvicorn", "app:app", folder=…, VARIABLE="…")``."""
    programs: list[Program] = []

    def start(*arguments: str, folder: Path, **variables: str) -> Program:
        log = tmp_path / f"program-{len(programs)}.log"
        programs.append(Program(list(arguments), folder, {**environment, **variables}, log))
        return programs[-1]

    yield start
    for program in programs:
        program.close()


@pytest.fixture
def browse() -> Iterator[Callable[[str], httpx.Client]]:
    """Makes a client of a server."""
    clients: list[httpx.Client] = []

    def open_client(url: str) -> httpx.Client:
        clients.append(httpx.Client(base_url=url, timeout=30))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()
