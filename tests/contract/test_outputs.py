"""Outputs reach children and callers, validated by the exact annotation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, Plait
from support.database import Database

Work = Callable[..., Any]


class Cat(BaseModel):
    lives: int


class Dog(BaseModel):
    tricks: list[str]


@dataclass
class Point:
    x: float
    y: float


class Size(TypedDict):
    width: int
    height: int


VALUES: list[tuple[Any, Any]] = [
    (Cat | Dog, Dog(tricks=["roll"])),
    (Cat | Dog, Cat(lives=9)),
    (Cat | None, None),
    (Cat | None, Cat(lives=1)),
    (int | str, "7"),
    (int | str, 7),
    (None, None),
    (Point, Point(1.5, -2.0)),
    (Size, {"width": 1, "height": 2}),
    (dict[str, Point], {"a": Point(0, 1)}),
    (list[Cat | Dog | None], [Cat(lives=2), None, Dog(tricks=[])]),
    (bool, False),
    (float, 0.1),
    (str, "grün \U0001f600 \u2028"),
    (int, 2**200),
    (bytes, b"text"),
]


@pytest.mark.parametrize("mode", ["passed in memory", "read from the database"])
def test_a_child_gets_its_parents_value_of_the_declared_type(
    plait: Plait, work: Work, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = plait.workflow(name="values")
    seen: dict[str, Any] = {}
    for number, (annotation, value) in enumerate(VALUES):
        source = flow.task(name=f"source_{number}")(_make_source(annotation, value))
        flow.task(name=f"sink_{number}", parents=[source])(_make_sink(seen, source))
    if mode == "read from the database":
        # As if another worker had run the parents.
        monkeypatch.setattr("plait.worker.plan._Edges._wants", lambda *_: False)
    work(flow)
    flow.run()
    for number, (_, value) in enumerate(VALUES):
        assert seen[f"source_{number}"] == value
        assert type(seen[f"source_{number}"]) is type(value)


def _make_source(annotation: Any, value: Any) -> Any:
    def produce(input: EmptyModel, ctx: Context) -> Any:
        return value

    produce.__annotations__["return"] = annotation
    return produce


def _make_sink(seen: dict[str, Any], source: Any) -> Any:
    def consume(input: EmptyModel, ctx: Context) -> None:
        seen[source.name] = ctx.task_output(source)

    return consume


@pytest.mark.parametrize(("annotation", "value"), VALUES)
def test_a_standalone_returns_its_value_of_the_declared_type(
    plait: Plait, work: Work, annotation: Any, value: Any
) -> None:
    standalone = plait.task(name="value")(_make_source(annotation, value))
    work(standalone)
    result = standalone.run()
    assert result == value
    assert type(result) is type(value)


def test_run_returns_the_output_of_every_task_as_plain_values(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="plain")

    @flow.task()
    def model(input: EmptyModel, ctx: Context) -> Cat:
        return Cat(lives=9)

    @flow.task()
    async def nothing(input: EmptyModel, ctx: Context) -> None:
        return None

    work(flow)
    assert flow.run() == {"model": {"lives": 9}, "nothing": None}


def test_an_output_that_does_not_fit_its_annotation_fails_the_task_and_names_the_field(
    plait: Plait, work: Work, database: Database
) -> None:
    @plait.task()
    def wrong(input: EmptyModel, ctx: Context) -> Size:
        return {"width": 1, "height": "tall"}  # type: ignore[typeddict-item]

    work(wrong)
    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        wrong.run()
    error = failure.value.exceptions[0]
    assert error.exc_type == "InvalidOutputError"
    assert "output.height" in error.exc
    assert database.count("attempt", "output IS NOT NULL") == 0


def test_each_reader_of_an_output_gets_an_object_of_its_own(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="shared")

    @flow.task()
    def source(input: EmptyModel, ctx: Context) -> list[int]:
        return [1]

    def spoil(input: EmptyModel, ctx: Context) -> int:
        mine = ctx.task_output(source)
        mine.append(2)
        return len(mine)

    flow.task(name="one", parents=[source])(spoil)
    flow.task(name="two", parents=[source])(spoil)
    work(flow)
    assert flow.run() == {"source": [1], "one": 2, "two": 2}


def test_the_output_of_a_task_that_is_no_parent_is_refused(plait: Plait, work: Work) -> None:
    flow = plait.workflow(name="strangers")

    @flow.task()
    def stranger(input: EmptyModel, ctx: Context) -> int:
        return 1

    @flow.task()
    def curious(input: EmptyModel, ctx: Context) -> int:
        return ctx.task_output(stranger)

    work(flow)
    with pytest.raises(FailedTaskRunExceptionGroup, match="'stranger' is not one of its parents"):
        flow.run()


def test_extra_fields_of_an_empty_model_reach_the_task(plait: Plait, work: Work) -> None:
    @plait.task()
    def echo(input: EmptyModel, ctx: Context) -> dict[str, Any]:
        return input.model_dump()

    work(echo)
    assert echo.run(EmptyModel(colour="red", size=3)) == {"colour": "red", "size": 3}  # type: ignore[call-arg]
