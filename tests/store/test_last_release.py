"""The tool that tries the last release on the present schema, with a release that is made up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("src/plait", "tests/support", "tests/conftest.py", "tools/last_release.py", "pyproject.toml")
TESTS = "def test_there_are_no_workers(plait): assert plait.workers.list() == []\n"

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of this project in which what there is now is committed."""
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "static"))
        else:
            shutil.copy(source, target)
    (tmp_path / "tests" / "contract").mkdir()
    (tmp_path / "tests" / "contract" / "test_made_up.py").write_text(TESTS)
    run_git(tmp_path, "init", "-q")
    run_git(tmp_path, "add", ".")
    run_git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "all")
    return tmp_path


def run_git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def try_release(project: Path) -> tuple[int, str]:
    """Exit code and output of the tool."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "GIT_"))}
    done = subprocess.run(
        [sys.executable, "tools/last_release.py"], cwd=project, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def test_without_a_release_there_is_nothing_to_do(project: Path) -> None:
    assert try_release(project) == (0, "there is no release yet (no tag v*): nothing to compare the schema with\n")


def add_migration(project: Path, sql: str) -> None:
    path = project / "src" / "plait" / "store" / "migrations" / "0002_next.sql"
    path.write_text(f"-- Works with code for schema 1.\n{sql};\n")


def test_a_release_works_on_a_schema_that_only_adds(project: Path) -> None:
    run_git(project, "tag", "v0.0.1")
    add_migration(project, "ALTER TABLE plait.run ADD COLUMN of_the_next_release integer")
    status, said = try_release(project)
    assert "v0.0.1: its schema 1, upgraded, is the same as a fresh one" in said
    assert "v0.0.1: its tests on the present schema: ok" in said
    assert status == 0


def test_a_schema_that_takes_away_and_forgets_is_found_out(project: Path) -> None:
    run_git(project, "tag", "v0.0.1")
    add_migration(project, "ALTER TABLE plait.worker RENAME COLUMN host TO machine")
    (project / "src" / "plait" / "store" / "functions" / "find_children.sql").unlink()
    status, said = try_release(project)
    assert re.search(r"only in the first: \('function', '(plait\.)?find_children", said)
    assert "v0.0.1: its tests on the present schema: FAILED" in said
    assert status == 1
