"""Real projects, real servers, real user processes; every test leaves nothing running behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from plait.embedded import EmbeddedPostgres, EmbeddedStatus, get_status, start_embedded, stop_embedded
from plait.embedded.instance import Instance, find_instance, prepare_instance
from support.server import choose_space
from support.waiting import eventually

SCRIPT = Path(__file__).with_name("user_process.py")


class User:
    """Another process that uses the project's server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._answer: dict[str, Any] | None = None

    @property
    def answer(self) -> dict[str, Any]:
        if self._answer is None:
            assert self.process.stdout is not None
            self._answer = json.loads(self.process.stdout.readline())
        return self._answer

    @property
    def dsn(self) -> str:
        assert "error" not in self.answer, self.answer["error"]
        return str(self.answer["dsn"])

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


class Project:
    """A project folder and everything started on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users: list[User] = []
        self.handles: list[EmbeddedPostgres] = []

    @property
    def instance(self) -> Instance:
        found = find_instance(self.path / ".plait")
        assert found is not None
        return found

    @property
    def status(self) -> EmbeddedStatus:
        return get_status(self.path)

    def start(self) -> EmbeddedPostgres:
        self.handles.append(start_embedded(self.path))
        return self.handles[-1]

    def start_user(self, *arguments: str, uid: int | None = None, python: str = sys.executable, **env: str) -> User:
        command = [python, str(SCRIPT), str(self.path), *arguments]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
            user=uid,
            extra_groups=[] if uid is not None else None,
        )
        self.users.append(User(process))
        return self.users[-1]

    def query(self, sql: str, dsn: str | None = None) -> list[Any]:
        dsn = dsn or self.status.dsn
        assert dsn is not None
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return [row[0] for row in cursor.fetchall()] if cursor.description else []

    def wait_stopped(self) -> None:
        eventually(lambda: self.status.pid is None and self.status.keeper_pid is None)

    def find_processes(self) -> list[psutil.Process]:
        """Keeper, postmaster and initdb of this project, by their arguments."""
        found, instance = [], find_instance(self.path / ".plait")
        marks = {str(self.path), str(instance.folder) if instance else str(self.path)}
        for process in psutil.process_iter(["cmdline", "status"]):
            arguments = " ".join(process.info["cmdline"] or [])
            if any(mark in arguments for mark in marks) and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def close(self) -> None:
        for handle in self.handles:
            handle.release()
        for user in self.users:
            if user.process.poll() is None:
                user.kill()
            user.end()
        stop_embedded(self.path)
        eventually(lambda: not self.find_processes())
        instance = find_instance(self.path / ".plait")
        if instance is not None:
            shutil.rmtree(instance.folder)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLAIT_HOME", raising=False)
    monkeypatch.setenv("PLAIT_EMBEDDED_LINGER", "0.1")
    monkeypatch.setenv("PLAIT_EMBEDDED_TIMEOUT", "30")


@pytest.fixture
def folder() -> Iterator[Path]:
    """An open folder with a short path. (pytest's own is closed to the account that runs root's server.)"""
    path = Path(tempfile.mkdtemp(prefix="plait-test-", dir=choose_space()))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make_project() -> Iterator[Callable[[Path], Project]]:
    projects: list[Project] = []

    def make(path: Path) -> Project:
        path.mkdir(parents=True, exist_ok=True)
        projects.append(Project(path))
        return projects[-1]

    yield make
    for project in projects:
        project.close()


@pytest.fixture
def new_project(folder: Path, make_project: Callable[[Path], Project]) -> Project:
    """A project whose first start is to come."""
    return make_project(folder / "p")


@pytest.fixture(scope="session")
def seed() -> Iterator[Path]:
    """A data folder fresh from initdb: copying it is faster than making one for every test."""
    path = Path(tempfile.mkdtemp(prefix="plait-test-", dir=choose_space()))
    path.chmod(0o755)
    with start_embedded(path) as server:
        data_dir = server.data_dir
    stop_embedded(path)
    yield data_dir
    shutil.rmtree(path)


@pytest.fixture
def project(new_project: Project, seed: Path) -> Project:
    """A project that was used before; its server is not running."""
    instance = prepare_instance(new_project.path / ".plait")
    subprocess.run(["cp", "-a", str(seed), str(instance.data_dir)], check=True)
    return new_project
