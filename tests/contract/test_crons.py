"""Crons: declared and made at run time, what their runs are told, and what becomes of missed times."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from plait import Context, Cron, DefinitionError, EmptyModel, InvalidInputError, Plait, Workflow
from plait.errors import NotFoundError, PayloadTooLargeError
from support.database import Database
from support.workers import WorkerThread

Work = Callable[..., Any]


class Report(BaseModel):
    region: str = "all"


def declare(plait: Plait, **options: Any) -> Workflow[Report]:
    """A workflow whose one task answers with what it was told."""
    flow = plait.workflow(name="report", input_validator=Report, **options)

    @flow.task()
    async def tell(input: Report, ctx: Context) -> dict[str, Any]:
        return {"region": input.region, **ctx.additional_metadata}

    return flow


@pytest.fixture
def another(database: Database) -> Any:
    """The same program in another version: a ``Plait`` of its own on the same database."""
    made: list[Plait] = []

    def make() -> Plait:
        made.append(Plait(database.url))
        return made[-1]

    yield make
    for plait in made:
        plait.close()


def set_due(database: Database, ago: str) -> datetime:
    """Have all crons count as due since the minute that was ``ago``; returns that minute."""
    sql = "UPDATE plait.cron SET next_at = date_trunc('minute', now() - %s::interval) RETURNING next_at"
    due: datetime = database.query(sql, ago)[0][0]
    return due


FIRES = "SELECT (metadata ->> 'fire_time')::timestamptz FROM plait.run ORDER BY 1"


# --- declared with the workflow --------------------------------------------------------------------------------------


def test_a_declared_cron_starts_runs_with_its_input_and_their_nominal_time(
    plait: Plait, database: Database, work: Work
) -> None:
    flow = declare(
        plait,
        on_crons=[Cron("* * * * * *", timezone="Asia/Tokyo", name="tick")],
        cron_input=Report(region="north"),
        default_additional_metadata={"team": "a"},
        default_priority=3,
    )
    work(flow)
    database.wait("SELECT count(*) >= 2 FROM plait.run WHERE status <> 0")
    run = plait.runs.list(limit=1)[0]
    assert run.priority == 3
    told = plait.runs.get_result(plait.runs.list(limit=1)[0].id)["tell"]
    assert (told["region"], told["team"], told["cron_name"]) == ("north", "a", "tick")
    fire_time = datetime.fromisoformat(told["fire_time"])
    assert fire_time.utcoffset() == timedelta(hours=9)
    cron = plait.cron.list()[0]
    assert (cron.name, cron.timezone, cron.declared, cron.paused) == ("tick", "Asia/Tokyo", True, False)
    assert cron.last_at is not None
    assert cron.next_at == cron.last_at + timedelta(seconds=1)
    assert database.value("SELECT bool_and(trigger_kind = 3 AND trigger_id = %s) FROM plait.run", cron.id)


def test_the_crons_of_a_workflow_follow_its_code(plait: Plait, database: Database, work: Work, another: Any) -> None:
    work(declare(plait, on_crons=["@daily", Cron("0 9 * * *", name="morning"), Cron("0 18 * * *", name="evening")]))
    before = {cron.name: cron for cron in plait.cron.list()}
    assert list(before) == ["@daily", "evening", "morning"]
    plait.cron.pause(before["evening"].id)
    newer = another()
    changed = [Cron("30 9 * * *", name="morning"), Cron("0 19 * * *", name="evening"), Cron("@hourly", catch_up="all")]
    worker = newer.worker("newer", workflows=[declare(newer, on_crons=changed)])
    thread = WorkerThread(worker)
    after = {cron.name: cron for cron in plait.cron.list()}
    thread.stop()
    assert list(after) == ["@hourly", "evening", "morning"]
    assert (after["morning"].id, after["morning"].expression) == (before["morning"].id, "30 9 * * *")
    assert after["morning"].next_at is not None
    assert after["morning"].next_at.minute == 30
    assert (after["evening"].paused, after["evening"].next_at) == (True, None)
    assert after["@hourly"].catch_up == "all"


def test_a_worker_that_starts_again_changes_nothing(plait: Plait, database: Database, work: Work) -> None:
    flow = declare(plait, on_crons=["@daily"], cron_input={"region": "é"}, default_additional_metadata={"b": 1, "a": 2})
    work(flow).stop()
    database.query("UPDATE plait.cron SET next_at = next_at + interval '1 hour'")  # what is computed anew shows
    before = database.query("SELECT xmin, * FROM plait.cron")
    work(flow).stop()
    assert database.query("SELECT xmin, * FROM plait.cron") == before


def test_a_declaration_takes_over_a_cron_of_the_same_name(plait: Plait, work: Work, another: Any) -> None:
    other = another()
    made = declare(other).create_cron("nightly", "0 1 * * *")
    work(declare(plait, on_crons=[Cron("0 2 * * *", name="nightly")]))
    (cron,) = plait.cron.list()
    assert (cron.id, cron.expression, cron.declared) == (made.id, "0 2 * * *", True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on_crons": "@daily"}, "give a list"),
        ({"on_crons": [3]}, "on_crons holds 3"),
        ({"on_crons": ["0 0 31 2 *"]}, "never fires"),
        ({"on_crons": ["61 * * * *"]}, "minute '61'"),
        ({"on_crons": [Cron("@daily", timezone="Europe/Brlin")]}, "did you mean 'Europe/Berlin'"),
        ({"on_crons": ["@daily", "@daily"]}, "'@daily' twice"),
        ({"on_crons": [Cron("@daily", name="")]}, "cron name is empty"),
        ({"on_crons": [Cron("@daily", catch_up="some")]}, "catch_up is 'some'"),  # type: ignore[arg-type]
        ({"on_crons": [Cron("@daily", catch_up_bound="3")]}, "catch_up_bound"),
        ({"cron_input": {}}, "set on_crons"),
    ],
)
def test_a_wrong_cron_is_refused_where_it_is_declared(plait: Plait, options: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match="workflow 'report'") as refused:
        declare(plait, **options)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "options", [{"cron_input": {"region": 3}}, {"on_crons": [Cron("@daily", input={"region": 3})]}]
)
def test_a_wrong_cron_input_is_refused_at_the_first_look(plait: Plait, options: dict[str, Any]) -> None:
    flow = declare(plait, **{"on_crons": ["@daily"], **options})
    with pytest.raises(DefinitionError, match=r"workflow 'report': input.region.*cron '@daily'"):
        flow.definition  # noqa: B018


def test_each_cron_may_have_its_own_input_and_zone(plait: Plait) -> None:
    crons = ["@daily", Cron("@daily", "Asia/Tokyo", input=Report(region="east")), "CRON_TZ=Europe/Paris @daily"]
    definition = declare(plait, on_crons=crons, cron_input=Report(region="west")).definition
    assert [(cron.name, cron.timezone, cron.input) for cron in definition.crons] == [
        ("@daily", "UTC", '{"region":"west"}'),
        ("@daily Asia/Tokyo", "Asia/Tokyo", '{"region":"east"}'),
        ("@daily Europe/Paris", "Europe/Paris", '{"region":"west"}'),
    ]


# --- made at run time ------------------------------------------------------------------------------------------------


def test_a_cron_made_at_run_time_fires_until_it_is_deleted(plait: Plait, database: Database, work: Work) -> None:
    flow = declare(plait)
    work(flow)
    made = flow.create_cron(
        "often", "* * * * * *", Report(region="south"), {"who": "me"}, priority=2, timezone="Europe/Berlin"
    )
    assert (made.workflow, made.name, made.declared, made.priority) == ("report", "often", False, 2)
    assert made.metadata == {"who": "me"}
    assert plait.cron.get(made.id).input == {"region": "south"}
    database.wait("SELECT count(*) >= 1 FROM plait.run WHERE status <> 0")
    told = plait.runs.get_result(plait.runs.list(limit=1)[0].id)["tell"]
    assert (told["region"], told["who"], told["cron_name"]) == ("south", "me", "often")
    plait.cron.delete(made.id)
    assert plait.cron.list() == []
    with pytest.raises(NotFoundError, match="there is no cron"):
        plait.cron.get(made.id)
    with pytest.raises(NotFoundError):
        plait.cron.delete(made.id)


async def test_everything_can_be_done_asynchronously_and_by_name(plait: Plait, another: Any) -> None:
    flow = declare(plait)
    first = await flow.aio_create_cron("a", "@daily")
    other = another()  # a program without the code
    second = await other.cron.aio_create("report", "b", "@hourly", {"region": "x"}, {"k": [1]})
    assert [cron.id for cron in await other.cron.aio_list()] == [first.id, second.id]
    assert (await other.cron.aio_pause(second.id)).paused
    assert not (await other.cron.aio_unpause(second.id)).paused
    assert (await other.cron.aio_update(second.id, expression="@weekly")).expression == "@weekly"
    reference = await other.cron.aio_run_now(second.id)
    assert (await other.runs.aio_get(reference.workflow_run_id)).metadata["k"] == [1]
    await other.cron.aio_delete(second.id)
    assert [cron.name for cron in await other.cron.aio_list()] == ["a"]


def test_lists_are_filtered_and_paged(plait: Plait) -> None:
    flow, other = declare(plait), plait.workflow(name="other")
    other.task(name="t")(lambda input, ctx: None)
    for name in ("c", "a", "b"):
        flow.create_cron(name, "@daily", additional_metadata={"name": name, "x": 1})
    other.create_cron("a", "@hourly")

    def names(**filters: Any) -> list[str]:
        return [f"{cron.workflow}.{cron.name}" for cron in plait.cron.list(**filters)]

    assert names() == ["other.a", "report.a", "report.b", "report.c"]
    assert names(workflow_name="report") == ["report.a", "report.b", "report.c"]
    assert names(cron_name="a") == ["other.a", "report.a"]
    assert names(additional_metadata={"name": "b"}) == ["report.b"]
    page = plait.cron.list(limit=2)
    assert names(limit=2, after=page[-1].id) == ["report.b", "report.c"]
    assert names(limit=2, after=plait.cron.list()[-1].id) == []
    for wrong in ({"limit": 0}, {"after": "x"}):
        with pytest.raises(InvalidInputError):
            names(**wrong)


def test_what_is_wrong_is_refused_and_nothing_is_stored(plait: Plait, database: Database) -> None:
    flow = declare(plait)
    flow.create_cron("taken", "@daily")
    wrong: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (InvalidInputError, "workflow 'report'.*minute '61'", lambda: flow.create_cron("x", "61 * * * *")),
        (InvalidInputError, "never fires", lambda: flow.create_cron("x", "0 0 30 2 *")),
        (InvalidInputError, "time zone 'Mars/Base'", lambda: flow.create_cron("x", "@daily", timezone="Mars/Base")),
        (InvalidInputError, "input.region", lambda: flow.create_cron("x", "@daily", {"region": 3})),  # type: ignore[arg-type]
        (InvalidInputError, "priority", lambda: flow.create_cron("x", "@daily", priority=9)),
        (InvalidInputError, "metadata", lambda: flow.create_cron("x", "@daily", additional_metadata={1: 2})),  # type: ignore[dict-item]
        (InvalidInputError, "cron name", lambda: flow.create_cron(" x", "@daily")),
        (InvalidInputError, "catch_up is", lambda: flow.create_cron("x", "@daily", catch_up="any")),  # type: ignore[arg-type]
        (InvalidInputError, "already has a cron named 'taken'", lambda: flow.create_cron("taken", "@hourly")),
        (PayloadTooLargeError, "bytes", lambda: flow.create_cron("x", "@daily", Report(region="x" * 2_000_000))),
        (NotFoundError, "did you mean 'report'", lambda: plait.cron.create("raport", "x", "@daily", {})),
        (InvalidInputError, "input.region", lambda: plait.cron.create("report", "x", "@daily", {"region": 3})),
    ]
    for error, words, call in wrong:
        with pytest.raises(error, match=words):
            call()
    assert database.count("cron") == 1


def test_an_input_for_a_workflow_known_only_by_name_must_be_an_object(plait: Plait, another: Any) -> None:
    declare(plait).create_cron("known", "@daily")
    for wrong in ([1], "text", {"a": float("nan")}):
        with pytest.raises(InvalidInputError, match="workflow 'report'"):
            another().cron.create("report", "x", "@daily", wrong)


def test_a_cron_made_at_run_time_can_be_changed(plait: Plait, database: Database) -> None:
    made = declare(plait).create_cron("c", "0 9 * * *", additional_metadata={"a": 1})
    changed = plait.cron.update(made.id, timezone="Asia/Tokyo", input={"region": "x"}, priority=3, catch_up="all")
    assert (changed.expression, changed.timezone, changed.catch_up) == ("0 9 * * *", "Asia/Tokyo", "all")
    assert (changed.input, changed.metadata, changed.priority) == ({"region": "x"}, {"a": 1}, 3)
    assert changed.next_at is not None
    assert changed.next_at.astimezone(UTC).hour == 0
    with pytest.raises(InvalidInputError, match="hour '99'"):
        plait.cron.update(made.id, expression="0 99 * * *")
    with pytest.raises(InvalidInputError, match=r"input\.region"):
        plait.cron.update(made.id, input={"region": 1})
    assert plait.cron.get(made.id) == changed


def test_another_timetable_never_repeats_a_time_that_has_fired(plait: Plait, database: Database) -> None:
    made = declare(plait).create_cron("c", "0 9 * * *")
    ahead = (
        "UPDATE plait.cron SET last_at = now() + interval '2 seconds'"  # as if it fired while the change was decided
    )
    database.query(ahead)
    changed = plait.cron.update(made.id, expression="* * * * * *")
    assert changed.next_at is not None
    assert changed.last_at is not None
    assert changed.next_at > changed.last_at


def test_a_declared_cron_is_neither_changed_nor_deleted_behind_its_code(plait: Plait, work: Work) -> None:
    work(declare(plait, on_crons=["@daily"])).stop()
    (cron,) = plait.cron.list()
    with pytest.raises(InvalidInputError, match="change it in on_crons"):
        plait.cron.update(cron.id, expression="@hourly")
    with pytest.raises(InvalidInputError, match="remove it from on_crons, or pause it"):
        plait.cron.delete(cron.id)
    plait.cron.delete(cron.id, force=True)
    assert plait.cron.list() == []


def test_a_paused_cron_misses_nothing_and_can_be_run_by_hand(plait: Plait, database: Database, work: Work) -> None:
    flow = declare(plait)
    made = flow.create_cron("c", "* * * * * *", Report(region="west"), catch_up="all")
    paused = plait.cron.pause(made.id)
    assert (paused.paused, paused.next_at) == (True, None)
    assert replace(plait.cron.pause(made.id), next_times=()) == replace(paused, next_times=())
    work(flow)
    assert plait.cron.run_now(made.id).result()["tell"]["region"] == "west"
    assert replace(plait.cron.get(made.id), next_times=()) == replace(paused, next_times=())
    database.query("SELECT pg_sleep(1.1)")
    began = database.value("SELECT now()")
    plait.cron.unpause(made.id)
    database.wait("SELECT count(*) >= 3 FROM plait.run")
    assert min(row[0] for row in database.query(f"{FIRES} OFFSET 1")) > began


def test_unknown_ids_are_not_found(plait: Plait) -> None:
    for call in (plait.cron.get, plait.cron.pause, plait.cron.unpause, plait.cron.run_now, plait.cron.update):
        with pytest.raises(NotFoundError, match="plait crons list"):
            call(str(uuid4()))
        with pytest.raises(InvalidInputError, match="not a valid cron id"):
            call("latest")


# --- missed times ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("catch_up", "bound", "expected"),
    [("none", "1d", 0), ("latest", "1d", 1), ("all", "1d", 10), ("all", "4m30s", 4)],
)
def test_after_an_outage_missed_times_are_made_up_for_by_the_policy(
    plait: Plait, database: Database, work: Work, catch_up: Any, bound: str, expected: int
) -> None:
    flow = declare(plait)
    flow.create_cron("c", "* * * * *", catch_up=catch_up, catch_up_bound=bound)
    due = set_due(database, "10 minutes")
    work(flow)
    database.wait("SELECT next_at > now() FROM plait.cron")
    fires = [row[0] for row in database.query(FIRES)]
    now = database.value("SELECT now()")
    missed = [fire for fire in fires if fire < now - timedelta(seconds=61)]
    # A minute may have turned meanwhile, so the last one or two are known only within a minute.
    assert expected <= len(fires) <= expected + 2
    assert all(fire >= due for fire in fires)
    assert fires == sorted(set(fires))
    if catch_up in ("none", "latest"):
        assert len(missed) <= expected


def test_a_late_time_is_not_a_missed_one(plait: Plait, database: Database, work: Work) -> None:
    flow = declare(plait)
    flow.create_cron("c", "* * * * * *", catch_up="none")
    sql = "UPDATE plait.cron SET next_at = date_trunc('second', now() - interval '20 seconds') RETURNING next_at"
    due = database.query(sql)[0][0]
    work(flow)
    database.wait("SELECT count(*) >= 22 FROM plait.run")
    fires = [row[0] for row in database.query(FIRES)]
    assert fires == [due + timedelta(seconds=n) for n in range(len(fires))]


def test_what_cannot_be_started_is_reported_and_holds_up_no_other(
    plait: Plait, database: Database, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    flow = declare(plait)
    for name in ("alien", "broken", "sound"):
        flow.create_cron(name, "* * * * * *")
    lost = flow.schedule(datetime.now(UTC) + timedelta(seconds=1))
    kept = flow.schedule(datetime.now(UTC) + timedelta(seconds=1))
    database.query("UPDATE plait.cron SET timezone = 'Mars/Base' WHERE name = 'alien'")
    database.query("UPDATE plait.cron SET workflow = 'gone' WHERE name = 'broken'")
    database.query("UPDATE plait.scheduled SET workflow = 'gone', version_id = 999 WHERE id = %s", lost.id)
    with caplog.at_level(logging.ERROR, "plait.maintenance"):
        work(flow)
        database.wait("SELECT count(*) >= 3 FROM plait.run WHERE metadata ->> 'cron_name' = 'sound'")
        database.wait("SELECT run_id IS NOT NULL FROM plait.scheduled WHERE id = %s", kept.id)
    assert database.value("SELECT run_id IS NULL FROM plait.scheduled WHERE id = %s", lost.id)
    assert not database.value("SELECT bool_or(metadata ->> 'cron_name' <> 'sound') FROM plait.run")
    assert "there is no time zone 'Mars/Base'" in caplog.text
    assert "cron 'alien' of workflow 'report'" in caplog.text
    assert sum("cannot be started" in record.message for record in caplog.records) == 3


def test_time_starts_the_version_that_is_served(plait: Plait, database: Database, work: Work, another: Any) -> None:
    older = another()
    old = declare(older)
    old.create_cron("c", "* * * * * *")
    old.schedule(datetime.now(UTC))
    flow = declare(plait, description="newer")
    work(flow)
    database.wait("SELECT count(*) >= 2 FROM plait.run WHERE trigger_kind = 3")
    database.wait("SELECT count(*) >= 1 FROM plait.run WHERE trigger_kind = 4")
    served = database.value("SELECT version_id FROM plait.workflow WHERE name = 'report'")
    assert database.query("SELECT DISTINCT version_id FROM plait.run") == [(served,)]


def test_a_standalone_task_has_crons_too(plait: Plait, database: Database, work: Work) -> None:
    @plait.task(on_crons=["* * * * * *"])
    def beat(input: EmptyModel, ctx: Context) -> None: ...

    work(beat)
    database.wait("SELECT count(*) >= 1 FROM plait.run WHERE status <> 0")
