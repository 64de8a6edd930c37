"""Workflows and tasks are declared with decorators; what is wrong is refused there and then."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from plait.declaration.declarations import Declarations
from plait.declaration.task import Task
from plait.declaration.workflow import Standalone, Workflow
from plait.errors import DefinitionError
from plait.graph.definition import TaskKind


class DocInput(BaseModel):
    path: str


def body(input: Any, ctx: Any) -> int:
    return 1


async def aio_body(input: Any, ctx: Any) -> int:
    return 2


class Callme:
    def __call__(self, input: Any, ctx: Any) -> int:
        return 3


class AioCallme:
    async def __call__(self, input: Any, ctx: Any) -> int:
        return 4

    async def method(self, input: Any, ctx: Any) -> int:
        return 5


def test_a_task_is_named_after_its_function_unless_told_otherwise(plait: Declarations) -> None:
    workflow = plait.workflow(name="W")
    workflow.task()(body)
    workflow.task("other")(body)
    workflow.task(name="third")(body)
    assert list(workflow.task_by_name) == ["body", "other", "third"]


def test_a_task_keeps_its_function_and_knows_its_workflow_and_parents(plait: Declarations) -> None:
    workflow = plait.workflow(name="W", input_validator=DocInput)
    first = workflow.task()(body)
    second = workflow.task(parents=[first])(aio_body)
    assert (first.fn, first.workflow, first.parents, first.is_async) == (body, workflow, (), False)
    assert (second.fn, second.parents, second.is_async) == (aio_body, (first,), True)


def test_the_two_hooks_stand_last_in_the_definition(plait: Declarations) -> None:
    workflow = plait.workflow(name="W")
    workflow.on_failure_task()(body)
    workflow.on_success_task("cheer")(aio_body)
    workflow.task("work")(body)
    assert [(task.name, task.kind) for task in workflow.definition.tasks] == [
        ("work", TaskKind.TASK),
        ("cheer", TaskKind.ON_SUCCESS),
        ("body", TaskKind.ON_FAILURE),
    ]


@pytest.mark.parametrize(
    ("fn", "is_async"),
    [
        (body, False),
        (aio_body, True),
        (Callme(), False),
        (AioCallme(), True),
        (AioCallme().method, True),
        (functools.partial(body), False),
        (functools.partial(aio_body), True),
        (lambda a, b: None, False),
        (lambda a, b, c=1, *d, **e: None, False),
        (lambda *all: None, False),
    ],
)
def test_any_callable_of_two_positional_parameters_is_a_body(plait: Declarations, fn: Any, is_async: bool) -> None:
    assert plait.workflow(name="W").task(name="t")(fn).is_async is is_async


def test_a_workflow_declared_without_a_plait_can_be_included_later(plait: Declarations) -> None:
    workflow: Workflow[Any] = Workflow("W")
    assert workflow.client is None
    plait.include(workflow)
    plait.include(workflow)
    assert plait.declared == {"W": workflow}
    assert workflow.client is plait


def test_a_standalone_is_a_workflow_of_one_task_named_like_it(plait: Declarations) -> None:
    standalone = plait.task(retries=2, description="d", default_priority=3)(aio_body)
    assert isinstance(standalone, Standalone)
    assert standalone.fn is aio_body
    assert plait.declared == {"aio_body": standalone}
    assert standalone.definition.description == "d"
    assert standalone.definition.default_priority == 3
    assert [(task.name, task.retries) for task in standalone.definition.tasks] == [("aio_body", 2)]


def test_the_task_of_a_standalone_becomes_a_task_of_a_workflow_too(plait: Declarations) -> None:
    standalone = plait.task(name="alone", retries=4)(body)
    workflow = plait.workflow(name="W")
    first = workflow.task("first")(body)
    added = workflow.add_task(standalone, parents=[first])
    assert isinstance(added, Task)
    assert (added.workflow, added.name, added.parents) == (workflow, "alone", (first,))
    assert workflow.definition.tasks[1].retries == 4
    assert standalone.task.workflow is standalone


def test_the_definition_holds_the_schema_of_the_input(plait: Declarations) -> None:
    workflow = plait.workflow(name="W", input_validator=DocInput, description="about")
    workflow.task()(body)
    schema = workflow.definition.input_schema
    assert schema is not None
    assert schema["required"] == ["path"]
    assert workflow.definition.description == "about"
    assert workflow.definition.default_priority == 1


def test_an_input_without_a_json_schema_is_declared_all_the_same(plait: Declarations) -> None:
    workflow = plait.workflow(name="W", input_validator=TypeAdapter(Callable))
    workflow.task()(body)
    assert workflow.definition.input_schema is None


def test_ten_thousand_tasks_are_declared_in_linear_time(plait: Declarations) -> None:
    workflow = plait.workflow(name="W")
    first = workflow.task("first")(lambda a, b: None)
    middle = [workflow.task(f"t{index}", parents=[first])(lambda a, b: None) for index in range(3_000)]
    workflow.task("last", parents=middle)(lambda a, b: None)
    assert len(workflow.definition.tasks[-1].parents) == 3_000


def test_declaring_imports_no_driver_no_cli_and_no_web() -> None:
    code = (
        "import sys, plait.errors\n"
        "sys.modules['plait.client'] = None\n"
        "from plait.declaration.declarations import Declarations\n"
        "from plait.declaration.workflow import Workflow\n"
        "print(sorted(set(sys.modules) & {'asyncpg', 'click', 'rich', 'fastapi', 'psycopg', 'sqlalchemy'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def generator(input: Any, ctx: Any) -> Iterator[int]:
    yield 1


async def async_generator(input: Any, ctx: Any) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (5, "workflow 'W', task 't': 5 is not callable: decorate a function"),
        (generator, "task 't': generator is a generator, whose values nobody would read: return a list"),
        (async_generator, "task 't': async_generator is a generator"),
        (lambda: None, r"task 't': .*<lambda>\(\) cannot be called with \(input, ctx\): too many positional"),
        (lambda a: None, r"<lambda>\(a\) cannot be called with \(input, ctx\)"),
        (
            lambda a, b, c: None,
            r"cannot be called with \(input, ctx\): missing a required argument: 'c'. Take",
        ),
        (lambda a, *, b: None, r"<lambda>\(a, \*, b\) cannot be called"),
        (lambda a, b, *, c: None, r"missing a required .*'c'"),
        (functools.partial(body, 1), r"body.* cannot be called with \(input, ctx\)"),
    ],
)
def test_what_cannot_be_called_with_input_and_ctx_is_refused(plait: Declarations, fn: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        plait.workflow(name="W").task(name="t")(fn)


def test_a_callable_without_a_name_needs_one(plait: Declarations) -> None:
    with pytest.raises(DefinitionError, match=r"workflow 'W': .*partial.* has no name of its own: pass name="):
        plait.workflow(name="W").task()(functools.partial(body))
    with pytest.raises(DefinitionError, match="a lambda has no name of its own: pass name="):
        plait.workflow(name="W2").task()(lambda a, b: None)
    with pytest.raises(DefinitionError, match=r"plait.task: 5 is not callable"):
        plait.task()(5)  # type: ignore[call-overload]


def test_parentheses_are_asked_for_where_they_are_missing(plait: Declarations) -> None:
    workflow = plait.workflow(name="W")
    with pytest.raises(DefinitionError, match=r"write @workflow.task\(\) with parentheses above body"):
        workflow.task(body)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=r"write @workflow.on_failure_task\(\) with parentheses"):
        workflow.on_failure_task(body)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=r"write @plait.task\(\) with parentheses above body"):
        plait.task(body)  # type: ignore[call-overload]


def test_a_task_name_is_declared_once(plait: Declarations) -> None:
    workflow = plait.workflow(name="W")
    workflow.task()(body)
    with pytest.raises(DefinitionError, match="workflow 'W' already has a task named 'body': pass another"):
        workflow.on_success_task()(body)
    assert len(workflow.tasks) == 1


@pytest.mark.parametrize("hook", ["on_failure", "on_success"])
def test_each_hook_is_declared_once(plait: Declarations, hook: str) -> None:
    workflow = plait.workflow(name="W")
    getattr(workflow, f"{hook}_task")("first")(body)
    with pytest.raises(DefinitionError, match=f"workflow 'W' already has an {hook} task, 'first'"):
        getattr(workflow, f"{hook}_task")("second")(body)


def test_a_workflow_without_tasks_is_refused_when_it_is_used(plait: Declarations) -> None:
    workflow = plait.workflow(name="W")
    with pytest.raises(DefinitionError, match="workflow 'W' has no tasks"):
        _ = workflow.definition
    workflow.task()(body)
    assert workflow.definition


def test_a_task_after_the_first_use_comes_too_late(plait: Declarations) -> None:
    workflow = plait.workflow(name="W")
    workflow.task()(body)
    _ = workflow.definition
    with pytest.raises(DefinitionError, match="workflow 'W': task 'late' comes too late"):
        workflow.task("late")(body)


def test_the_name_of_a_workflow_is_taken_once_per_plait(plait: Declarations) -> None:
    plait.workflow(name="W")
    place = rf"{__file__}:\d+"
    with pytest.raises(DefinitionError, match=rf"workflow 'W' is already declared at {place}: give one"):
        plait.workflow(name="W")
    with pytest.raises(DefinitionError, match=rf"workflow 'W' is already declared at {place}"):
        plait.task(name="W")(body)
    with pytest.raises(DefinitionError, match=rf"workflow 'W' is already declared at {place}"):
        plait.include(Workflow("W"))
    Declarations().workflow(name="W")


def test_a_loop_that_declares_one_name_twice_is_refused(plait: Declarations) -> None:
    with pytest.raises(DefinitionError, match="already declared"):  # noqa: PT012
        for _ in range(2):
            plait.workflow(name="W")


def test_a_reloaded_module_replaces_what_it_declared(plait: Declarations) -> None:
    for _ in range(2):
        exec(compile("plait.workflow(name='W')", "flows.py", "exec"), {"plait": plait})
    assert list(plait.declared) == ["W"]


def test_a_notebook_cell_may_be_run_again(plait: Declarations, monkeypatch: pytest.MonkeyPatch) -> None:
    first = plait.workflow(name="W")
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert plait.workflow(name="W") is not first


def test_a_workflow_of_another_plait_cannot_be_included(plait: Declarations) -> None:
    workflow = Declarations().workflow(name="W")
    with pytest.raises(DefinitionError, match="workflow 'W' already belongs to another Plait"):
        plait.include(workflow)
    assert plait.declared == {}


@pytest.mark.parametrize("thing", [5, "W", body])
def test_only_workflows_can_be_included(plait: Declarations, thing: Any) -> None:
    with pytest.raises(DefinitionError, match="give workflows or standalone tasks"):
        plait.include(thing)


@pytest.mark.parametrize("name", ["", " x", "a\x00", "x" * 201, "a\u202eb", 5, None])
def test_a_bad_workflow_name_is_refused(plait: Declarations, name: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^workflow name"):
        plait.workflow(name=name)


def test_a_bad_task_name_is_refused(plait: Declarations) -> None:
    with pytest.raises(DefinitionError, match=r"workflow 'W': task name .* U\+001B"):
        plait.workflow(name="W").task("\x1b[31m")(body)


def test_only_a_standalone_can_be_added(plait: Declarations) -> None:
    with pytest.raises(DefinitionError, match=r"workflow 'W': add_task\(.*give it what plait.task\(...\) ret"):
        plait.workflow(name="W").add_task(body)  # type: ignore[arg-type]
