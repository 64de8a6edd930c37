"""Options are checked at declaration; what a task leaves out comes from the workflow's defaults."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from plait.declaration.declarations import Declarations
from plait.declaration.workflow import Workflow
from plait.errors import DefinitionError
from plait.graph.definition import TaskDefinition
from plait.types import Priority, TaskDefaults, parse_duration

DEFAULTS = TaskDefaults(
    retries=5,
    backoff_factor=2.0,
    backoff_max_seconds=30,
    backoff_jitter=True,
    execution_timeout="5m",
    schedule_timeout="1h",
)


def body(input: Any, ctx: Any) -> None: ...


def declare(defaults: TaskDefaults | None = None, **options: Any) -> TaskDefinition:
    workflow = Declarations().workflow(name="W", task_defaults=defaults)
    workflow.task("t", **options)(body)
    return workflow.definition.tasks[0]


def test_without_options_a_task_has_no_retry_and_a_minute() -> None:
    assert declare() == TaskDefinition(name="t", retries=0, execution_timeout=60.0, schedule_timeout=None)


def test_options_are_taken_over() -> None:
    task = declare(
        retries=3,
        backoff_factor=1.5,
        backoff_max_seconds=60,
        backoff_jitter=True,
        execution_timeout=timedelta(milliseconds=1500),
        schedule_timeout="1h30m",
    )
    assert (task.retries, task.backoff_factor, task.backoff_max_seconds, task.backoff_jitter) == (
        3,
        1.5,
        60,
        True,
    )
    assert (task.execution_timeout, task.schedule_timeout) == (1.5, 5400.0)


def test_defaults_fill_in_what_is_left_out() -> None:
    task = declare(DEFAULTS)
    assert (task.retries, task.backoff_factor, task.backoff_max_seconds, task.backoff_jitter) == (
        5,
        2.0,
        30,
        True,
    )
    assert (task.execution_timeout, task.schedule_timeout) == (300.0, 3600.0)


def test_what_a_task_says_itself_wins_zero_and_none_included() -> None:
    task = declare(DEFAULTS, retries=0, backoff_factor=None, backoff_jitter=False, schedule_timeout=None)
    assert (task.retries, task.backoff_factor, task.backoff_jitter, task.schedule_timeout) == (
        0,
        None,
        False,
        None,
    )


def test_none_in_the_defaults_means_left_out() -> None:
    assert declare(TaskDefaults(retries=None, execution_timeout=None)) == declare()


def test_defaults_reach_the_hooks_and_standalone_tasks_too(plait: Declarations) -> None:
    workflow = plait.workflow(name="W", task_defaults=DEFAULTS)
    workflow.task()(body)
    workflow.on_failure_task("f")(body)
    workflow.on_success_task("s", retries=1)(body)
    assert [task.retries for task in workflow.definition.tasks] == [5, 1, 5]
    assert plait.task(name="alone", task_defaults=DEFAULTS)(body).definition.tasks[0].retries == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retries": -1}, "retries is -1: give a number from 0 to 1,000"),
        ({"retries": 1001}, "retries is 1001: give a number from 0 to 1,000"),
        ({"retries": 1.5}, "retries is 1.5: give a whole number"),
        ({"retries": True}, "retries is True: give a whole number"),
        ({"retries": None}, "retries is None: give a whole number"),
        ({"backoff_factor": 0}, "backoff_factor is 0: give a finite number greater than zero"),
        ({"backoff_factor": -2.0}, "backoff_factor is -2.0: give a finite"),
        ({"backoff_factor": float("nan")}, "backoff_factor is nan: give a finite"),
        ({"backoff_factor": float("inf")}, "backoff_factor is inf: give a finite"),
        ({"backoff_factor": "2"}, "backoff_factor is '2': give a number"),
        ({"backoff_factor": 2.0, "backoff_max_seconds": -1}, "backoff_max_seconds is -1: give a finite"),
        ({"backoff_factor": 2.0, "backoff_jitter": 1}, "backoff_jitter is 1: give True or False"),
        ({"backoff_max_seconds": 5}, "backoff_max_seconds is 5, but without a backoff_factor retries do not"),
        ({"backoff_jitter": True}, "backoff_jitter is True, but without a backoff_factor"),
        ({"execution_timeout": timedelta(0)}, "execution_timeout is .* greater than zero"),
        ({"execution_timeout": None}, "execution_timeout is None, which is not a duration: give a timedelta"),
        (
            {"execution_timeout": 60},
            "execution_timeout is 60, which has no unit: give a timedelta, or a string",
        ),
        ({"schedule_timeout": "-5s"}, "schedule_timeout is '-5s': a duration must be greater than zero"),
        ({"schedule_timeout": "5 parsecs"}, "schedule_timeout is '5 parsecs', which cannot be read"),
    ],
)
def test_a_bad_option_is_refused_with_workflow_task_and_value(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=f"^workflow 'W', task 't': {message}"):
        declare(**options)


def test_an_unknown_option_is_refused_with_the_one_it_may_mean() -> None:
    with pytest.raises(DefinitionError, match=r"no task option 'retrys' \(did you mean 'retries'\?\); the options"):
        declare(retrys=3)
    with pytest.raises(DefinitionError, match=r"plait.task 'x': there is no task option 'concurrent'; the options are"):
        Declarations().task(name="x", concurrent=[])  # type: ignore[call-overload]


def test_an_unknown_option_of_a_workflow_is_refused_like_one_of_a_task(plait: Declarations) -> None:
    message = r"^workflow 'W': there is no workflow option 'on_event' \(did you mean 'on_events'\?\); the options are "
    for declare_it in (plait.workflow, lambda **options: Workflow(options.pop("name"), **options)):
        with pytest.raises(DefinitionError, match=message):
            declare_it(name="W", on_event=["user:created"])
    with pytest.raises(DefinitionError, match=r"no task option 'on_event' \(did you mean 'on_events'\?\)"):
        plait.task(name="x", on_event=["user:created"])  # type: ignore[call-overload]
    assert plait.declared == {}


def test_bad_defaults_are_refused_where_they_stand() -> None:
    with pytest.raises(DefinitionError, match="workflow 'W', task_defaults: retries is -1"):
        declare(TaskDefaults(retries=-1))
    with pytest.raises(DefinitionError, match=r"workflow 'W': task_defaults is {'retries': 1}: give a TaskDef"):
        declare({"retries": 1})  # type: ignore[arg-type]


@pytest.mark.parametrize("priority", [0, 4, -1, True, 1.0, "HIGH"])
def test_a_priority_is_one_two_or_three(plait: Declarations, priority: Any) -> None:
    with pytest.raises(DefinitionError, match=r"workflow 'W': default_priority is .*: give Priority.LOW"):
        plait.workflow(name="W", default_priority=priority)


def test_the_default_priority_is_low_unless_given(plait: Declarations) -> None:
    assert plait.workflow(name="a").default_priority == 1
    assert plait.workflow(name="b", default_priority=Priority.HIGH).default_priority == 3


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ([], "default_additional_metadata: additional_metadata is list"),
        ({"a": float("nan")}, "additional_metadata.a is NaN"),
        ({"a": "x" * 70_000}, "is 70,008 bytes"),
    ],
)
def test_bad_default_metadata_is_refused(plait: Declarations, metadata: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        plait.workflow(name="W", default_additional_metadata=metadata)


@pytest.mark.parametrize(
    ("description", "message"),
    [(5, "description is 5: give a str"), ("x" * 10_001, "shorten it to 10,000"), ("\x00", "holds a NUL")],
)
def test_a_bad_description_is_refused(plait: Declarations, description: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=f"workflow 'W': .*{message}"):
        plait.workflow(name="W", description=description)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("250ms", 0.25),
        ("90s", 90.0),
        ("1.5s", 1.5),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("2d", 172_800.0),
        ("1h2m3s4ms", 3723.004),
        (timedelta(microseconds=1500), 0.0015),
        (timedelta(days=3650), 3650 * 86_400.0),
    ],
)
def test_a_duration_is_read_in_seconds_with_its_fractions(value: Any, seconds: float) -> None:
    assert parse_duration(value, where="w") == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0s", "'0s': a duration must be greater than zero"),
        (timedelta(seconds=-1), "greater than zero"),
        ("-1h", "greater than zero"),
        ("4000d", "cannot be longer than ten years"),
        ("9" * 5000 + "s", "cannot be longer than ten years"),
        ("", "cannot be read"),
        ("nans", "cannot be read"),
        ("1e3s", "cannot be read"),
        ("5", "cannot be read"),
        ("٣s", "cannot be read"),
        ("5s ", "cannot be read"),
        (float("nan"), "has no unit"),
        (True, "is not a duration"),
        (b"5s", "is not a duration"),
    ],
)
def test_a_bad_duration_is_refused(value: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=f"^w is .*{message}"):
        parse_duration(value, where="w")
