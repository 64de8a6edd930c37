"""Scheduled runs: they start at their time, once, unless they were moved or deleted before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from pydantic import BaseModel

from plait import Context, InvalidInputError, Plait, TriggerWorkflowOptions, Workflow
from plait.errors import NotFoundError, PayloadTooLargeError, UnknownVersionError
from plait.features.scheduled import ScheduledRunStatus
from support.database import Database

Work = Callable[..., Any]
SOON, LATER = timedelta(seconds=0.5), timedelta(days=3)


class Mail(BaseModel):
    to: str = "all"


@pytest.fixture
def flow(plait: Plait) -> Workflow[Mail]:
    flow = plait.workflow(name="mail", input_validator=Mail, default_additional_metadata={"team": "a"})

    @flow.task()
    async def send(input: Mail, ctx: Context) -> dict[str, Any]:
        return {"to": input.to, **ctx.additional_metadata}

    return flow


def now() -> datetime:
    return datetime.now(UTC)


def test_it_starts_at_its_time_and_not_before(flow: Any, plait: Plait, database: Database, work: Work) -> None:
    work(flow)
    run_at = now() + SOON
    scheduled = flow.schedule(run_at, Mail(to="me"), additional_metadata={"n": 1}, priority=3)
    assert (scheduled.workflow, scheduled.run_at, scheduled.input) == ("mail", run_at, {"to": "me"})
    assert (scheduled.status, scheduled.run_id) == (ScheduledRunStatus.SCHEDULED, None)
    assert scheduled.trigger_at == run_at
    database.wait("SELECT count(*) = 1 FROM plait.run WHERE status <> 0")
    started = plait.scheduled.get(scheduled.id)
    assert started.status == "STARTED"
    assert started.run_id is not None
    run = plait.runs.get(started.run_id)
    assert (run.priority, run.metadata) == (3, {"team": "a", "n": 1})
    assert run.created_at >= run_at
    assert plait.runs.get_result(started.run_id) == {"send": {"to": "me", "team": "a", "n": 1}}
    kind = "SELECT trigger_kind, trigger_id::text FROM plait.run"
    assert database.query(kind) == [(4, scheduled.id)]


async def test_it_can_be_scheduled_from_async_code_and_for_a_time_that_has_passed(
    flow: Any, plait: Plait, database: Database, work: Work
) -> None:
    work(flow)
    await flow.aio_schedule(datetime(2020, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")), {"to": "you"})
    database.wait("SELECT count(*) = 1 FROM plait.run WHERE status <> 0")
    (found,) = await plait.scheduled.aio_list(statuses=["STARTED"])
    assert found.input == {"to": "you"}


def test_it_waits_for_workers_as_any_run_does(flow: Any, plait: Plait, database: Database, work: Work) -> None:
    flow.schedule(now())
    assert database.count("run") == 0  # nobody is there to start it
    work(flow)
    database.wait("SELECT count(*) = 1 FROM plait.run WHERE status <> 0")


def test_it_can_be_moved_and_deleted_until_it_starts(flow: Any, plait: Plait, database: Database, work: Work) -> None:
    work(flow)
    moved, deleted = flow.schedule(now() + LATER), flow.schedule(now() + 4 * SOON)
    plait.scheduled.delete(deleted.id)
    assert plait.scheduled.update(moved.id, now() + SOON).id == moved.id
    database.wait("SELECT count(*) = 1 FROM plait.run")
    with pytest.raises(InvalidInputError, match=r"cannot be moved: it has started as run .*plait\.runs\.cancel"):
        plait.scheduled.update(moved.id, now())
    with pytest.raises(InvalidInputError, match="cannot be deleted"):
        plait.scheduled.delete(moved.id)
    database.wait("SELECT now() > %s", deleted.run_at + SOON)
    assert database.count("run") == 1
    for call in (plait.scheduled.get, plait.scheduled.delete, lambda key: plait.scheduled.update(key, now())):
        with pytest.raises(NotFoundError, match="plait scheduled list"):
            call(deleted.id)
        with pytest.raises(InvalidInputError, match="not a valid scheduled run id"):
            call("first")


def test_one_that_is_moved_away_at_the_last_moment_does_not_start(flow: Any, plait: Plait, database: Database) -> None:
    """Both look at the same row at the same time: only one of them can have it."""
    scheduled = flow.schedule(now())
    with psycopg.connect(database.url) as mover:
        mover.execute("UPDATE plait.scheduled SET run_at = now() + interval '1 day'")
        with psycopg.connect(database.url) as starter:
            starting = "SELECT plait.start_scheduled(ARRAY[%s]::uuid[], ARRAY[%s]::uuid[])"
            assert starter.execute(starting, (scheduled.id, uuid4())).fetchone() == (0,)
    assert plait.scheduled.get(scheduled.id).status == "SCHEDULED"
    assert database.count("run") == 0


def test_lists_are_filtered_and_paged(flow: Any, plait: Plait, database: Database) -> None:
    other = plait.workflow(name="other")
    other.task(name="t")(lambda input, ctx: None)
    base = now() + LATER
    made = [flow.schedule(base + timedelta(hours=n), additional_metadata={"n": n}) for n in (2, 0, 1)]
    last = other.schedule(base + timedelta(hours=9))
    database.query("UPDATE plait.scheduled SET run_id = gen_random_uuid() WHERE id = %s", made[1].id)

    def ids(**filters: Any) -> list[str]:
        return [scheduled.id for scheduled in plait.scheduled.list(**filters)]

    everything = [last.id, made[0].id, made[2].id, made[1].id]
    assert ids() == everything
    assert ids(workflow_name="mail") == everything[1:]
    assert ids(statuses=["STARTED"]) == [made[1].id]
    assert ids(statuses=[ScheduledRunStatus.SCHEDULED]) == everything[:3]
    assert ids(statuses=["STARTED", "SCHEDULED"]) == everything
    assert ids(additional_metadata={"n": 1}) == [made[2].id]
    assert ids(limit=2) == everything[:2]
    assert ids(limit=2, before=made[0].id) == everything[2:]
    for wrong in ({"limit": 0}, {"statuses": ["DONE"]}, {"before": "x"}):
        with pytest.raises(InvalidInputError):
            ids(**wrong)


def test_many_are_moved_and_deleted_at_once(flow: Any, plait: Plait, database: Database) -> None:
    first, second, started, other = (flow.schedule(now() + LATER, additional_metadata={"n": n}) for n in range(4))
    database.query("UPDATE plait.scheduled SET run_id = gen_random_uuid() WHERE id = %s", started.id)
    unknown, target = str(uuid4()), now() + timedelta(days=1)
    moved = plait.scheduled.bulk_update([(one, target) for one in (second.id, unknown, started.id, first.id)])
    assert moved.updated_ids == [second.id, first.id]
    assert set(moved.errors) == {unknown, started.id}
    assert "has started" in moved.errors[started.id]
    assert "no scheduled run" in moved.errors[unknown]
    assert {plait.scheduled.get(one.id).run_at for one in (first, second)} == {target}
    deleted = plait.scheduled.bulk_delete(scheduled_ids=[started.id, second.id, unknown])
    assert (deleted.deleted_ids, set(deleted.errors)) == ([second.id], {started.id, unknown})
    assert plait.scheduled.bulk_delete(additional_metadata={"n": 0}).deleted_ids == [first.id]
    assert plait.scheduled.bulk_delete(workflow_name="none").deleted_ids == []
    assert plait.scheduled.bulk_delete(workflow_name="mail").deleted_ids == [other.id]
    assert [scheduled.id for scheduled in plait.scheduled.list()] == [started.id]
    for wrong in ({}, {"scheduled_ids": [other.id], "workflow_name": "mail"}):
        with pytest.raises(InvalidInputError, match="bulk_delete"):
            plait.scheduled.bulk_delete(**wrong)
    with pytest.raises(InvalidInputError, match="no time zone"):
        plait.scheduled.bulk_update([(started.id, datetime(2030, 1, 1))])
    assert plait.scheduled.bulk_update([]).updated_ids == []


def test_what_is_wrong_is_refused_and_nothing_is_stored(flow: Any, plait: Plait, database: Database) -> None:
    plait.runs.list()  # connects
    soon = now()
    wrong: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (InvalidInputError, "workflow 'mail': run_at.*no time zone", lambda: flow.schedule(datetime(2030, 1, 1))),
        (InvalidInputError, "run_at is 'soon'", lambda: flow.schedule("soon")),
        (InvalidInputError, "workflow 'mail': input.to", lambda: flow.schedule(soon, {"to": 3})),
        (InvalidInputError, "priority", lambda: flow.schedule(soon, priority=0)),
        (InvalidInputError, "metadata", lambda: flow.schedule(soon, additional_metadata={"a": float("inf")})),
        (
            InvalidInputError,
            "no idempotency_key",
            lambda: flow.schedule(soon, options=TriggerWorkflowOptions(idempotency_key="k")),
        ),
        (PayloadTooLargeError, "bytes", lambda: flow.schedule(soon, Mail(to="x" * 2_000_000))),
        (NotFoundError, "there is no workflow 'post'", lambda: plait.scheduled.create("post", soon, {})),
        (
            InvalidInputError,
            "trigger_at.*no time zone",
            lambda: plait.scheduled.create("mail", datetime(2030, 1, 1), {}),
        ),
        (InvalidInputError, "cannot be used from synchronous code", lambda: flow.schedule(soon, connection=object())),
    ]
    for error, words, call in wrong:
        with pytest.raises(error, match=words):
            call()
    assert database.count("scheduled") == 0


def test_it_can_be_scheduled_by_name_where_the_code_is_not_at_hand(
    flow: Any, plait: Plait, database: Database, work: Work
) -> None:
    work(flow)
    other = Plait(database.url)
    other.scheduled.create("mail", now(), {"to": "x"}, {"from": "afar"}, 2)
    database.wait("SELECT count(*) = 1 FROM plait.run WHERE status <> 0")
    (run,) = other.runs.list()
    assert (run.priority, run.metadata) == (2, {"from": "afar"})
    other.close()


def test_inside_the_callers_transaction_it_exists_once_that_commits(
    flow: Any, plait: Plait, database: Database, work: Work
) -> None:
    work(flow)
    with psycopg.connect(database.url) as connection:
        gone = flow.schedule(now(), Mail(to="gone"), connection=connection)
        connection.rollback()
        kept = flow.schedule(now(), Mail(to='"kept"'), additional_metadata={"n": 1}, connection=connection)
        assert kept.created_at is None
        with pytest.raises(NotFoundError):
            plait.scheduled.get(kept.id)
    database.wait("SELECT count(*) = 1 FROM plait.run WHERE status <> 0")
    with pytest.raises(NotFoundError):
        plait.scheduled.get(gone.id)
    started = plait.scheduled.get(kept.id)
    assert (started.input, started.metadata) == ({"to": '"kept"'}, {"team": "a", "n": 1})


async def test_the_callers_transaction_may_be_asynchronous(flow: Any, plait: Plait, database: Database) -> None:
    async with await psycopg.AsyncConnection.connect(database.url) as connection:
        kept = await flow.aio_schedule(now() + LATER, connection=connection)
    assert (await plait.scheduled.aio_get(kept.id)).run_at == kept.run_at


def test_in_a_database_that_was_replaced_it_is_refused_once_and_then_works(
    flow: Any, plait: Plait, database: Database
) -> None:
    flow.schedule(now() + LATER)
    database.query("DELETE FROM plait.workflow_version")
    with pytest.raises(UnknownVersionError, match="Trigger again"):
        flow.schedule(now() + LATER)
    assert database.count("scheduled") == 1
    assert flow.schedule(now() + LATER).status == "SCHEDULED"


def test_thousands_that_are_due_at_once_all_start(flow: Any, plait: Plait, database: Database, work: Work) -> None:
    scheduled = flow.schedule(now() + LATER)
    sql = (
        "INSERT INTO plait.scheduled (id, workflow, version_id, run_at, input, priority) "
        "SELECT gen_random_uuid(), workflow, version_id, now(), input, 1 "
        "FROM plait.scheduled, generate_series(1, 2500) WHERE id = %s"
    )
    database.query(sql, scheduled.id)
    work(flow, slots=100)
    database.wait_ended(2500)
    assert database.count("run") == 2500
    assert database.count("scheduled", "run_id IS NULL") == 1
