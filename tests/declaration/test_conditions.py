"""Conditions of tasks as they are declared: what they become, and what is refused."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from plait import ParentCondition, SleepCondition, UserEventCondition, or_
from plait.declaration.conditions import MAX_CONDITIONS
from plait.declaration.declarations import Declarations
from plait.declaration.workflow import Workflow
from plait.errors import DefinitionError
from plait.graph.conditions import describe_groups
from plait.graph.definition import Condition, ConditionKind, TaskDefinition, WorkflowDefinition

OPTIONS = ["wait_for", "skip_if", "cancel_if"]


def body(input: Any, ctx: Any) -> None: ...


def declare(plait: Declarations, **options: Any) -> TaskDefinition:
    return define(plait, **options).tasks[2]


def define(plait: Declarations, **options: Any) -> WorkflowDefinition:
    """A task with the parents ``first`` and ``second``, declared in the other order."""
    workflow = plait.workflow(name="W")
    second = workflow.task("second")(body)
    first = workflow.task("first")(body)
    given = {name: value(first, second) if callable(value) else value for name, value in options.items()}
    workflow.task("t", parents=[first, second], **given)(body)
    return workflow.definition


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_takes_a_list_of_conditions(plait: Declarations, option: str) -> None:
    task = declare(
        plait,
        **{
            option: lambda first, second: [
                SleepCondition(timedelta(seconds=1.5)),
                or_(
                    UserEventCondition("order:{input.id}", "input.ok", scope="{metadata.shop}"),
                    ParentCondition(first, "output.n > 3"),
                ),
                ParentCondition(second),
            ]
        },
    )
    assert getattr(task, option) == (
        (Condition(kind=ConditionKind.SLEEP, seconds=1.5, data_key="sleep:1.5s"),),
        (
            Condition(
                kind=ConditionKind.EVENT,
                event_key="order:{input.id}",
                expression="input.ok",
                scope="{metadata.shop}",
                data_key="order:{input.id}",
            ),
            Condition(kind=ConditionKind.PARENT, parent=1, expression="output.n > 3", data_key="first"),
        ),
        (Condition(kind=ConditionKind.PARENT, parent=0, data_key="second"),),
    )
    assert [name for name in OPTIONS if getattr(task, name)] == [option]


def test_they_can_be_described_from_the_definition(plait: Declarations) -> None:
    definition = define(
        plait,
        wait_for=lambda first, second: [SleepCondition("2m"), or_(ParentCondition(first), ParentCondition(second))],
    )
    assert describe_groups(definition, 2, definition.tasks[2].wait_for) == (
        "2 min after its parents and (parent 'first' completed or parent 'second' completed)"
    )


def test_one_condition_need_not_stand_in_a_list(plait: Declarations) -> None:
    one, alternatives = SleepCondition("1s"), or_(SleepCondition("1s"), SleepCondition("2s"))
    assert declare(plait, wait_for=one, skip_if=alternatives) == declare(
        Declarations(), wait_for=[one], skip_if=(alternatives,)
    )


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_no_conditions_are_none(plait: Declarations, nothing: Any) -> None:
    assert declare(plait, **dict.fromkeys(OPTIONS, nothing)) == declare(Declarations())


def test_one_or_inside_another_changes_nothing(plait: Declarations) -> None:
    a, b, c = (SleepCondition(f"{number}s") for number in (1, 2, 3))
    assert declare(plait, wait_for=[or_(a, or_(or_(b), c))]) == declare(Declarations(), wait_for=[or_(a, b, c)])


def test_the_name_in_the_trigger_data_can_be_chosen(plait: Declarations) -> None:
    task = declare(
        plait,
        wait_for=lambda first, _: [
            SleepCondition("1s", "nap"),
            UserEventCondition("paid", readable_data_key="payment"),
            ParentCondition(first, readable_data_key="source"),
        ],
    )
    assert [condition.data_key for condition in task.conditions] == ["nap", "payment", "source"]


def test_a_standalone_and_the_task_made_of_it_have_its_conditions(plait: Declarations) -> None:
    standalone = plait.task("alone", wait_for=UserEventCondition("go"))(body)
    workflow = plait.workflow(name="W")
    workflow.add_task(standalone)
    expected = ((Condition(kind=ConditionKind.EVENT, event_key="go", data_key="go"),),)
    assert standalone.definition.tasks[0].wait_for == workflow.definition.tasks[0].wait_for == expected


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("hook", [Workflow.on_failure_task, Workflow.on_success_task])
def test_a_hook_cannot_have_conditions(plait: Declarations, hook: Any, option: str) -> None:
    workflow = plait.workflow(name="W")
    with pytest.raises(DefinitionError, match=rf"workflow 'W', task 'h': an on_\w+ task cannot have .*remove {option}"):
        hook(workflow, "h", **{option: [SleepCondition("1s")]})(body)


class Anything:
    definition = "not a task"


WRONG: list[tuple[Any, str]] = [
    (UserEventCondition("go:*"), "holds a *: a task waits for one key, patterns are for on_events"),
    (
        [UserEventCondition("go", "input.a"), UserEventCondition("go", "input.b")],
        "two conditions put their events into ctx.trigger_data under 'go': give one of them another readable_data_key",
    ),
    ("paid", "is 'paid': give a list of SleepCondition(...), UserEventCondition(...), ParentCondition(...) or or_("),
    (5, "is 5: give a list of SleepCondition"),
    ({SleepCondition("1s")}, "give a list of"),
    (["paid"], "holds 'paid': for an event write UserEventCondition(key), for a time SleepCondition(duration)"),
    ([timedelta(seconds=5)], "holds datetime.timedelta(seconds=5): write SleepCondition(duration)"),
    ([[SleepCondition("1s")]], "lists are not nested, write or_(...) for alternatives"),
    ([None], "holds None: give SleepCondition(...)"),
    ([or_(SleepCondition("1s"), 5)], "holds 5: give SleepCondition"),  # type: ignore[arg-type]
    ([or_()], "holds or_() without conditions, which could never hold: give it some"),
    (lambda first, _: [first], "for a task's output write ParentCondition(task), to follow it parents=[task]"),
    ([SleepCondition("1s")] * (MAX_CONDITIONS + 1), "has 1,001 conditions, more than the 1,000 that are possible"),
    ([SleepCondition("0s")], "SleepCondition duration is '0s': a duration must be greater than zero"),
    ([SleepCondition(5)], "SleepCondition duration is 5, which has no unit"),  # type: ignore[arg-type]
    ([SleepCondition("1s", "")], "readable_data_key is empty"),
    ([SleepCondition("1s", 5)], "readable_data_key is 5: give a str"),  # type: ignore[arg-type]
    ([UserEventCondition("")], "event_key is empty"),
    ([UserEventCondition(None)], "event_key is None: give a str"),  # type: ignore[arg-type]
    ([UserEventCondition("x" * 501)], "has 501 characters: shorten it to at most 500"),
    ([UserEventCondition("a\x00b")], "event_key holds a NUL character"),
    ([UserEventCondition("order:{id}")], "holds '{id}': a placeholder is {input.field} or {metadata.field}"),
    ([UserEventCondition("paid", scope="{")], "scope '{' has a lone '{' at position 0"),
    ([UserEventCondition("paid", scope="")], "scope is empty"),
    ([UserEventCondition("paid", "input.n >")], "expression 'input.n >' is not valid CEL"),
    ([UserEventCondition("paid", "output.n > 1")], "uses 'output', which does not exist: it can use 'input'"),
    ([UserEventCondition("paid", "")], "expression is empty"),
    (lambda first, _: [ParentCondition(first, "input.n > 1")], "uses 'input', which does not exist"),
    (lambda first, _: [ParentCondition(first, "outptu.n > 1")], "(did you mean 'output'?)"),
    ([ParentCondition("first")], "ParentCondition('first'): give the task itself"),  # type: ignore[arg-type]
    ([ParentCondition(body)], "give the task itself, what @workflow.task() returned"),  # type: ignore[arg-type]
    ([ParentCondition(Anything())], "give the task itself"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(("given", "problem"), WRONG)
def test_a_wrong_condition_is_refused_where_it_is_declared(
    plait: Declarations, option: str, given: Any, problem: str
) -> None:
    with pytest.raises(DefinitionError, match=re.escape(problem)) as caught:
        declare(plait, **{option: given})
    assert str(caught.value).startswith(f"workflow 'W', task 't': {option}")


def test_a_parent_condition_is_about_a_parent_of_the_task(plait: Declarations) -> None:
    workflow = plait.workflow(name="W")
    a, b = workflow.task("a")(body), workflow.task("b")(body)
    foreign = plait.workflow(name="V").task("a")(body)
    for parent in (b, foreign):
        problem = "is about no parent of this task: add it to parents=, which holds 'a'"
        with pytest.raises(DefinitionError, match=rf"workflow 'W', task 't': wait_for: ParentCondition.*{problem}"):
            workflow.task("t", parents=[a], wait_for=[ParentCondition(parent)])(body)


def test_a_task_without_parents_has_no_parent_condition(plait: Declarations) -> None:
    workflow = plait.workflow(name="W")
    a = workflow.task("a")(body)
    problem = r"but this task has no parents: name it in workflow.task\(parents=\[...\]\)"
    with pytest.raises(DefinitionError, match=f"workflow 'W', task 't': skip_if: .*{problem}"):
        workflow.task("t", skip_if=[ParentCondition(a)])(body)
    with pytest.raises(DefinitionError, match=f"workflow 's', task 's': skip_if: .*{problem}"):
        plait.task("s", skip_if=[ParentCondition(a)])(body)


def test_a_workflow_in_the_place_of_a_task_is_refused_without_being_looked_at(plait: Declarations) -> None:
    empty = plait.workflow(name="V")
    for given in ([empty], [ParentCondition(empty)]):  # type: ignore[list-item, arg-type]
        with pytest.raises(DefinitionError, match="workflow 'W', task 't': wait_for"):
            declare(Declarations(), wait_for=given)
    empty.task("still open")(body)
