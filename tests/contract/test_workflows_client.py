"""``plait.workflows``: what the database knows of workflows, whoever declared them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from plait import (
    Context,
    DefaultFilter,
    EmptyModel,
    InvalidInputError,
    ParentCondition,
    Plait,
    SleepCondition,
    UserEventCondition,
    or_,
)
from plait.errors import NotFoundError, OperationError
from support.database import Database

Work = Callable[..., Any]


class Order(BaseModel):
    amount: int


def declare(plait: Plait, name: str) -> Any:
    @plait.task(name=name)
    def task(input: EmptyModel, ctx: Context) -> None: ...

    return task


@pytest.fixture
def orders(plait: Plait) -> Any:
    """A workflow with everything that details show."""
    orders = plait.workflow(
        name="orders",
        description="Ships what was ordered.",
        input_validator=Order,
        default_priority=2,
        on_events=["order:*"],
        default_filters=[DefaultFilter("input.amount > payload.least", "shop", {"least": 10})],
    )

    @orders.task(retries=2, backoff_factor=2.0, execution_timeout=timedelta(minutes=5))
    def check(input: Order, ctx: Context) -> dict[str, Any]:
        return {"ok": True}

    @orders.task(
        parents=[check],
        wait_for=[or_(UserEventCondition("paid", "input.amount > 1"), SleepCondition("1h"))],
        skip_if=[ParentCondition(check, "!output.ok")],
    )
    def ship(input: Order, ctx: Context) -> None: ...

    @orders.on_failure_task()
    def mourn(input: Order, ctx: Context) -> None: ...

    return orders


def test_details_show_tasks_conditions_events_filters_and_the_schema(plait: Plait, orders: Any, work: Work) -> None:
    work()
    found = plait.workflows.get("orders")
    assert (found.description, found.default_priority, found.on_events) == ("Ships what was ordered.", 2, ("order:*",))
    assert found.input_schema is not None
    assert found.input_schema["required"] == ["amount"]
    assert [(task.name, task.kind, task.parents) for task in found.tasks] == [
        ("check", "task", ()),
        ("ship", "task", ("check",)),
        ("mourn", "on_failure", ("ship",)),
    ]
    check, ship, _ = found.tasks
    assert (check.retries, check.backoff_factor, check.execution_timeout) == (2, 2.0, 300.0)
    assert (check.wait_for, check.skip_if, check.cancel_if) == (None, None, None)
    assert ship.wait_for == "event 'paid' where input.amount > 1 or 1 h after its parents"
    assert ship.skip_if == "parent 'check': !output.ok"
    [rule] = found.filters
    assert (rule.scope, rule.expression, rule.payload) == ("shop", "input.amount > payload.least", {"least": 10})
    assert found.served_at is not None
    assert found.created_at <= found.served_at


def test_a_list_is_in_order_of_names_and_pages_by_name(plait: Plait, work: Work) -> None:
    for name in ("delta", "alpha", "Charlie", "bravo", "echo"):
        declare(plait, name)
    assert plait.workflows.list() == []
    work()
    everything = [workflow.name for workflow in plait.workflows.list()]
    assert sorted(everything) == sorted(["alpha", "bravo", "Charlie", "delta", "echo"])
    first = plait.workflows.list(limit=2)
    second = plait.workflows.list(limit=2, after=first[-1].name)
    third = plait.workflows.list(limit=2, after=second[-1].name)
    assert [workflow.name for workflow in (*first, *second, *third)] == everything
    assert plait.workflows.list(after=everything[-1]) == []


def test_a_list_finds_names_by_a_part_of_them_in_capitals_or_not(plait: Plait, work: Work) -> None:
    for name in ("load-orders", "OrderMail", "invoices", "100%_done"):
        declare(plait, name)
    work()

    def find(part: str, **options: Any) -> set[str]:
        return {workflow.name for workflow in plait.workflows.list(name_contains=part, **options)}

    assert find("order") == {"load-orders", "OrderMail"}
    assert find("%") == {"100%_done"}
    assert find("nothing") == set()
    [only] = plait.workflows.list(name_contains="order", limit=1)
    assert find("order", after=only.name) == {"load-orders", "OrderMail"} - {only.name}


def test_a_workflow_that_only_ran_is_known_but_not_served(plait: Plait) -> None:
    declare(plait, "lonely").run_no_wait()
    [found] = plait.workflows.list()
    assert (found.name, found.task_count, found.served_at) == ("lonely", 1, None)
    assert plait.workflows.get("lonely").served_at is None


def test_the_served_version_is_shown_even_when_a_newer_one_is_stored(
    database: Database, plait: Plait, work: Work
) -> None:
    declare(plait, "w")
    work()
    newer = Plait(database.url)
    try:
        flow = newer.workflow(name="w")

        @flow.task()
        def other(input: EmptyModel, ctx: Context) -> None: ...

        flow.run_no_wait()
        [old] = plait.workflows.get("w").tasks
        assert old.name == "w"
        assert [version.served_at is not None for version in plait.workflows.list_versions("w")] == [False, True]
        newest, served = plait.workflows.list_versions("w")
        assert newest.id > served.id
        assert plait.workflows.get_version(newest.id).tasks[0].name == "other"
        assert plait.workflows.get_version(newest.id).served_at is None
        assert plait.workflows.get_version("w") == plait.workflows.get("w")
        assert [version.id for version in plait.workflows.list_versions("w", limit=1)] == [newest.id]
        before = plait.workflows.list_versions("w", before=newest.id)
        assert [version.id for version in before] == [served.id]
    finally:
        newer.close()


async def test_every_question_can_be_asked_from_a_loop(plait: Plait) -> None:
    declare(plait, "w").run_no_wait()
    [summary] = await plait.workflows.aio_list()
    assert (await plait.workflows.aio_get("w")).version_id == summary.version_id
    assert (await plait.workflows.aio_get_version(summary.version_id)).name == "w"
    assert len(await plait.workflows.aio_list_versions("w")) == 1


def test_an_unknown_name_is_answered_with_the_nearest_one(plait: Plait) -> None:
    declare(plait, "DocumentPipeline").run_no_wait()
    for ask in (plait.workflows.get, plait.workflows.list_versions, plait.workflows.get_version):
        with pytest.raises(NotFoundError, match=r"'DocumentPipelines' \(did you mean 'DocumentPipeline'\?\)"):
            ask("DocumentPipelines")
    with pytest.raises(NotFoundError, match="no workflow version 4711"):
        plait.workflows.get_version(4711)


def test_a_version_of_a_newer_plait_is_listed_and_its_details_say_so(plait: Plait, database: Database) -> None:
    declare(plait, "w").run_no_wait()
    strange = '[[{"kind": "moon"}]]'
    database.query(
        "UPDATE plait.workflow_version SET definition = jsonb_set(definition::jsonb, '{tasks,0,wait_for}', %s)::text",
        strange,
    )
    assert [workflow.name for workflow in plait.workflows.list()] == ["w"]
    with pytest.raises(OperationError, match="newer Plait"):
        plait.workflows.get("w")


@pytest.mark.parametrize(
    "ask",
    [
        lambda plait: plait.workflows.get(""),
        lambda plait: plait.workflows.get("nul \0"),
        lambda plait: plait.workflows.get("lone \ud800"),
        lambda plait: plait.workflows.get("x" * 8192),
        lambda plait: plait.workflows.get(None),
        lambda plait: plait.workflows.get_version(0),
        lambda plait: plait.workflows.get_version(2**40),
        lambda plait: plait.workflows.get_version(True),
        lambda plait: plait.workflows.get_version(1.5),
        lambda plait: plait.workflows.list(limit=0),
        lambda plait: plait.workflows.list(limit=1001),
        lambda plait: plait.workflows.list(limit="all"),
        lambda plait: plait.workflows.list(after="\0"),
        lambda plait: plait.workflows.list(name_contains="\ud800"),
        lambda plait: plait.workflows.list(name_contains=7),
    ],
)
def test_a_bad_question_is_refused(plait: Plait, ask: Callable[[Plait], Any]) -> None:
    with pytest.raises(InvalidInputError):
        ask(plait)
