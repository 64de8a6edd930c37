"""``mock_run``: one body, without a database, under the rules of production."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from unittest.mock import MagicMock

import pytest
from pydantic import BaseModel

from plait import (
    Context,
    DefinitionError,
    Depends,
    EmptyModel,
    InvalidInputError,
    Plait,
    RunCancelledError,
    Workflow,
)
from plait.errors import InvalidOutputError
from plait.testing import SKIPPED, make_context

plait = Plait()


class Order(BaseModel):
    amount: int


@dataclass
class Price:
    net: int
    gross: int | None = None


shop = plait.workflow(name="Shop", input_validator=Order, default_additional_metadata={"shop": 1})


@shop.task(retries=4)
def price(input: Order, ctx: Context) -> Price:
    return Price(net=input.amount * 10 + ctx.retry_count)


@shop.task()
async def tax(input: Order, ctx: Context) -> float:
    return 0.5


@shop.task(parents=[price, tax])
async def total(input: Order, ctx: Context) -> float:
    await asyncio.sleep(0)
    net = ctx.task_output(price).net
    return float(net) if ctx.was_skipped(tax) else net * (1 + ctx.task_output(tax))


@shop.on_failure_task()
def report(input: Order, ctx: Context) -> dict[str, str]:
    error = ctx.get_task_run_error(price)
    return {"price": str(error), "all": ",".join(ctx.task_run_errors)}


def test_the_output_has_the_type_of_the_annotation() -> None:
    assert price.mock_run(Order(amount=2)) == Price(net=20)


def test_an_input_may_be_a_dict_that_validates() -> None:
    assert price.mock_run({"amount": 2}).net == 20  # type: ignore[arg-type]


@pytest.mark.parametrize("input", [{"amount": "many"}, None, {}])
def test_a_wrong_input_is_refused_as_by_run(input: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"workflow 'Shop': input\.amount"):
        price.mock_run(input)


def test_the_body_gets_an_input_of_its_own() -> None:
    given = Order(amount=1)
    flow: Workflow[Order] = Workflow("W", input_validator=Order)

    @flow.task()
    def change(input: Order, ctx: Context) -> bool:
        input.amount = 99
        return input is given

    assert change.mock_run(given) is False
    assert given.amount == 1


def test_an_async_body_runs_from_sync_code() -> None:
    assert total.mock_run(Order(amount=1), parent_outputs={price: Price(100), tax: 0.5}) == 150.0


async def test_an_async_body_inside_a_running_loop_is_refused_with_the_way_out() -> None:
    with pytest.raises(RuntimeError, match=r"task 'tax' is async def .* `await task.aio_mock_run"):
        tax.mock_run(Order(amount=1))
    assert await tax.aio_mock_run(Order(amount=1)) == 0.5


async def test_a_sync_body_runs_beside_a_running_loop() -> None:
    @plait.task(name="where")
    def where(input: EmptyModel, ctx: Context) -> bool:
        return threading.current_thread() is threading.main_thread()

    assert await where.aio_mock_run() is False
    assert where.mock_run() is True


def test_parents_are_given_by_name_or_task_and_may_be_skipped() -> None:
    assert total.mock_run(Order(amount=1), parent_outputs={"price": Price(7), "tax": SKIPPED}) == 7.0


def test_a_parents_output_is_validated_by_its_annotation() -> None:
    with pytest.raises(InvalidOutputError, match=r"task 'price': output\.net"):
        total.mock_run(Order(amount=1), parent_outputs={price: {"net": "much"}, tax: 0.5})
    with pytest.raises(InvalidOutputError, match=r"task 'tax': output is NaN"):
        total.mock_run(Order(amount=1), parent_outputs={price: Price(1), tax: float("nan")})


def test_a_parent_that_is_left_out_is_named_when_it_is_asked_for() -> None:
    with pytest.raises(DefinitionError, match=r"gives no output of 'tax': pass parent_outputs=\{'tax': \.\.\.\}"):
        total.mock_run(Order(amount=1), parent_outputs={price: Price(1)})
    assert price.mock_run(Order(amount=1)) == Price(10)


def test_what_is_no_parent_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"parent_outputs has 'prise', .*'tax'\) \(did you mean 'price'"):
        total.mock_run(Order(amount=1), parent_outputs={"prise": 1})
    with pytest.raises(DefinitionError, match=r"task 'price': parent_outputs has <Task 'tax'.* its parents \(none\)"):
        price.mock_run(Order(amount=1), parent_outputs={tax: 1})


def test_a_task_all_of_whose_parents_were_skipped_would_not_run() -> None:
    with pytest.raises(DefinitionError, match="it is skipped too"):
        total.mock_run(Order(amount=1), parent_outputs={price: SKIPPED, tax: SKIPPED})


def test_an_output_that_production_refuses_is_refused() -> None:
    @plait.task(name="bad")
    def bad(input: EmptyModel, ctx: Context) -> int:
        return "text"  # type: ignore[return-value]

    with pytest.raises(InvalidOutputError, match="task 'bad': output"):
        bad.mock_run()


def test_the_bodys_own_exception_comes_out_as_it_is() -> None:
    @plait.task(name="raiser")
    async def raiser(input: EmptyModel, ctx: Context) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        raiser.mock_run()


def test_the_context_tells_the_given_facts() -> None:
    @shop_facts.task(retries=2)
    def facts(input: EmptyModel, ctx: Context) -> dict[str, Any]:
        return {
            "retry": (ctx.retry_count, ctx.attempt_number, ctx.max_attempts),
            "metadata": ctx.additional_metadata,
            "priority": ctx.priority,
            "names": (ctx.workflow_name, ctx.task_name, ctx.task_run_id),
            "lifespan": ctx.lifespan["db"],
            "trigger_data": ctx.trigger_data,
            "cancelled": ctx.is_cancelled,
        }

    run_id = "0198c0de-7abc-7def-8123-456789abcdef"
    assert facts.mock_run(
        additional_metadata={"by": "me"},
        retry_count=2,
        lifespan={"db": "pool"},
        trigger_data={"paid": {"amount": 3}},
        priority=3,
        workflow_run_id=run_id,
    ) == {
        "retry": [2, 3, 3],
        "metadata": {"shop": 2, "by": "me"},
        "priority": 3,
        "names": ["Facts", "facts", f"{run_id}:0"],
        "lifespan": "pool",
        "trigger_data": {"paid": {"amount": 3}},
        "cancelled": False,
    }


shop_facts = plait.workflow(name="Facts", default_additional_metadata={"shop": 2})


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"priority": 4}, "priority is 4"),
        ({"retry_count": -1}, "retry_count=-1"),
        ({"additional_metadata": {"x": float("nan")}}, "additional_metadata.x is NaN"),
        ({"workflow_run_id": "seven"}, "'seven' is not a valid run id"),
    ],
)
def test_facts_that_no_run_has_are_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        price.mock_run(Order(amount=1), **facts)


def test_a_failure_hook_sees_the_given_errors() -> None:
    assert report.mock_run(Order(amount=1), errors={price: ValueError("too dear"), "tax": OSError()}) == {
        "price": "task 'price': ValueError: too dear",
        "all": "price,tax",
    }
    with pytest.raises(DefinitionError, match="errors= is for on_failure tasks"):
        price.mock_run(Order(amount=1), errors={tax: OSError()})


def test_what_a_context_can_do_is_harmless(caplog: pytest.LogCaptureFixture) -> None:
    @plait.task(name="busy")
    def busy(input: EmptyModel, ctx: Context) -> str:
        ctx.log("half done")
        ctx.refresh_timeout("10m")
        ctx.release_slot()
        return "done"

    with caplog.at_level(logging.INFO, "plait.task"):
        assert busy.mock_run() == "done"
    assert "half done" in caplog.messages


@pytest.mark.parametrize("is_async", [False, True])
def test_a_body_that_cancels_itself_has_no_output(is_async: bool) -> None:
    went_on = []

    @plait.task(name=f"sync-canceller-{is_async}")
    def quits(input: EmptyModel, ctx: Context) -> str:
        ctx.cancel()
        return "ignored"

    @plait.task(name=f"async-canceller-{is_async}")
    async def aio_quits(input: EmptyModel, ctx: Context) -> str:
        ctx.cancel()
        await asyncio.sleep(0)
        went_on.append(True)
        return "ignored"

    with pytest.raises(RunCancelledError, match=r"called ctx\.cancel"):
        (aio_quits if is_async else quits).mock_run()
    assert not went_on


def test_a_task_is_called_like_the_function_it_is() -> None:
    ctx = make_context(price, Order(amount=5), retry_count=3)
    assert price(ctx.input, ctx) == Price(net=53)
    ctx = make_context(total, Order(amount=5), parent_outputs={price: Price(2), tax: 1.0})
    assert asyncio.run(total(ctx.input, ctx)) == 4.0


@pytest.mark.parametrize("name", [None, "again"])
def test_that_a_task_can_be_called_does_not_make_it_a_function(name: str | None) -> None:
    with pytest.raises(DefinitionError, match="is a task already"):
        plait.task(name=name)(price)
    with pytest.raises(DefinitionError, match="is a task already"):
        Plait().workflow(name="Twice").task(name)(price)


def connect_database(input: Any, ctx: Context) -> str:
    raise AssertionError("the real one")


def open_session(input: Any, ctx: Context, db: Annotated[str, Depends(connect_database)]) -> Iterator[str]:
    yield f"session on {db}"


@plait.task(name="query")
def query(
    input: EmptyModel,
    ctx: Context,
    session: Annotated[str, Depends(open_session)],
    db: Annotated[str, Depends(connect_database)],
) -> str:
    return f"{session}, {db}"


def test_dependencies_are_replaced_by_parameter_or_by_function() -> None:
    assert query.mock_run(dependencies={"session": "s", "db": "d"}) == "s, d"
    assert query.mock_run(dependencies={connect_database: "fake"}) == "session on fake, fake"
    assert query.mock_run(dependencies={open_session: "s", "db": "d"}) == "s, d"
    with pytest.raises(AssertionError, match="the real one"):
        query.mock_run(dependencies={"session": "s"})
    with pytest.raises(DefinitionError, match=r"dependencies has 'sessio', .*'session', 'db'.*did you mean 'session'"):
        query.mock_run(dependencies={"sessio": 1})


def test_a_replacement_is_handed_over_as_it_is() -> None:
    @plait.task(name="raw")
    async def raw(input: EmptyModel, ctx: Context, db: Annotated[Any, Depends(connect_database)]) -> bool:
        return bool(db is fake)

    fake = MagicMock()  # looks like a context manager
    assert raw.mock_run(dependencies={"db": fake}) is True
    fake.__enter__.assert_not_called()


def test_a_standalone_is_mocked_like_its_task() -> None:
    @plait.task(name="double", input_validator=Order)
    def double(input: Order, ctx: Context) -> int:
        return input.amount * 2

    assert double.mock_run(Order(amount=4)) == 8
    assert double(Order(amount=4), make_context(double, Order(amount=4))) == 8


def test_plait_testing_is_imported_by_mock_run_alone() -> None:
    code = (
        "import sys, json\n"
        "from plait import Context, Plait\n"
        "flow = Plait().workflow(name='w')\n"
        "@flow.task()\n"
        "def t(input, ctx: Context): return 1\n"
        "before = [m for m in sys.modules if m.startswith('plait.testing')]\n"
        "assert t.mock_run() == 1\n"
        "print(json.dumps([before, 'plait.declaration.mock' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], True]
