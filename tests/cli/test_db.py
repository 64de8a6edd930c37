"""``plait db``."""

import json
import re
import shlex
import shutil

import pytest

from plait.cli.db import _move_password
from plait.store.schema import latest_version


def test_url_hides_the_password_unless_asked(plait_command):
    env = {"PLAIT_DATABASE_URL": "postgresql://me:secret@db.example/app"}
    assert plait_command("db", "url", env=env).stdout == "postgresql://me:***@db.example/app\n"
    shown = plait_command("db", "url", "--show-password", env=env)
    assert shown.stdout == "postgresql://me:secret@db.example/app\n"


def test_a_url_of_another_kind_says_what_to_write(plait_command):
    done = plait_command("db", "url", "--database-url", "mysql://me:secret@x/y")
    assert done.returncode == 3
    assert "postgresql://user:password@host:5432/database" in done.stderr
    assert "secret" not in done.stderr


def test_upgrade_makes_the_schema_once(plait_command, empty_database):
    def call(*arguments):
        return plait_command(*arguments, "--database-url", empty_database.url)

    assert "would apply 0001 first" in call("db", "upgrade", "--dry-run").stdout
    listed = call("runs", "list")
    assert listed.returncode == 3
    assert "plait db upgrade" in listed.stderr
    before = json.loads(call("db", "status", "-o", "json").stdout)
    assert (before["schema"], before["latest"]) == (0, latest_version())
    assert before["pending"][0] == "0001 first"
    assert "applied 0001 first" in call("db", "upgrade").stdout
    assert call("db", "upgrade").stdout == f"nothing to do: the schema is at {latest_version()}\n"
    assert json.loads(call("db", "status", "-o", "json").stdout)["pending"] == []
    assert call("runs", "list").returncode == 0


def test_sql_needs_no_database_and_makes_the_same_schema(plait_command, empty_database, server):
    printed = plait_command("db", "sql", env={"DATABASE_URL": "postgresql://127.0.0.1:1/none"})
    assert printed.returncode == 0, printed.stderr
    server.run(printed.stdout, url=empty_database.url)
    status = plait_command("db", "status", "-o", "json", "--database-url", empty_database.url)
    assert json.loads(status.stdout)["pending"] == []


@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not on PATH")
def test_psql_passes_arguments_and_the_exit_code_on(plait_command):
    done = plait_command("db", "psql", "--", "-Atc", "SELECT count(*) FROM plait.run")
    assert (done.returncode, done.stdout) == (0, "0\n")
    assert plait_command("db", "psql", "--", "-c", "SELECT nonsense").returncode == 1


@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not on PATH")
def test_a_database_of_the_alpha_is_made_anew_as_the_message_says(plait_command, empty_database):
    def call(*arguments):
        return plait_command(*arguments, env={"DATABASE_URL": empty_database.url})

    assert call("db", "upgrade").returncode == 0
    empty_database.query("UPDATE plait.migration SET name = 'rooms' WHERE version = 1")
    for command in (("db", "status"), ("db", "upgrade"), ("runs", "list"), ("db", "move", "--to", empty_database.url)):
        refused = call(*command)
        assert refused.returncode == 3, command
        assert "before the first release" in refused.stderr, command
    drop = shlex.split(re.search(r'plait (db psql -- -c "DROP SCHEMA plait CASCADE")', refused.stderr)[1])
    assert call(*drop).returncode == 0
    assert call("db", "upgrade").returncode == 0
    assert call("runs", "list").returncode == 0


def test_a_password_travels_in_the_environment():
    assert _move_password("postgresql://me:s%40c@host:5/db?x=1") == (
        "postgresql://me@host:5/db?x=1",
        {"PGPASSWORD": "s@c"},
    )
    assert _move_password("postgresql://me@/db?host=/tmp") == ("postgresql://me@/db?host=/tmp", {})
