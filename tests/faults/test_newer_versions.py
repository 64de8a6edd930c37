"""Versions of workflows that a newer Plait stored: an older worker leaves them to others and goes on."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait
from plait.graph.attempt import UnreadableVersionError
from plait.store.store import Store
from support.database import Database
from support.driver import make_definition
from support.workers import serve


def store_newer_version(database: Database) -> int:
    """What a newer Plait might store: the same task with a condition of a kind that this one does not know."""
    definition = json.loads(database.value("SELECT definition FROM plait.workflow_version"))
    definition["tasks"][0]["wait_for"] = [[{"kind": "webhook"}]]
    number: int = database.value(
        "INSERT INTO plait.workflow_version (workflow, digest, definition, actions, roots, schedules_us, pending) "
        "SELECT workflow, 'newer', %s, actions, roots, schedules_us, pending FROM plait.workflow_version RETURNING id",
        json.dumps(definition),
    )
    return number


def start(database: Database, version: int) -> None:
    database.query(
        "SELECT plait.start_runs(array[gen_random_uuid()], array[%s], array['{}'::bytea], array[null::text], "
        "array[1::int2])",
        version,
    )


def declare(plait: Plait, retries: int = 0) -> Any:
    @plait.task(retries=retries)
    async def job(input: EmptyModel, ctx: Context) -> int:
        return 1

    return job


def test_a_worker_hands_back_what_it_cannot_read_tells_it_once_and_goes_on(
    plait: Plait, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    job = declare(plait)
    job.run_no_wait()
    version = store_newer_version(database)
    for _ in range(3):
        start(database, version)
    with caplog.at_level(logging.ERROR):
        worker = serve(plait, job)
        database.wait("SELECT count(*) = 3 FROM plait.waiting WHERE due_at > plait.now() + interval '5 seconds'")
        start(database, version)
        database.wait("SELECT count(*) = 4 FROM plait.waiting")
        assert job.run() == 1
        worker.stop()
    assert [record.message for record in caplog.records if "newer Plait" in record.message] == [
        f"tasks are handed back: version {version} of workflow 'job' was stored by a newer Plait and cannot be read "
        "here ('webhook' is not a valid ConditionKind): upgrade Plait here; workers with the newer one run it"
    ]
    reasons = database.query("SELECT reason FROM plait.attempt WHERE status = -1")
    assert {reason for (reason,) in reasons} == {
        "its worker cannot read this version of the workflow: a newer Plait stored it"
    }


def test_tasks_of_a_newer_format_are_actions_that_an_older_worker_does_not_claim(
    plait: Plait, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = declare(plait)
    job.run_no_wait()
    monkeypatch.setattr("plait.store.store.FORMAT", 2)
    newer = Plait(database.url)
    declare(newer, retries=1).run_no_wait()
    newer.close()
    monkeypatch.undo()
    worker = serve(plait, job)
    assert job.run() == 1
    assert database.value("SELECT count(*) FROM plait.attempt") == 2
    assert database.value("SELECT count(*) FROM plait.ready") == 1
    worker.stop()


async def test_a_version_that_cannot_be_read_is_read_once(plait: Plait, database: Database) -> None:
    store = Store(database.url)
    await store.register_version(make_definition("job", job=[]))
    version = store_newer_version(database)
    for _ in range(2):
        with pytest.raises(UnreadableVersionError, match="newer Plait"):
            await store.read_version(version)
        # Who asks for it now finds nothing.
        database.query("DELETE FROM plait.workflow_version WHERE id = %s", version)
    await store.close()
