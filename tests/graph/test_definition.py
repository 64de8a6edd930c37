"""Definitions as stored text: what is written is read back, and equal graphs keep their identity."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.graph.definition import (
    Condition,
    ConditionKind,
    CronDefinition,
    FilterDefinition,
    TaskDefinition,
    TaskKind,
    WorkflowDefinition,
)

texts = st.text(max_size=5)
options = st.none() | texts
conditions = st.one_of(
    st.builds(Condition, kind=st.just(ConditionKind.SLEEP), seconds=st.floats(0.001, 1e9), data_key=options),
    st.builds(
        Condition,
        kind=st.just(ConditionKind.EVENT),
        event_key=texts,
        scope=options,
        expression=options,
        data_key=options,
    ),
    st.builds(Condition, kind=st.just(ConditionKind.PARENT), parent=st.integers(0, 3), expression=options),
)
groups = st.lists(st.lists(conditions, min_size=1, max_size=3).map(tuple), max_size=3).map(tuple)
tasks = st.builds(
    TaskDefinition,
    name=texts,
    parents=st.lists(st.integers(0, 3), max_size=3).map(tuple),
    kind=st.sampled_from(TaskKind),
    backoff_factor=st.none() | st.floats(0.1, 10),
    schedule_timeout=st.none() | st.floats(0.1, 10),
    wait_for=groups,
    skip_if=groups,
    cancel_if=groups,
)
definitions = st.builds(
    WorkflowDefinition,
    name=texts,
    tasks=st.lists(tasks, max_size=3).map(tuple),
    description=options,
    default_priority=st.integers(1, 3),
    input_schema=st.none() | st.dictionaries(texts, st.booleans(), max_size=2),
    on_events=st.lists(texts, max_size=2).map(tuple),
    filters=st.lists(st.builds(FilterDefinition, expression=texts, scope=texts, payload=texts), max_size=2).map(tuple),
    crons=st.lists(
        st.builds(
            CronDefinition,
            name=texts,
            expression=texts,
            timezone=texts,
            catch_up=texts,
            catch_up_bound_seconds=st.floats(0, 1e6),
            input=texts,
        ),
        max_size=2,
    ).map(tuple),
)


@given(definitions)
def test_what_is_written_is_read_back(definition: WorkflowDefinition) -> None:
    text = definition.to_json()
    again = WorkflowDefinition.from_json(text)
    assert again == definition
    assert again.to_json() == text


def make_plain() -> WorkflowDefinition:
    return WorkflowDefinition(
        "w",
        (
            TaskDefinition(name="a", retries=2, backoff_factor=2.0),
            TaskDefinition(name="b", parents=(0,), schedule_timeout=5.0),
            TaskDefinition(name="cleanup", parents=(1,), kind=TaskKind.ON_FAILURE),
        ),
        description="what it does",
        default_priority=2,
        input_schema={"type": "object", "properties": {}},
    )


def test_the_order_of_the_input_s_fields_is_kept_and_makes_no_other_version() -> None:
    fields = [("zebra", {"type": "string"}), ("ant", {"type": "integer"})]
    first, second = (
        WorkflowDefinition("w", (TaskDefinition(name="a"),), input_schema={"type": "object", "properties": dict(order)})
        for order in (fields, fields[::-1])
    )
    stored = WorkflowDefinition.from_json(first.to_json()).input_schema
    assert stored is not None
    assert list(stored["properties"]) == ["zebra", "ant"]
    assert first.digest == second.digest


def test_a_definition_without_conditions_events_and_crons_keeps_the_digest_it_always_had() -> None:
    """Computed before there were any of these: a new version of Plait must not make new versions of old workflows."""
    assert make_plain().digest == "ab7d20e90a72e8bd686cd7bda34bc03c0af90a3f9042ce1037af73d91094f080"


def test_a_condition_is_stored_without_the_fields_it_does_not_use() -> None:
    task = TaskDefinition(name="t", wait_for=((Condition(kind=ConditionKind.PARENT, parent=0),),))
    stored = json.loads(WorkflowDefinition("w", (task,)).to_json())
    assert stored["tasks"][0]["wait_for"] == [[{"kind": "parent", "parent": 0}]]
    assert not {"skip_if", "cancel_if"} & set(stored["tasks"][0])


def test_unknown_fields_are_ignored_at_every_level() -> None:
    definition = WorkflowDefinition(
        "w",
        (TaskDefinition(name="t", skip_if=((Condition(kind=ConditionKind.SLEEP, seconds=1.0),),)),),
        filters=(FilterDefinition(expression="true", scope="s", payload="{}"),),
        crons=(CronDefinition(name="c", expression="* * * * *"),),
    )
    stored = json.loads(definition.to_json())
    for level in (
        stored,
        stored["tasks"][0],
        stored["tasks"][0]["skip_if"][0][0],
        stored["filters"][0],
        stored["crons"][0],
    ):
        level["from_the_future"] = 1
    assert WorkflowDefinition.from_json(json.dumps(stored)) == definition


def test_a_condition_of_an_unknown_kind_is_refused_not_dropped() -> None:
    """Dropped, it would let a task run that should wait."""
    text = '{"name": "w", "tasks": [{"name": "t", "wait_for": [[{"kind": "moon"}]]}]}'
    with pytest.raises(ValueError, match="moon"):
        WorkflowDefinition.from_json(text)


def test_conditions_are_numbered_through_wait_for_skip_if_and_cancel_if() -> None:
    a, b, c, d = (Condition(kind=ConditionKind.SLEEP, seconds=float(number)) for number in range(4))
    task = TaskDefinition(name="t", cancel_if=((d,),), skip_if=((c,),), wait_for=((a,), (b,)))
    assert task.conditions == (a, b, c, d)


def test_a_definition_knows_which_of_its_tasks_have_conditions() -> None:
    sleep = ((Condition(kind=ConditionKind.SLEEP, seconds=1.0),),)
    tasks = (
        TaskDefinition(name="a"),
        TaskDefinition(name="b", skip_if=sleep),
        TaskDefinition(name="c", wait_for=sleep),
    )
    assert WorkflowDefinition("w", tasks).conditional == {1, 2}


def test_a_definition_knows_whether_one_of_its_tasks_awaits_events() -> None:
    sleep = ((Condition(kind=ConditionKind.SLEEP, seconds=1.0),),)
    event = ((Condition(kind=ConditionKind.EVENT, event_key="paid"),),)
    assert not WorkflowDefinition("w", (TaskDefinition(name="b", wait_for=sleep),)).awaits_events
    for task in (TaskDefinition(name="b", wait_for=event), TaskDefinition(name="b", cancel_if=event)):
        assert WorkflowDefinition("w", (TaskDefinition(name="a"), task)).awaits_events
