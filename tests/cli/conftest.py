"""The real command in a process of its own, in a project folder of its own, on the test's database."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from plait.cli import execute
from support import launcher
from support.database import Database
from support.waiting import DEADLINE_SECONDS, eventually
from support.workers import WorkerThread, serve

# -P: like the installed command, without the current directory on the path.
PLAIT = ["-P", "-m", "plait"]


class Command:
    """``plait`` with its arguments, running in the background with its output in files."""

    def __init__(self, arguments: list[str], folder: Path, env: dict[str, str], log: Path) -> None:
        self.log = log
        self._stdout = log.with_suffix(".out")
        with log.open("wb") as stderr, self._stdout.open("wb") as stdout:
            self.process = launcher.start(
                [*PLAIT, *arguments],
                cwd=folder,
                env=env,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stderr(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(errors="replace")

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until stderr has ``text`` (so many times)."""

        def look() -> bool:
            found = self.stderr.count(text) >= times
            assert found or self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.stderr}"
            return found

        eventually(look, f"{text!r} in\n{self.stderr}")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit code."""
        try:
            return self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end:\n{self.stderr}") from None

    def close(self) -> None:
        """End it and wait until what it started is gone, too: children see the end of their parent."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with ``flows.py``."""
    folder = tmp_path / "project"
    (folder / ".plait").mkdir(parents=True)  # nobody's .plait further up makes it a part of another project
    shutil.copy(Path(__file__).with_name("sample_flows.py"), folder / "flows.py")
    return folder


@pytest.fixture
def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    """The environment of commands: the test's database, no trace of the developer's own settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PLAIT_")}
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        env.pop(name, None)
    return {
        **env,
        "DATABASE_URL": database.url,
        "GATE": str(tmp_path / "gate"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture
def gate(environment: dict[str, str]) -> Path:
    """While this file is not there, ``gated`` tasks wait; ``touch`` it to let them go on."""
    return Path(environment["GATE"])


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def plait_command(project: Path, environment: dict[str, str]) -> Run:
    """Runs ``plait`` with arguments to its end: ``plait_command("runs", "list", env={…}, stdin="…")``."""

    def run(
        *arguments: str, env: dict[str, str] | None = None, stdin: str | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return launcher.run(
            [*PLAIT, *arguments], cwd=cwd or project, env={**environment, **(env or {})}, input=stdin or ""
        )

    return run


@pytest.fixture
def execute_here(
    project: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs ``plait`` in this process, for the many cases that end before they do anything: (code, stdout, stderr)."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", [*sys.path])
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run(*arguments: str) -> tuple[int, str, str]:
        code = execute(arguments)
        return code, *capfd.readouterr()

    yield run
    root.handlers[:], root.level = handlers, level
    sys.modules.pop("flows", None)


@pytest.fixture
def start_command(project: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Starts ``plait`` in the background."""
    commands: list[Command] = []

    def start(*arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Command:
        log = tmp_path / f"command-{len(commands)}.log"
        commands.append(Command(list(arguments), cwd or project, {**environment, **(env or {})}, log))
        return commands[-1]

    yield start
    for command in commands:
        command.close()


@pytest.fixture
def control(database: Database, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module ``control_flows`` on the test's database: to start its runs and to serve it in this process."""
    monkeypatch.setenv("GATE", environment["GATE"])
    spec = importlib.util.spec_from_file_location("control_flows", Path(__file__).with_name("control_flows.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "control_flows", module)
    spec.loader.exec_module(module)
    module.plait.use_database(database.url)
    yield module
    module.plait.close()


@pytest.fixture
def work_on_control(control: ModuleType) -> Iterator[Callable[[], WorkerThread]]:
    """Starts a worker for ``control``."""
    threads: list[WorkerThread] = []

    def start() -> WorkerThread:
        threads.append(serve(control.plait))
        return threads[-1]

    yield start
    for thread in threads:
        thread.stop()
