"""Which events start a workflow: ``on_events`` and ``default_filters`` as they are declared."""

from __future__ import annotations

import re
from typing import Any

import pytest

from plait import DefaultFilter
from plait.declaration.declarations import Declarations
from plait.errors import DefinitionError
from plait.graph.definition import FilterDefinition


def body(input: Any, ctx: Any) -> None: ...


EVERYTHING = "input.n > payload.n && metadata.a == additional_metadata.a"


def test_events_and_filters_of_a_workflow_stand_in_its_definition(plait: Declarations) -> None:
    workflow = plait.workflow(
        name="W",
        on_events=["user:created", "order:*"],
        default_filters=[DefaultFilter(EVERYTHING, "s", {"n": 1, "b": [None], "a": "é"}), DefaultFilter("true", "t")],
    )
    workflow.task("a")(body)
    assert workflow.definition.on_events == workflow.on_events == ("user:created", "order:*")
    assert workflow.definition.filters == (
        FilterDefinition(expression=EVERYTHING, scope="s", payload='{"a":"\\u00e9","b":[null],"n":1}'),
        FilterDefinition(expression="true", scope="t", payload="{}"),
    )


def test_a_standalone_has_them_too(plait: Declarations) -> None:
    standalone = plait.task("s", on_events=["a"], default_filters=[DefaultFilter(expression="true", scope="t")])(body)
    assert standalone.definition.on_events == ("a",)
    assert standalone.definition.filters == (FilterDefinition(expression="true", scope="t", payload="{}"),)


def test_a_workflow_has_none_unless_given(plait: Declarations) -> None:
    workflow = plait.workflow(name="W", on_events=None, default_filters=[])
    workflow.task("a")(body)
    assert (workflow.definition.on_events, workflow.definition.filters) == ((), ())


def test_the_order_of_the_fields_of_a_payload_does_not_make_another_version(plait: Declarations) -> None:
    digests = set()
    for payload in ({"a": 1, "b": 2}, {"b": 2, "a": 1}):
        workflow = Declarations().workflow(
            name="W", on_events=["e"], default_filters=[DefaultFilter("true", "s", payload)]
        )
        workflow.task("a")(body)
        digests.add(workflow.definition.digest)
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"on_events": "user:created"},
            "on_events is 'user:created': give a list of event keys, e.g. ['user:created']",
        ),
        ({"on_events": {"a"}}, "on_events is {'a'}: give a list"),
        ({"on_events": [5]}, "on_events: event key is 5: give a str"),
        ({"on_events": [""]}, "on_events: event key is empty"),
        ({"on_events": ["x" * 501]}, "has 501 characters: shorten it to at most 500"),
        ({"on_events": ["a\ud800"]}, "holds the lone surrogate U+D800"),
        ({"on_events": ["a", "b", "a"]}, "on_events holds 'a' twice, remove one"),
        (
            {"default_filters": [DefaultFilter("true", "s")]},
            "has default_filters, but no event starts it: set on_events",
        ),
        ({"default_filters": DefaultFilter("true", "s")}, "give a list of DefaultFilter(...)"),
        ({"default_filters": "true"}, "default_filters is 'true': give a list"),
        ({"default_filters": ["true"]}, "default_filters holds 'true': give DefaultFilter(expression, scope)"),
        ({"default_filters": [DefaultFilter("true", "")]}, "default_filters: scope is empty"),
        ({"default_filters": [DefaultFilter("true", None)]}, "scope is None: give a str"),  # type: ignore[arg-type]
        ({"default_filters": [DefaultFilter("", "s")]}, "expression is empty"),
        (
            {"default_filters": [DefaultFilter("ouput.a", "s")]},
            "uses 'ouput', which does not exist",
        ),
        ({"default_filters": [DefaultFilter("true", "s", {"a": float("nan")})]}, "payload.a is NaN"),
        ({"default_filters": [DefaultFilter("true", "s", [1])]}, "payload"),  # type: ignore[arg-type]
        ({"default_filters": [DefaultFilter("true", "s", {"a": "x" * 70_000})]}, "the limit is 65,536"),
    ],
)
def test_what_is_wrong_is_refused_with_a_reason(plait: Declarations, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(problem)) as caught:
        plait.workflow(name="W", **options)
    assert str(caught.value).startswith("workflow 'W'")
