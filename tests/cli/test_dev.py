"""``plait dev``: starts again when the code changes."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from plait.cli.dev import FolderWatcher, find_watched


def change(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def test_it_serves_the_code_as_it_is_now(start_command, plait_command, project):
    dev = start_command("dev", "flows.py:plait")
    dev.wait_for("serving")
    assert "database" in dev.stderr
    assert "(DATABASE_URL)" in dev.stderr
    assert "plait run flows.py:plait --no-worker" in dev.stderr
    change(project / "flows.py", 'get("name", "world")', 'get("name", "changed world")')
    dev.wait_for("serving", times=2)
    assert "changed: flows.py; starting again" in dev.stderr
    assert "changed world" in plait_command("run", "flows:hello", "--no-worker").stdout
    dev.send(signal.SIGINT)
    assert dev.wait() == 0


def test_a_broken_edit_shows_the_error_and_waits_for_the_next(start_command, project):
    dev = start_command("dev", "flows.py:plait")
    dev.wait_for("serving")
    change(project / "flows.py", "plait = Plait()", "plait = Plaid()")
    dev.wait_for("waiting for a change")
    assert "NameError: name 'Plaid' is not defined" in dev.stderr
    change(project / "flows.py", "plait = Plaid()", "plait = Plait()")
    dev.wait_for("serving", times=2)
    dev.send(signal.SIGTERM)
    assert dev.wait() == 0


def test_a_target_that_is_not_there_ends_it(start_command):
    dev = start_command("dev", "flows.py:plaid")
    assert dev.wait() == 4
    assert "did you mean 'plait'?" in dev.stderr


@pytest.fixture
def home():
    """A PLAIT_HOME that the account of root's PostgreSQL may enter; pytest's own folders are closed to it."""
    with tempfile.TemporaryDirectory(prefix="plait-dev-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / ".plait"


def test_without_a_url_it_has_a_postgresql_of_its_own(start_command, plait_command, home):
    env = {"DATABASE_URL": "", "PLAIT_HOME": str(home), "PLAIT_EMBEDDED_LINGER": "0"}
    dev = start_command("dev", "flows.py", env=env)
    dev.wait_for("serving")
    assert f"embedded PostgreSQL in {home}" in dev.stderr
    assert plait_command("run", "flows:hello", "--no-worker", env=env).returncode == 0
    found = plait_command("doctor", env=env)
    assert found.returncode == 0, found.stdout
    assert "embedded        running, pid" in found.stdout
    dev.send(signal.SIGTERM)
    assert dev.wait() == 0
    plait_command("db", "stop", env=env)
    assert "it was not running" in plait_command("db", "stop", env=env).stdout


def test_the_watcher_sees_python_files_only_and_not_those_of_environments(tmp_path):
    for folder in (".hidden", "__pycache__", "venv", "odd", "src/deep"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "odd" / "pyvenv.cfg").touch()
    watcher = FolderWatcher([tmp_path, tmp_path / "src"])
    assert watcher.folders == [tmp_path]
    for name in (".hidden/a.py", "__pycache__/a.py", "venv/a.py", "odd/a.py", "src/a.txt"):
        (tmp_path / name).touch()
    assert watcher.find_changes() == []
    source = tmp_path / "src/deep/a.py"
    source.touch()
    assert watcher.find_changes() == [str(source)]
    assert watcher.find_changes() == []
    os.utime(source, ns=(1, 1))
    assert watcher.find_changes() == [str(source)]
    source.unlink()
    assert watcher.find_changes() == [str(source)]


@pytest.mark.parametrize("target", ["app/flows.py:plait", "app.flows:plait", "app/flows.py"])
def test_the_project_around_the_target_is_watched(tmp_path, monkeypatch, target):
    (tmp_path / "app").mkdir()
    (tmp_path / ".plait").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_watched(target)[0] == tmp_path
