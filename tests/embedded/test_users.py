"""Who uses the server decides how long it runs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from plait.embedded import EmbeddedPostgresError, start_embedded, stop_embedded
from plait.embedded.locks import hold_exclusive, is_held
from plait.errors import SettingError
from support.waiting import eventually


async def test_the_url_works_with_asyncpg_and_psycopg(project):
    server = project.start()
    assert project.query("select current_user || '@' || current_database()") == ["plait@plait"]
    connection = await asyncpg.connect(server.dsn)
    assert await connection.fetchval("select current_setting('server_version_num')::int") >= 150000
    await connection.close()


def test_two_processes_share_one_server(project):
    one, two = project.start_user(), project.start_user()
    project.query("create table shared as select 42 as x", one.dsn)
    assert project.query("select x from shared", two.dsn) == [42]
    assert one.dsn == two.dsn
    assert project.status.users == 2


def test_ten_processes_that_start_at_once_get_one_server(new_project):
    project = new_project
    users = [project.start_user() for _ in range(10)]
    starts = {project.query("select pg_postmaster_start_time()", user.dsn)[0] for user in users}
    assert len(starts) == 1
    assert project.status.users == 10
    assert project.instance.log_file.read_text().count("starting PostgreSQL") == 1


def test_the_server_stops_after_its_last_user_was_killed(project):
    one, two = project.start_user(), project.start_user()
    assert one.dsn == two.dsn
    server = project.status.pid
    one.kill()
    deadline = time.monotonic() + 1  # several times the linger and the keeper's pace
    while time.monotonic() < deadline:
        assert project.query("select 1") == [1]
    assert project.status.pid == server
    two.kill()
    project.wait_stopped()
    eventually(lambda: not project.find_processes())


def test_a_fork_of_a_user_stays_a_user(project):
    user = project.start_user("--fork")
    assert user.answer["pid"] != user.process.pid
    user.process.wait(10)
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        assert project.query("select 1", user.dsn) == [1]
    user.end()
    project.wait_stopped()


def test_threads_of_a_process_are_one_user(project):
    with ThreadPoolExecutor(8) as pool:
        handles = list(pool.map(lambda _: start_embedded(project.path), range(8)))
    assert len({handle.dsn for handle in handles}) == 1
    assert project.status.users == 1
    for handle in handles[1:]:
        handle.release()
        handle.release()  # a second time does nothing
    assert project.status.users == 1
    handles[0].release()
    project.wait_stopped()


def test_who_comes_while_the_server_stops_finds_it_running(project, monkeypatch):
    monkeypatch.setenv("PLAIT_EMBEDDED_LINGER", "0")
    for _ in range(4):
        with start_embedded(project.path) as server:
            assert project.query("select 1", server.dsn) == [1]
        eventually(lambda: is_held(project.instance.users_lock), pace=0.001)  # the keeper has begun to stop
    with start_embedded(project.path) as server:
        assert project.query("select 1", server.dsn) == [1]


def test_short_commands_in_a_row_find_the_server_running(project, monkeypatch):
    monkeypatch.setenv("PLAIT_EMBEDDED_LINGER", "5")
    pids = set()
    for _ in range(3):
        with start_embedded(project.path):
            pids.add(project.status.pid)
    assert len(pids) == 1


def test_a_server_that_was_stopped_on_purpose_starts_again_for_who_still_needs_it(project):
    server = project.start()
    project.query("create table kept as select 7 as x")
    assert stop_embedded(project.path) is True
    assert project.status.running is False
    assert stop_embedded(project.path) is False
    server.ensure_running()
    assert project.query("select x from kept", server.dsn) == [7]
    server.release()
    with pytest.raises(EmbeddedPostgresError, match="released"):
        server.ensure_running()


def test_looking_changes_nothing(new_project):
    project = new_project
    assert project.status.running is False
    assert project.status.data_dir is None
    assert stop_embedded(project.path) is False
    assert list(project.path.iterdir()) == []


def test_who_waits_in_vain_for_another_start_is_told(project, monkeypatch):
    monkeypatch.setenv("PLAIT_EMBEDDED_TIMEOUT", "0.3")
    reason = r"not ready after 0.3 s \(another process is starting it\)"
    held = hold_exclusive(project.instance.start_lock, time.monotonic())
    with held, pytest.raises(EmbeddedPostgresError, match=reason):
        start_embedded(project.path)
    assert project.status.users in (0, None)


def test_a_bad_limit_is_named(project, monkeypatch):
    monkeypatch.setenv("PLAIT_EMBEDDED_TIMEOUT", "soon")
    with pytest.raises(SettingError, match="PLAIT_EMBEDDED_TIMEOUT='soon'"):
        start_embedded(project.path)
