"""Processes die by kill -9; what was committed stays, and the next user finds a server."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import psutil
import pytest

from plait.embedded import EmbeddedPostgresError, start_embedded, stop_embedded
from support.waiting import eventually


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_the_next_start_adopts_the_server_of_a_killed_keeper(project):
    user = project.start_user()
    project.query("create table kept as select 1 as x", user.dsn)
    before = project.status
    kill(before.keeper_pid)
    eventually(lambda: project.status.keeper_pid is None)
    assert project.query("select x from kept", user.dsn) == [1]
    with start_embedded(project.path):
        after = project.status
        assert after.pid == before.pid
        assert after.keeper_pid not in (None, before.keeper_pid)
    user.end()
    project.wait_stopped()


def test_a_server_without_keeper_can_be_stopped(project):
    project.start()
    kill(project.status.keeper_pid)
    eventually(lambda: project.status.keeper_pid is None)
    assert stop_embedded(project.path) is True
    assert not project.find_processes()


def test_the_next_start_recovers_a_killed_postmaster(project):
    server = project.start()
    project.query("create table kept as select generate_series(1, 1000) as x")
    before = project.status.pid
    kill(before)
    server.ensure_running()
    assert project.query("select count(*) from kept") == [1000]
    assert project.status.pid != before


def test_the_keeper_restarts_a_killed_postmaster_while_it_has_users(project):
    user = project.start_user()
    assert user.dsn
    before = project.status.pid
    kill(before)
    eventually(lambda: project.status.running and project.status.pid != before)
    assert project.query("select 1", user.dsn) == [1]
    assert "starting it again" in project.instance.log_file.read_text()


def test_the_machine_losing_everything_at_once_loses_no_commit(project):
    user = project.start_user()
    project.query("create table kept as select generate_series(1, 1000) as x", user.dsn)
    victims = [process for process in project.find_processes() if process.pid != user.process.pid]
    victims += [child for process in victims for child in process.children()]
    for process in victims:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    user.kill()
    eventually(lambda: project.status.keeper_pid is None)
    # The pid left in the file is another process's by now, here one of PostgreSQL's own account.
    stale = project.instance.data_dir / "postmaster.pid"
    owner = stale.stat().st_uid
    other = subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None)
    try:
        stale.write_text(re.sub(r"^\d+", str(other.pid), stale.read_text()))
        project.start()
        assert project.query("select count(*) from kept") == [1000]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_initdb_that_was_killed_is_done_again(new_project):
    project = new_project
    user = project.start_user()
    draft = eventually(lambda: list(project.path.glob(".plait/postgres/data.init-*/base")))[0].parent
    victims = [p for p in project.find_processes() if p.pid != user.process.pid]
    user.kill()
    for process in victims:
        process.kill()
    assert not project.instance.data_dir.exists()
    project.start()
    assert project.query("select 1") == [1]
    assert not draft.exists()


def test_a_project_that_was_deleted_leaves_no_server(project):
    server = project.start()
    processes = project.find_processes()
    assert processes
    subprocess.run(["rm", "-rf", str(project.path / ".plait")], check=True)
    eventually(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes))
    server.release()


def test_a_server_that_cannot_start_says_why(project):
    with (project.instance.data_dir / "postgresql.auto.conf").open("a") as file:
        file.write("shared_buffers = 'plenty'\n")
    with pytest.raises(EmbeddedPostgresError) as caught:
        start_embedded(project.path)
    message = str(caught.value)
    assert "PostgreSQL ended while it started" in message
    assert str(project.instance.log_file) in message
    assert 'invalid value for parameter "shared_buffers"' in message
    project.wait_stopped()


def test_the_data_of_another_version_is_refused(project):
    (project.instance.data_dir / "PG_VERSION").write_text("13\n")
    with pytest.raises(EmbeddedPostgresError) as caught:
        start_embedded(project.path)
    for part in ("PostgreSQL 13", str(project.instance.data_dir), "pg_dumpall", "PLAIT_DATABASE_URL"):
        assert part in str(caught.value)
    assert (project.instance.data_dir / "PG_VERSION").read_text() == "13\n"


def test_the_log_is_bounded(project):
    project.start()
    log = project.instance.log_file
    with log.open("a") as file:
        file.write("x" * (11 * 1024 * 1024))
    eventually(lambda: log.stat().st_size < 1024 * 1024)
    assert log.with_name("postgres.log.1").stat().st_size > 11 * 1024 * 1024
    project.query("do $$ begin raise log 'still heard'; end $$")
    assert "still heard" in log.read_text()
