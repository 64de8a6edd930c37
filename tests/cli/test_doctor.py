"""``plait doctor``."""

import json


def examine(plait_command, *arguments, **options):
    done = plait_command("doctor", "-o", "json", *arguments, **options)
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0)
    return {finding["check"]: finding for finding in report["checks"]}


def test_a_sound_set_up(plait_command, start_command):
    start_command("worker", "flows:plait").wait_for("serving")
    checks = examine(plait_command)
    # The server of the tests trades both for speed, and the doctor says so.
    assert {name for name, check in checks.items() if check["ok"] is False} == {"durability", "autovacuum"}
    assert "by DATABASE_URL" in checks["database"]["says"]
    assert checks["workers"]["says"].startswith("1 live, 100 slots: worker on ")
    assert checks["notifications"]["ok"] is True
    assert checks["tables"]["says"].split(" in all; ")[0]
    text = plait_command("doctor")
    assert text.returncode == 1
    assert "✓ ok     schema" in text.stdout
    assert 'try: plait db psql -- -c "ALTER SYSTEM SET fsync = on" && ' in text.stdout


def test_tasks_that_nobody_has_code_for(plait_command):
    plait_command("run", "flows:diamond", "--detach")
    checks = examine(plait_command)
    assert checks["workers"]["ok"] is None
    assert checks["workers"]["fix"] == "plait worker TARGET"
    assert checks["ready tasks"]["ok"] is False
    assert "1 of diamond.top wait" in checks["ready tasks"]["says"]
    text = plait_command("doctor")
    assert text.returncode == 1
    assert "✗ wrong  ready tasks" in text.stdout
    assert "try: plait worker TARGET" in text.stdout


def test_a_database_that_cannot_be_reached(plait_command):
    checks = examine(plait_command, env={"PLAIT_DATABASE_URL": "postgresql://me:secret@127.0.0.1:1/db"})
    assert checks["connection"]["ok"] is False
    assert "PLAIT_DATABASE_URL" in checks["connection"]["fix"]
    assert "secret" not in json.dumps(checks)
    wrong = examine(plait_command, "--database-url", "mysql://x")
    assert wrong["connection"]["fix"] == "correct --database-url"


def test_a_database_without_schema(plait_command, empty_database):
    checks = examine(plait_command, "--database-url", empty_database.url)
    assert checks["schema"]["ok"] is None
    assert "plait db upgrade" in checks["schema"]["fix"]


def test_a_read_only_server(plait_command, database):
    checks = examine(plait_command, "--database-url", f"{database.url}&options=-c%20default_transaction_read_only=on")
    assert checks["writes"]["ok"] is False
    assert "target_session_attrs" in checks["writes"]["fix"]


def test_a_fix_is_for_the_database_that_was_looked_at(plait_command, database):
    elsewhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/other"}
    checks = examine(plait_command, "--database-url", database.url, env=elsewhere)
    assert f"plait db psql --database-url '{database.url}' -- -c " in checks["autovacuum"]["fix"]
