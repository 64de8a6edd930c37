"""Events: they start workflows, once each, and are recorded both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from pydantic import BaseModel

from plait import Context, DefaultFilter, EmptyModel, Plait, UserEventCondition
from plait.errors import InvalidInputError, NotFoundError, PayloadTooLargeError
from plait.features.event import BulkPushEventWithMetadata
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]


class User(BaseModel):
    name: str


def wait_delivered(database: Database, events: int) -> None:
    database.wait("SELECT count(position) = %s FROM plait.event", events)
    database.wait("SELECT count(*) = 0 FROM plait.event_inbox")


def test_an_event_starts_the_workflows_that_name_it_and_is_their_input(
    plait: Plait, work: Work, database: Database
) -> None:
    greeted: list[str] = []

    @plait.task(input_validator=User, on_events=["user:created"])
    async def greet(input: User, ctx: Context) -> str:
        greeted.append(input.name)
        return f"hello {input.name}"

    @plait.task(on_events=["user:*"], default_priority=2)
    async def audit(input: EmptyModel, ctx: Context) -> dict[str, Any]:
        return {"priority": ctx.priority, "metadata": ctx.additional_metadata}

    @plait.task(on_events=["order:created", "user"])
    async def other(input: EmptyModel, ctx: Context) -> None:
        raise AssertionError("not this one's event")

    work(greet, audit, other)
    event = plait.event.push("user:created", {"name": "Ada"}, additional_metadata={"source": "web"})
    wait_delivered(database, 1)
    runs = plait.runs.list(triggered_by=event.id)
    assert sorted(run.workflow for run in runs) == ["audit", "greet"]
    results = {run.workflow: plait.runs.get_result(run.id) for run in runs}
    assert results["greet"] == {"greet": "hello Ada"}
    assert results["audit"]["audit"] == {"priority": 2, "metadata": {"source": "web"}}
    assert {(run.trigger, run.trigger_id) for run in runs} == {("EVENT", event.id)}
    assert plait.event.get(event.id).delivered


def test_an_events_priority_is_its_runs(plait: Plait, work: Work, database: Database) -> None:
    @plait.task(on_events=["urgent"])
    async def handle(input: EmptyModel, ctx: Context) -> int:
        return ctx.priority

    work(handle)
    event = plait.event.push("urgent", {}, priority=3)
    wait_delivered(database, 1)
    [run] = plait.runs.list(triggered_by=event.id)
    assert plait.runs.get_result(run.id) == {"handle": 3}


def test_a_push_that_starts_a_thousand_runs_starts_them_in_one_commit(
    plait: Plait, work: Work, database: Database
) -> None:
    @plait.task(on_events=["tick:*"])
    async def handle(input: EmptyModel, ctx: Context) -> None: ...

    plait.event.bulk_push([BulkPushEventWithMetadata(key=f"tick:{n}", payload={"n": n}) for n in range(1000)])
    work(handle, slots=200)
    wait_delivered(database, 1000)
    database.wait_ended(1000)
    assert database.count("run") == 1000
    assert database.value("SELECT count(DISTINCT created_at)::int FROM plait.run") <= 10  # 100 events a delivery


def test_events_before_a_worker_came_are_delivered_when_it_does(plait: Plait, work: Work, database: Database) -> None:
    @plait.task(on_events=["early"])
    async def handle(input: EmptyModel, ctx: Context) -> None: ...

    event = plait.event.push("early", {})
    assert not plait.event.get(event.id).delivered
    work(handle)
    eventually(lambda: len(plait.runs.list(triggered_by=event.id)) == 1, "the run is started")


def test_a_run_sees_what_is_pushed_right_behind_the_event_that_starts_it(plait: Plait, work: Work) -> None:
    order = plait.workflow(name="order", on_events=["ordered"])

    @order.task(wait_for=[UserEventCondition("paid")])
    async def ship(input: EmptyModel, ctx: Context) -> Any:
        return ctx.trigger_data

    plait.event.push("paid", {"n": 0})
    ordered = plait.event.push("ordered", {})
    plait.event.push("paid", {"n": 1})
    work(order)
    eventually(lambda: len(plait.runs.list(triggered_by=ordered.id)) == 1, "the run is started")
    [run] = plait.runs.list(triggered_by=ordered.id)
    assert plait.runs.get_result(run.id) == {"ship": {"paid": {"n": 1}}}


def test_a_push_in_a_transaction_that_rolls_back_never_was(plait: Plait, work: Work, database: Database) -> None:
    @plait.task(on_events=["paid"])
    async def handle(input: EmptyModel, ctx: Context) -> str:
        return "handled"

    work(handle)
    with psycopg.connect(database.url) as connection:
        plait.event.push("paid", {"n": 1}, connection=connection)
        connection.rollback()
        kept = plait.event.push("paid", {"n": 2}, connection=connection)
    eventually(lambda: len(plait.runs.list(triggered_by=kept.id)) == 1, "the run is started")
    assert database.count("event") == 1
    database.wait_ended(1)


def test_filters_of_the_events_scope_decide_and_tell_the_run_why(plait: Plait, work: Work, database: Database) -> None:
    @plait.task(
        on_events=["measured"],
        default_filters=[
            DefaultFilter(expression="input.value > payload.limit", scope="kitchen", payload={"limit": 30}),
            DefaultFilter(expression="metadata.unit == 'F'", scope="kitchen", payload={"odd": True}),
        ],
    )
    async def alarm(input: EmptyModel, ctx: Context) -> dict[str, Any]:
        return ctx.filter_payload

    work(alarm)
    pushes = {
        "hot": plait.event.push("measured", {"value": 31}, scope="kitchen", additional_metadata={"unit": "C"}),
        "cold": plait.event.push("measured", {"value": 5}, scope="kitchen", additional_metadata={"unit": "C"}),
        "both": plait.event.push("measured", {"value": 99}, scope="kitchen", additional_metadata={"unit": "F"}),
        "elsewhere": plait.event.push("measured", {"value": 5}, scope="cellar"),
        "no scope": plait.event.push("measured", {"value": 5}),
        "broken": plait.event.push("measured", {"other": 5}, scope="kitchen"),
    }
    wait_delivered(database, 6)
    payloads = {
        name: sorted(
            (plait.runs.get_result(run.id)["alarm"] for run in plait.runs.list(triggered_by=event.id)),
            key=str,
        )
        for name, event in pushes.items()
    }
    assert payloads == {
        "hot": [{"limit": 30}],
        "cold": [],
        "both": [{"limit": 30}, {"odd": True}],
        "elsewhere": [{}],
        "no scope": [{}],
        "broken": [],
    }


def test_events_are_listed_newest_first_in_pages(plait: Plait) -> None:
    pushed = [plait.event.push(f"key:{n % 2}", {"n": n}, scope="s" if n == 4 else None) for n in range(5)]
    ids = [event.id for event in reversed(pushed)]
    first = plait.event.list(limit=3)
    assert [event.id for event in first] == ids[:3]
    assert [event.id for event in plait.event.list(limit=3, before=first[-1].id)] == ids[3:]
    assert [event.payload["n"] for event in plait.event.list(keys=["key:1"])] == [3, 1]
    assert [event.payload["n"] for event in plait.event.list(scopes=["s"])] == [4]
    assert plait.event.get(ids[0]).payload == {"n": 4}


async def test_events_are_pushed_from_async_code(plait: Plait) -> None:
    event = await plait.event.aio_push("a", {"n": 2**70})
    assert (await plait.event.aio_get(event.id)).payload == {"n": 2**70}
    assert len(await plait.event.aio_bulk_push([BulkPushEventWithMetadata(key="b", payload={})] * 3)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", {}), "event_key is ''"),
        (("k" * 501, {}), "has 501 characters"),
        (("a\0b", {}), "NUL"),
        (("k", [1]), "payload is list: give a dict"),
        (("k", {"x": float("nan")}), r"payload.x is NaN"),
        (("k", {"x": "\ud800"}), "lone surrogate"),
        (("k", {"x": object()}), "cannot be stored as JSON"),
    ],
)
def test_a_bad_event_is_refused_and_nothing_is_stored(
    plait: Plait, database: Database, arguments: tuple[Any, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        plait.event.push(*arguments)
    good = BulkPushEventWithMetadata(key="good", payload={})
    with pytest.raises(InvalidInputError, match="event 1 of the bulk"):
        plait.event.bulk_push([good, BulkPushEventWithMetadata(key=arguments[0], payload=arguments[1])])
    assert database.count("event") == 0


def test_other_bad_pushes(plait: Plait) -> None:
    with pytest.raises(PayloadTooLargeError, match="the limit is"):
        plait.event.push("k", {"x": "y" * 2_000_000})
    with pytest.raises(InvalidInputError, match="priority"):
        plait.event.push("k", {}, priority=9)
    with pytest.raises(InvalidInputError, match="scope is ''"):
        plait.event.push("k", {}, scope="")
    with pytest.raises(InvalidInputError, match="additional_metadata is list"):
        plait.event.push("k", {}, additional_metadata=[])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="is not a valid event id"):
        plait.event.get("x")
    with pytest.raises(NotFoundError, match="there is no event"):
        plait.event.get("0198c0de-7abc-7def-8123-456789abcdef")
    assert plait.event.bulk_push([]) == []
