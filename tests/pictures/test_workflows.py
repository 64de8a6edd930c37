"""Declared workflows draw themselves."""

from __future__ import annotations

import re

import pytest

from plait import Context, DefinitionError, EmptyModel, Plait, SleepCondition, UserEventCondition, or_
from plait.errors import InvalidInputError


def declare(client: Plait, name: str = "Orders"):  # type: ignore[no-untyped-def]
    flow = client.workflow(name=name)

    @flow.task()
    def charge(input: EmptyModel, ctx: Context) -> int:
        return 1

    @flow.task(parents=[charge], wait_for=[or_(UserEventCondition("paid"), SleepCondition("3d"))])
    def ship(input: EmptyModel, ctx: Context) -> int:
        return 1

    return flow


def test_a_workflow_is_drawn_with_its_conditions() -> None:
    flow = declare(Plait())
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", flow.to_svg())
    assert texts == ["charge", "ship", "waits for event &#x27;paid&#x27; or 3 d after its", "parents"]
    assert "charge leads to ship." in flow.to_svg()
    assert "waits for event 'paid' or 3 d after its parents" in flow.to_mermaid("TB")
    assert flow.to_svg("TB", theme="dark") != flow.to_svg()


def test_notebooks_get_a_picture() -> None:
    flow = declare(Plait())
    assert flow._repr_svg_() == flow.to_svg()
    assert flow.to_svg() in flow._repr_html_()


def test_looking_does_not_freeze_the_workflow() -> None:
    client = Plait()
    flow = client.workflow(name="Growing")
    assert "no tasks yet" in flow.to_svg()
    assert flow.to_mermaid().startswith("flowchart LR")

    @flow.task()
    def first(input: EmptyModel, ctx: Context) -> int:
        return 1

    assert flow.to_svg().count("<rect") == 1

    @flow.task(parents=[first])
    def second(input: EmptyModel, ctx: Context) -> int:
        return 1

    assert flow.to_svg().count("<rect") == 2
    assert [task.name for task in flow.definition.tasks] == ["first", "second"]


def test_a_standalone_task_is_drawn_too() -> None:
    @Plait().task(name="hello")
    def hello(input: EmptyModel, ctx: Context) -> int:
        return 1

    assert hello.to_mermaid().split("\n")[2] == '    t0("hello")'
    assert "<svg" in hello._repr_html_()


def test_a_wrong_graph_is_an_error_where_it_is_asked_for_and_no_picture_in_a_notebook() -> None:
    flow = Plait().workflow(name="Hooked")

    @flow.on_failure_task()
    def tell(input: EmptyModel, ctx: Context) -> int:
        return 1

    with pytest.raises(DefinitionError, match="has no tasks"):
        flow.to_svg()
    assert flow._repr_svg_() is None
    assert flow._repr_html_() is None


@pytest.mark.parametrize("fold", [-1, True, "many"])
def test_a_wrong_fold_is_named(fold: object) -> None:
    with pytest.raises(InvalidInputError, match=r"workflow 'Orders': fold is .*: give a number of tasks, 0 for none"):
        declare(Plait()).to_svg(fold=fold)


def test_a_graph_that_a_notebook_would_stand_still_over_is_drawn_only_when_asked() -> None:
    flow = Plait().workflow(name="Chain")
    last = None
    for number in range(1_001):
        last = flow.task(name=f"t{number}", parents=[last] if last else [])(lambda input, ctx: None)
    assert flow._repr_svg_() is None
    assert flow._repr_html_() is None
    assert flow.to_svg().count("<rect") == 1_001
