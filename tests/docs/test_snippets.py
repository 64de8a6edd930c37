"""The code on the pages of the documentation does what the pages say.

A Python block with ``title="name.py"`` becomes a file, and a worker serves it; ``title="test_name.py"`` is for
pytest instead. Other Python blocks run as scripts, in order, in the folder of those files. In ``console`` blocks the
lines after ``$`` are run; the lines up to the next ``$`` are the expected standard output, if there are any.

The pages of the tutorial are one story in one folder: ``tests/package`` walks them, from the built wheel.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import launcher

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial"
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent != TUTORIAL),
]
BLOCK = re.compile(r"^```(?P<kind>python|console)(?: title=\"(?P<title>[\w.]+)\")?\n(?P<code>.*?)^```$", re.M | re.S)
DEADLINE_SECONDS = 200


@dataclass(frozen=True)
class Block:
    kind: str
    title: str | None
    code: str
    line: int

    @property
    def is_test(self) -> bool:
        return self.title is not None and self.title.startswith("test_")


def read_blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(match["kind"], match["title"], match["code"], text.count("\n", 0, match.start()) + 1)
        for match in BLOCK.finditer(text)
    ]


PAGES_WITH_CODE = [page for page in PAGES if read_blocks(page)]


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page: Path, database_url: str, tmp_path: Path) -> None:
    blocks = read_blocks(page)
    titled = [block for block in blocks if block.title]
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "PLAIT_TEST_DATABASE_URL": database_url,
        "PYTEST_ADDOPTS": "-p no:schemathesis -p no:hypothesispytest",  # no reader has them, and they load slowly
        "PYTHONPATH": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("PLAIT_DATABASE_URL", None)
    for block in titled:
        (tmp_path / str(block.title)).write_text(block.code, encoding="utf-8")
    served = [str(block.title) for block in titled if not block.is_test]
    with serve(served, tmp_path, environment):
        for block in blocks:
            where = f"{page.name}, line {block.line}"
            if block.kind == "console":
                run_console(block.code, tmp_path, environment, where)
            elif block.is_test:
                run_python(["-m", "pytest", str(block.title)], tmp_path, environment, where)
            elif block.title is None:
                run_python(["-W", "error::SyntaxWarning", "-c", block.code], tmp_path, environment, where)


def test_the_readme_begins_with_code_that_is_tested() -> None:
    first, *others = read_blocks(ROOT / "README.md")
    assert (first.kind, first.title) == ("python", "describe.py")
    assert {"python", "console"} <= {block.kind for block in others}


@contextmanager
def serve(files: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """A worker for each file, ended by SIGTERM; it must exit with 0."""
    workers = []
    for file in files:
        with (folder / f"{file}.log").open("wb") as log:
            command = ["-m", "plait", "worker", file]
            workers.append(launcher.start(command, cwd=folder, env=environment, stdout=log, stderr=log))
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
        codes = [worker.wait(DEADLINE_SECONDS) for worker in workers]
    logs = "\n".join((folder / f"{file}.log").read_text() for file in files)
    assert codes == [0] * len(files), logs


def run_python(arguments: list[str], folder: Path, environment: dict[str, str], where: str) -> None:
    finished = launcher.run(arguments, cwd=folder, env=environment, timeout=DEADLINE_SECONDS)
    assert finished.returncode == 0, f"{where}:\n{finished.stdout}{finished.stderr}"


def run_command(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A line of bash; where it is nothing but ``plait`` with its arguments, that, for there is no need of a shell."""
    words = shlex.split(command)
    if words[0] == "plait" and not set(command) & set("|&;<>()$`*?\n"):
        arguments = ["-P", "-m", *words]
        return launcher.run(arguments, cwd=folder, env=environment, timeout=DEADLINE_SECONDS)
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


def run_console(code: str, folder: Path, environment: dict[str, str], where: str) -> None:
    for part in re.split(r"^\$ ", code, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        finished = run_command(command, folder, environment)
        assert finished.returncode == 0, f"{where}: $ {command}\n{finished.stderr}"
        if expected.strip():
            assert finished.stdout == expected, f"{where}: $ {command}"
