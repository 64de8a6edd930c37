"""A parent is a task of the same workflow; anything else is refused with the way out."""

from __future__ import annotations

from typing import Any

import pytest

from plait.declaration.declarations import Declarations
from plait.declaration.workflow import Workflow
from plait.errors import DefinitionError


def body(input: Any, ctx: Any) -> None: ...


@pytest.fixture
def workflow(plait: Declarations) -> Workflow[Any]:
    workflow = plait.workflow(name="W")
    workflow.task("extract")(body)
    return workflow


def refuse(workflow: Workflow[Any], parents: Any) -> str:
    with pytest.raises(DefinitionError) as caught:
        workflow.task("t", parents=parents)(body)
    assert "t" not in workflow.task_by_name
    assert str(caught.value).startswith("workflow 'W', task 't': ")
    return str(caught.value)


def test_a_task_of_another_workflow_is_no_parent(plait: Declarations, workflow: Workflow[Any]) -> None:
    other = plait.workflow(name="Other").task("far")(body)
    assert "parent 'far' belongs to workflow 'Other': a task follows tasks of its own" in refuse(workflow, [other])


def test_a_standalone_is_no_parent(plait: Declarations, workflow: Workflow[Any]) -> None:
    assert "is a workflow of its own: call workflow.add_task(...)" in refuse(workflow, [plait.task(name="s")(body)])


def test_a_name_is_no_parent_but_the_task_it_may_mean_is_named(workflow: Workflow[Any]) -> None:
    text = refuse(workflow, ["extrct"])
    assert "parent 'extrct' is a name: give the task itself (did you mean 'extract'?)" in text


def test_a_function_is_no_parent(workflow: Workflow[Any]) -> None:
    assert "is a function: declare it with @workflow.task() first" in refuse(workflow, [body])


def test_anything_else_is_no_parent(workflow: Workflow[Any]) -> None:
    assert "parent None is not a task: give what @workflow.task() returned" in refuse(workflow, [None])


def test_a_hook_is_no_parent(workflow: Workflow[Any]) -> None:
    hook = workflow.on_failure_task("oops")(body)
    assert "parent 'oops' is the on_failure task, which no task can follow" in refuse(workflow, [hook])


def test_a_parent_is_listed_once(workflow: Workflow[Any]) -> None:
    task = workflow.task_by_name["extract"]
    assert "parent 'extract' is listed twice, remove one" in refuse(workflow, [task, task])


def test_parents_are_a_list(workflow: Workflow[Any]) -> None:
    task = workflow.task_by_name["extract"]
    assert "give a list of tasks" in refuse(workflow, task)
    assert "give a list of tasks" in refuse(workflow, "extract")
    assert "give a list of tasks" in refuse(workflow, {task})
