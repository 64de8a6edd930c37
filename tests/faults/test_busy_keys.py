"""Keys that many tasks wait for, and on which many events come: what an event costs grows with the tasks that it wakes
and the versions that listen, and not with who sleeps on, nor with the events before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from faults.test_plans import count_reads
from plait import Context, EmptyModel, Plait, UserEventCondition
from plait.graph.definition import Condition, ConditionKind, TaskDefinition, WorkflowDefinition
from plait.ids import new_run_id
from plait.maintenance import deliverer as deliverers
from plait.maintenance.deliverer import Deliverer
from plait.store.events import EventStore
from plait.store.hints import Hub
from plait.values.evaluator import Evaluator
from plait.worker import conditions
from support.database import Database
from support.driver import Driver
from support.waiting import eventually

OpenDriver = Callable[..., Awaitable[Driver]]
Work = Callable[..., Any]

MANY = 20_000
FEW_READ = 60
"""Rows and index entries for one event that wakes one task, with all that belongs to it."""
READ_PER_WOKEN = 15


def waits_for(key: str, expression: str | None = None, name: str = "waiter") -> WorkflowDefinition:
    condition = Condition(kind=ConditionKind.EVENT, event_key=key, expression=expression)
    return WorkflowDefinition(name, (TaskDefinition(name="waits", wait_for=((condition,),)),))


def fill_waiting(database: Database, driver: Driver, count: int, *, scope: str = "", position: int = 0) -> None:
    """Tasks that wait for "go" as if they had been parked."""
    version, [action] = driver.version.id, driver.version.actions
    database.query(
        "WITH r AS (INSERT INTO plait.run (id, created_at, version_id, priority, pending, input, events_from) "
        "  SELECT uuidv7(), plait.now(), %s, 1, '{}', '{}', 0 FROM generate_series(1, %s) RETURNING id, position), "
        "w AS (INSERT INTO plait.waiting "
        "  (run_id, position, due_at, schedule_us, action_id, task, attempt, retry, lost, priority) "
        "  SELECT id, position, 'infinity', -1, %s, 0, 1, 0, 0, 1 FROM r), "
        "s AS (INSERT INTO plait.wait (run_id, since, position, task, met) "
        "  SELECT id, plait.now(), %s, 0, '{}' FROM r) "
        "INSERT INTO plait.awaited_event (run_id, position, version_id, task, condition, key, scope) "
        "SELECT id, %s, %s, 0, 0, 'go', %s FROM r",
        version, count, action, position, position, version, scope,
    )  # fmt: skip


def fill_events(database: Database, count: int, key: str = "go") -> None:
    """Events that were delivered."""
    database.query(
        "INSERT INTO plait.event (id, created_at, position, key, payload) "
        "SELECT uuidv7(), plait.now(), nextval('plait.position'), %s, '{}' FROM generate_series(1, %s)",
        key,
        count,
    )


async def push(driver: Driver, *keys: str, scope: str | None = None) -> list[Any]:
    ids, nothing = [new_run_id() for _ in keys], [None] * len(keys)
    await driver.run("push_events", ids, list(keys), [b'{"x": 0}'] * len(keys), nothing, [scope] * len(keys), nothing)
    return ids


async def park(driver: Driver, *keys: str, sleep_us: int | None = None) -> Any:
    """A run whose task is parked for events of these keys. Returns what was claimed."""
    [run_id] = await driver.start(1)
    [held] = [one for one in await driver.claim("waits") if one.run.id == run_id]
    wanted = json.dumps([[number, key, None] for number, key in enumerate(keys)])
    await driver.run(
        "park_tasks", driver.id, [held.run.id], [0], [held.attempt], [driver.version.id], [-1], [sleep_us], [0], ["{}"],
        [wanted],
    )  # fmt: skip
    return held


async def read_unseen(driver: Driver, held: Any, *keys: str) -> list[str]:
    """The keys of the events that the judge of a task would look at now."""
    [seen] = await driver.run("read_waits", [held.run.id], [0])
    asked = ([json.dumps(keys)], [seen["events_from"]], [seen["position"]])
    return [row["key"] for row in await driver.run("read_events_since", *asked, True, 200, 1 << 20)]


async def count_delivery(driver: Driver, events: list[Any], heard: list[Any], scope: str = "", **options: Any) -> int:
    """What finding out who listens, and delivering, read."""
    listeners = await count_reads(driver, "read_listeners", ["go"], [scope])
    columns = [list(column) for column in zip(*heard, strict=True)] or [[] for _ in range(5)]
    most = options.get("most", 100)
    delivered = await count_reads(driver, "deliver_events", events, most, [], [], [], [], [], *columns)
    return listeners[1] + delivered[1]


@pytest.mark.parametrize("why", ["its expression", "its scope", "it has looked"])
async def test_an_event_that_concerns_none_of_many_tasks_reads_none_of_them(
    database: Database, open_driver: OpenDriver, why: str
) -> None:
    driver = await open_driver(waits_for("go"))
    await driver.deliver(await push(driver, "go"))  # plans are made
    heard = [("go", "", driver.version.id, 0, None)] if why == "its expression" else []
    scope = "acme" if why == "its scope" else ""
    fill_waiting(database, driver, MANY, scope=scope, position=1 << 40 if why == "it has looked" else 0)
    events = await push(driver, "go", scope="other" if scope else None)
    assert await count_delivery(driver, events, heard, "other" if scope else "") <= FEW_READ
    assert database.count("waiting") == MANY
    assert database.count("delivery") == 0


async def test_an_event_that_wakes_one_task_reads_none_of_the_many_of_other_versions(
    database: Database, open_driver: OpenDriver
) -> None:
    driver, other = await open_driver(waits_for("go", "false")), await open_driver(waits_for("go", name="another"))
    await driver.deliver(await push(driver, "go"))
    fill_waiting(database, driver, MANY)
    fill_waiting(database, other, 1)
    events = await push(driver, "go")
    assert await count_delivery(driver, events, [("go", "", driver.version.id, 0, None)]) <= FEW_READ
    assert database.count("ready") == 1
    assert database.count("waiting") == MANY
    assert database.count("delivery") == 0


async def test_waking_many_reads_what_it_wakes_in_commits_of_a_bounded_size(
    database: Database, open_driver: OpenDriver
) -> None:
    driver = await open_driver(waits_for("go"))
    await driver.deliver(await push(driver, "go"))
    await driver.run("continue_deliveries", 1000)
    fill_waiting(database, driver, MANY)
    reads = [await count_delivery(driver, await push(driver, "go"), [], most=100)]
    woken = [database.count("ready")]
    while database.count("delivery"):
        reads.append((await count_reads(driver, "continue_deliveries", 2000))[1])
        woken.append(database.count("ready") - sum(woken))
    assert woken == [100, *[2000] * 9, 1900]
    assert all(read <= READ_PER_WOKEN * count + FEW_READ for read, count in zip(reads, woken, strict=True)), reads


async def test_while_many_are_woken_others_are_parked_and_other_events_delivered(
    database: Database, open_driver: OpenDriver
) -> None:
    waker, other = await open_driver(waits_for("go")), await open_driver(waits_for("other", name="another"))
    fill_waiting(database, waker, 1000)
    assert not (await waker.deliver(await push(waker, "go"), most=10))["complete"]
    async with waker.connection.transaction():
        [page] = await waker.run("continue_deliveries", 500)
        assert page["woken"] == 500
        async with asyncio.timeout(20):
            held = await park(other, "other")
            assert await park(other, "go")
            assert (await other.deliver(await push(other, "other")))["woken"] == 1
    assert database.count("ready", f"run_id = '{held.run.id}'") == 1


async def test_a_second_event_wakes_who_came_to_wait_while_the_first_was_still_waking_others(
    database: Database, open_driver: OpenDriver
) -> None:
    driver = await open_driver(waits_for("go"))
    fill_waiting(database, driver, 50)
    assert not (await driver.deliver(await push(driver, "go"), most=10))["complete"]
    held = await park(driver, "go")  # it was triggered after the first
    assert not (await driver.deliver(await push(driver, "go"), most=10))["complete"]
    while database.count("delivery"):
        await driver.run("continue_deliveries", 10)
    assert database.count("waiting") == 0
    assert await read_unseen(driver, held, "go") == ["go"]


async def test_who_begins_to_wait_while_others_are_still_to_be_woken_is_not_woken_with_them(
    database: Database, open_driver: OpenDriver
) -> None:
    """It would be woken, judged and parked again all that time."""
    driver = await open_driver(waits_for("go"))
    fill_waiting(database, driver, 50)
    assert not (await driver.deliver(await push(driver, "go"), most=10))["complete"]
    held = await park(driver, "go")
    while database.count("delivery"):
        await driver.run("continue_deliveries", 10)
    assert database.query("SELECT run_id FROM plait.waiting") == [(held.run.id,)]


# what a woken task looks at


@pytest.mark.parametrize("woken_by", ["an event", "what is left of a delivery", "its time"])
async def test_a_task_that_is_woken_does_not_read_the_many_events_that_did_not_concern_it(
    database: Database, open_driver: OpenDriver, woken_by: str
) -> None:
    driver = await open_driver(waits_for("go"))
    held = await park(driver, "go", sleep_us=0 if woken_by == "its time" else None)
    fill_events(database, MANY)
    expected = []
    if woken_by == "its time":
        await driver.run("wake_tasks", 10)
    else:
        fill_waiting(database, driver, 10)
        await driver.deliver(await push(driver, "go"), most=1 if woken_by == "what is left of a delivery" else 100)
        while database.count("delivery"):
            await driver.run("continue_deliveries", 1)
        expected = ["go"]
    assert database.count("waiting") == 0
    assert await read_unseen(driver, held, "go") == expected


async def test_a_task_that_one_event_wakes_sees_another_that_was_still_to_wake_it(
    database: Database, open_driver: OpenDriver
) -> None:
    driver = await open_driver(waits_for("go"))
    fill_waiting(database, driver, 50)
    held = await park(driver, "go", "stop")
    await driver.deliver(await push(driver, "go"), most=10)
    assert (await driver.deliver(await push(driver, "stop"), most=10))["woken"] == 1
    assert database.count("ready", f"run_id = '{held.run.id}'") == 1
    assert await read_unseen(driver, held, "go", "stop") == ["go", "stop"]


@pytest.mark.parametrize("moment", ["in the inbox", "being delivered", "still to wake it"])
async def test_a_task_whose_time_has_come_sees_an_event_that_was_under_way(
    database: Database, open_driver: OpenDriver, moment: str
) -> None:
    driver, other = await open_driver(waits_for("go")), await open_driver(waits_for("go"))
    fill_waiting(database, driver, 50)
    held = await park(driver, "go", sleep_us=0)
    events = await push(driver, "go")
    delivery = other.connection.transaction()
    await delivery.start()
    if moment != "in the inbox":
        await other.deliver(events, most=10)
    if moment == "still to wake it":
        await delivery.commit()
    assert (await driver.run("wake_tasks", 10))[0]["moved"] == 1
    if moment == "in the inbox":
        await other.deliver(events, most=10)
    if moment != "still to wake it":
        await delivery.commit()
    assert await read_unseen(driver, held, "go") == ["go"]


# who delivers


async def test_a_round_wakes_a_page_of_many_and_then_the_next_event_has_its_turn(
    database: Database, open_driver: OpenDriver, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverers, "WOKEN_AT_ONCE", 10)
    monkeypatch.setattr(deliverers, "WOKEN_LATER", 10)
    driver, other = await open_driver(waits_for("go")), await open_driver(waits_for("other", name="another"))
    fill_waiting(database, driver, 1000)
    evaluator = Evaluator()
    service = Deliverer(driver.store, hub, evaluator)
    await push(driver, "go")
    await service.run_once()
    held = await park(other, "other")
    await push(other, "other")
    await service.run_once()
    assert database.count("ready", f"run_id = '{held.run.id}'") == 1
    assert database.count("waiting") >= 950
    while await service.run_once() == 0.0:
        pass
    assert (database.count("waiting"), database.count("delivery")) == (0, 0)
    await evaluator.close()


async def test_a_new_leader_goes_on_with_what_another_left(
    database: Database, open_driver: OpenDriver, hub: Hub
) -> None:
    driver = await open_driver(waits_for("go"))
    fill_waiting(database, driver, 50)
    await driver.deliver(await push(driver, "go"), most=10)
    evaluator = Evaluator()
    await Deliverer(driver.store, hub, evaluator).run_once()
    assert (database.count("waiting"), database.count("delivery")) == (0, 0)
    await evaluator.close()


async def test_a_round_asks_once_what_expressions_say_about_its_events(
    database: Database, open_driver: OpenDriver, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    evaluate = Evaluator.evaluate

    async def count(self: Evaluator, questions: Any) -> Any:
        calls.append(len(questions))
        return await evaluate(self, questions)

    monkeypatch.setattr(Evaluator, "evaluate", count)
    driver = await open_driver(waits_for("go", "input.x == 1"))
    fill_waiting(database, driver, 10)
    await push(driver, *["go"] * 50)
    evaluator = Evaluator()
    await Deliverer(driver.store, hub, evaluator).run_once()
    assert calls == [50]
    assert database.count("waiting") == 10
    await evaluator.close()


# who looks


def test_a_task_with_many_events_to_look_at_does_not_hold_up_others(
    plait: Plait, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one reads 300 events one by one; the other, claimed with it, has run long before that."""
    monkeypatch.setattr(conditions, "EVENTS_PAGE", 1)
    looks: list[str] = []
    read = EventStore.read_since

    async def note(self: EventStore, questions: Any, *arguments: Any, **options: Any) -> Any:
        looks.extend(keys for keys, _, _ in questions)
        return await read(self, questions, *arguments, **options)

    monkeypatch.setattr(EventStore, "read_since", note)
    ran: list[int] = []

    @plait.task(wait_for=[UserEventCondition("busy", "input.x == 1")])
    async def patient(input: EmptyModel, ctx: Context) -> int:
        return 1

    @plait.task(wait_for=[UserEventCondition("quiet")])
    async def brief(input: EmptyModel, ctx: Context) -> int:
        ran.append(looks.count('["busy"]'))
        return 2

    first, second = patient.run_no_wait(), brief.run_no_wait()
    fill_events(database, 300, "busy")
    fill_events(database, 1, "quiet")
    work(patient, brief)
    assert second.result(20) == 2
    assert ran[0] <= 2 * conditions.PAGES
    eventually(lambda: looks.count('["busy"]') >= 300, "the other is through")
    plait.event.push("busy", {"x": 1})
    assert first.result(20) == 1
