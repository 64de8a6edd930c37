"""``plait.filters``: filters of events that are made, changed and deleted at run time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from plait import Context, DefaultFilter, EmptyModel, InvalidInputError, Plait
from plait.client import get_access
from plait.errors import InvalidValueError, NotFoundError
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]


@pytest.fixture
def orders(plait: Plait) -> Any:
    @plait.task(name="orders", on_events=["order"])
    def orders(input: EmptyModel, ctx: Context) -> Any:
        return ctx.filter_payload

    return orders


@pytest.fixture
def known(orders: Any, plait: Plait) -> Any:
    """The workflow, known to the database but served by nobody."""
    get_access(plait).portal.call(_register(plait, orders))
    return orders


async def _register(plait: Plait, workflow: Any) -> None:
    await (await get_access(plait).open_engine()).versions.register(workflow.definition)


def test_a_filter_decides_which_events_start_a_run(plait: Plait, orders: Any, work: Work) -> None:
    work()
    made = plait.filters.create("orders", "input.amount > payload.least", "shop", {"least": 10})
    refused = plait.event.push("order", {"amount": 5}, scope="shop")
    passed = plait.event.push("order", {"amount": 50}, scope="shop")

    def list_runs(event: Any) -> Any:
        return plait.runs.list_triggered(event.event_id)

    [run] = eventually(lambda: list_runs(passed), "the event started a run")
    assert list_runs(refused) == []  # delivered earlier: events are delivered in order
    assert plait.runs.get_run_ref(run.workflow_run_id).result(20) == {"orders": {"least": 10}}

    plait.filters.delete(made.filter_id)
    again = plait.event.push("order", {"amount": 5}, scope="shop")
    eventually(lambda: list_runs(again), "without a filter every event starts a run")


def test_a_filter_is_read_changed_and_deleted(plait: Plait, known: Any, database: Database) -> None:
    made = plait.filters.create("orders", "input.a == 1", "one")
    assert (made.workflow_name, made.scope, made.payload, made.declared) == ("orders", "one", {}, False)
    assert plait.filters.get(made.filter_id) == made
    changed = plait.filters.update(made.filter_id, expression="input.a == 2", payload={"b": [1, None]})
    assert (changed.expression, changed.scope, changed.payload) == ("input.a == 2", "one", {"b": [1, None]})
    moved = plait.filters.update(made.filter_id, scope="two")
    assert (moved.expression, moved.scope, moved.payload) == ("input.a == 2", "two", {"b": [1, None]})
    assert plait.filters.update(made.filter_id, payload={}).payload == {}
    plait.filters.delete(made.filter_id)
    assert database.count("filter") == 0
    for ask in (plait.filters.get, plait.filters.delete, lambda id: plait.filters.update(id, scope="x")):
        with pytest.raises(NotFoundError, match="no filter"):
            ask(made.filter_id)


def test_a_list_chooses_by_workflow_and_scope_and_pages(plait: Plait, known: Any) -> None:
    @plait.task(name="mails")
    def mails(input: EmptyModel, ctx: Context) -> None: ...

    mails.run_no_wait()
    made = [
        plait.filters.create(workflow, "true", scope).filter_id
        for workflow in ("orders", "mails")
        for scope in ("a", "b")
    ]

    def find(**options: Any) -> list[str]:
        return [one.filter_id for one in plait.filters.list(**options)]

    assert find() == made
    assert find(workflow_names=["mails"]) == made[2:]
    assert find(scopes=["b"]) == [made[1], made[3]]
    assert find(workflow_names=["orders", "mails"], scopes=["a"]) == [made[0], made[2]]
    assert find(workflow_names=[]) == []
    assert find(limit=3) == made[:3]
    assert find(limit=3, after=made[2]) == made[3:]


def test_a_declared_filter_is_listed_and_cannot_be_changed_here(plait: Plait, work: Work, database: Database) -> None:
    @plait.task(name="w", on_events=["e"], default_filters=[DefaultFilter("true", "s", {"p": 1})])
    def w(input: EmptyModel, ctx: Context) -> None: ...

    work()
    [declared] = plait.filters.list()
    assert (declared.declared, declared.payload) == (True, {"p": 1})
    with pytest.raises(InvalidInputError, match=r"declared with workflow 'w'.*change it there, in default_filters"):
        plait.filters.update(declared.filter_id, expression="false")
    with pytest.raises(InvalidInputError, match="remove it there"):
        plait.filters.delete(declared.filter_id)
    assert plait.filters.list() == [declared]


async def test_every_method_works_from_a_loop(plait: Plait, orders: Any) -> None:
    await _start(orders)
    made = await plait.filters.aio_create("orders", "true", "s")
    assert await plait.filters.aio_get(made.filter_id) == made
    assert (await plait.filters.aio_update(made.filter_id, scope="t")).scope == "t"
    assert len(await plait.filters.aio_list()) == 1
    await plait.filters.aio_delete(made.filter_id)
    assert await plait.filters.aio_list() == []


async def _start(workflow: Any) -> None:
    await workflow.aio_run_no_wait()


def test_a_filter_of_an_unknown_workflow_is_refused(plait: Plait, known: Any, database: Database) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'orders'"):
        plait.filters.create("order", "true", "s")
    assert database.count("filter") == 0


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


cycle: dict[str, Any] = {}
cycle["self"] = cycle
deep: Any = {}
for _ in range(1000):
    deep = {"d": deep}

BAD = [
    {"expression": ""},
    {"expression": "input.a =="},
    {"expression": "imput.a"},
    {"expression": "output.a == 1"},
    {"expression": "1 + 1"},
    {"expression": "input.a == '\ud800'"},
    {"expression": "input.a == '\0'"},
    {"expression": 7},
    {"expression": "input.a == 1 || " * 1000 + "true"},
    {"scope": ""},
    {"scope": " "},
    {"scope": "nul \0"},
    {"scope": "\ud800"},
    {"scope": "s" * 8192},
    {"scope": 7},
    {"payload": ["no object"]},
    {"payload": "text"},
    {"payload": {"a": float("nan")}},
    {"payload": {"a": "\0"}},
    {"payload": {"\ud800": 1}},
    {"payload": {"a": b"\xff"}},
    {"payload": {"a": 10**5000}},
    {"payload": {"a": Hostile()}},
    {"payload": {1: 2}},
    {"payload": cycle},
    {"payload": deep},
    {"payload": {"a": "x" * 70_000}},
]


@pytest.mark.parametrize("bad", BAD, ids=[str(number) for number in range(len(BAD))])
def test_a_bad_filter_is_refused_and_nothing_is_stored(
    plait: Plait, known: Any, database: Database, bad: dict[str, Any]
) -> None:
    with pytest.raises(InvalidValueError, match=f"filter: {next(iter(bad))}"):
        plait.filters.create("orders", **{"expression": "true", "scope": "s", **bad})
    assert database.count("filter") == 0
    good = plait.filters.create("orders", "true", "s")
    with pytest.raises(InvalidValueError, match=f"filter: {next(iter(bad))}"):
        plait.filters.update(good.filter_id, **bad)
    assert plait.filters.list() == [good]


def test_a_bad_question_is_refused(plait: Plait) -> None:
    questions: list[Callable[[], Any]] = [
        lambda: plait.filters.get("no-id"),
        lambda: plait.filters.update(str(uuid4())),
        lambda: plait.filters.list(workflow_names="orders"),
        lambda: plait.filters.list(scopes=["\0"]),
        lambda: plait.filters.list(scopes=[None]),  # type: ignore[list-item]
        lambda: plait.filters.list(limit=0),
        lambda: plait.filters.list(after="x"),
        lambda: plait.filters.create("", "true", "s"),
        lambda: plait.filters.create("\0", "true", "s"),
    ]
    for ask in questions:
        with pytest.raises(InvalidInputError):
            ask()
