"""A trigger checks and encodes everything before it sends anything. What it sends is looked at here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from plait.declaration.base import get_input_type
from plait.declaration.declarations import Declarations
from plait.declaration.workflow import Standalone, Workflow
from plait.engine.access import Access
from plait.engine.requests import RunRequest
from plait.errors import DefinitionError, InvalidInputError, PayloadTooLargeError
from plait.types import EmptyModel, Priority, TriggerWorkflowOptions


class DocInput(BaseModel):
    path: str
    pages: int = 1


class Recorder(Access):
    """Keeps what the run methods hand over."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[RunRequest] = []
        self.connections: list[Any] = []

    @property
    def portal(self) -> Any:
        return self

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(coroutine)

    async def acall(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await coroutine

    async def start_runs(self, requests: Sequence[RunRequest], connection: Any = None) -> list[UUID]:
        self.requests.extend(requests)
        return [request.run_id for request in requests]

    def start_in_transaction(self, requests: Sequence[RunRequest], connection: Any) -> list[UUID]:
        self.requests.extend(requests)
        self.connections.append(connection)
        return [request.run_id for request in requests]

    async def aio_start_in_transaction(self, requests: Sequence[RunRequest], connection: Any) -> list[UUID]:
        return self.start_in_transaction(requests, connection)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def workflow(recorder: Recorder) -> Workflow[DocInput]:
    workflow = Declarations(recorder).workflow(
        name="W",
        input_validator=DocInput,
        default_priority=2,
        default_additional_metadata={"team": "a", "kind": "doc"},
    )
    workflow.task("t")(lambda input, ctx: None)
    return workflow


def test_the_input_is_validated_and_encoded(recorder: Recorder, workflow: Workflow[DocInput]) -> None:
    ref = workflow.run_no_wait(DocInput(path="x"))
    (request,) = recorder.requests
    assert request.definition is workflow.definition
    assert request.input == b'{"path":"x","pages":1}'
    assert ref.workflow_run_id == str(request.run_id)


def test_a_dict_that_validates_is_an_input_too(recorder: Recorder, workflow: Workflow[DocInput]) -> None:
    workflow.run_no_wait({"path": "x", "pages": "3"})  # type: ignore[arg-type]
    assert recorder.requests[0].input == b'{"path":"x","pages":3}'


def test_without_an_input_type_whatever_is_given_is_kept(recorder: Recorder) -> None:
    workflow = Declarations(recorder).workflow(name="E")
    workflow.task("t")(lambda input, ctx: None)
    workflow.run_no_wait()
    workflow.run_no_wait(EmptyModel(a=1))  # type: ignore[call-arg]
    assert [request.input for request in recorder.requests] == [b"{}", b'{"a":1}']
    assert get_input_type(workflow).decode(b'{"a":1}').a == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("input", "message"),
    [
        ({}, "workflow 'W': input.path is missing"),
        ({"path": 1}, r"workflow 'W': input.path: Input should be a valid string \(got 1\)"),
        (None, "workflow 'W': input: Input should be a valid dictionary"),
        ({"path": "\x00"}, "workflow 'W': input.path holds a NUL character"),
    ],
)
def test_a_bad_input_is_refused_at_the_call_and_nothing_is_sent(
    recorder: Recorder, workflow: Workflow[DocInput], input: Any, message: str
) -> None:
    for call in (workflow.run, workflow.run_no_wait, workflow.create_bulk_run_item):
        with pytest.raises(InvalidInputError, match=message):
            call(input)
    assert recorder.requests == []


def test_an_input_above_the_limit_is_refused(recorder: Recorder, workflow: Workflow[DocInput]) -> None:
    recorder.payload_limit = 100
    with pytest.raises(PayloadTooLargeError, match="workflow 'W': input is 1,021 bytes"):
        workflow.run_no_wait(DocInput(path="x" * 1000))
    assert recorder.requests == []


def test_metadata_of_the_workflow_the_options_and_the_call_are_merged_in_this_order(
    recorder: Recorder, workflow: Workflow[DocInput]
) -> None:
    options = TriggerWorkflowOptions(additional_metadata={"kind": "letter", "n": 1})
    workflow.run_no_wait(DocInput(path="x"), options, additional_metadata={"n": 2})
    assert recorder.requests[0].metadata == '{"team":"a","kind":"letter","n":2}'


def test_priority_comes_from_the_call_then_the_options_then_the_workflow(
    recorder: Recorder, workflow: Workflow[DocInput]
) -> None:
    options = TriggerWorkflowOptions(priority=Priority.HIGH, idempotency_key="k")
    workflow.run_no_wait(DocInput(path="x"))
    workflow.run_no_wait(DocInput(path="x"), options)
    workflow.run_no_wait(DocInput(path="x"), options, priority=1, idempotency_key="other")
    assert [(request.priority, request.idempotency_key) for request in recorder.requests] == [
        (2, None),
        (3, "k"),
        (1, "other"),
    ]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"priority": 0}, "workflow 'W': priority is 0: give Priority.LOW"),
        ({"priority": True}, "workflow 'W': priority is True"),
        ({"idempotency_key": ""}, "workflow 'W': idempotency_key is '': give a str that is not empty"),
        ({"idempotency_key": 5}, "idempotency_key is 5"),
        ({"idempotency_key": "x" * 8192}, "has 8,192 characters: use at most 500"),
        ({"idempotency_key": "\x00"}, "idempotency_key holds a NUL"),
        ({"additional_metadata": [1]}, "additional_metadata is list, it must be a dict"),
        ({"additional_metadata": {"a": float("nan")}}, "additional_metadata.a is NaN"),
    ],
)
def test_a_bad_option_is_refused_at_the_call_and_nothing_is_sent(
    recorder: Recorder, workflow: Workflow[DocInput], keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        workflow.run_no_wait(DocInput(path="x"), **keywords)
    assert recorder.requests == []


def test_an_option_that_does_not_exist_is_a_type_error(workflow: Workflow[DocInput]) -> None:
    with pytest.raises(TypeError, match="child_keyy"):
        workflow.run_no_wait(DocInput(path="x"), child_keyy="k")  # type: ignore[call-arg]


def test_a_connection_starts_the_run_in_the_callers_transaction(
    recorder: Recorder, workflow: Workflow[DocInput]
) -> None:
    connection = object()
    workflow.run_no_wait(DocInput(path="x"), connection=connection)
    asyncio.run(_start_many(workflow, connection))
    assert recorder.connections == [connection, connection]


async def _start_many(workflow: Workflow[DocInput], connection: object) -> None:
    items = [workflow.create_bulk_run_item(DocInput(path="x"))]
    await workflow.aio_run_many_no_wait(items, connection=connection)


def test_waiting_inside_the_callers_transaction_is_refused_with_the_way_out(
    recorder: Recorder, workflow: Workflow[DocInput]
) -> None:
    with pytest.raises(InvalidInputError, match=r"workflow 'W': .* use run_no_wait\(..., connection=...\)"):
        workflow.run(DocInput(path="x"), connection=object())
    with pytest.raises(InvalidInputError, match="before you commit"):
        asyncio.run(_run(workflow))
    assert recorder.requests == []


async def _run(workflow: Workflow[DocInput]) -> None:
    await workflow.aio_run(DocInput(path="x"), connection=object())


def test_many_runs_keep_their_order_and_an_item_used_twice_makes_two_runs(
    recorder: Recorder, workflow: Workflow[DocInput]
) -> None:
    one = workflow.create_bulk_run_item(DocInput(path="1"), key="mine", priority=3)
    two = workflow.create_bulk_run_item(DocInput(path="2"))
    assert (one.key, one.workflow_name) == ("mine", "W")
    refs = workflow.run_many_no_wait([one, two, one])
    assert [request.input[9:10] for request in recorder.requests] == [b"1", b"2", b"1"]
    assert [request.priority for request in recorder.requests] == [3, 2, 3]
    assert len({ref.workflow_run_id for ref in refs}) == 3


def test_no_items_make_no_runs(recorder: Recorder, workflow: Workflow[DocInput]) -> None:
    assert workflow.run_many([]) == []
    assert workflow.run_many_no_wait([]) == []
    assert workflow.run_many([], wait_for_result=False) == []
    assert recorder.requests == []


def test_items_are_those_of_the_workflow(recorder: Recorder, workflow: Workflow[DocInput]) -> None:
    other: Standalone[EmptyModel, None] = Declarations(recorder).task(name="other")(lambda input, ctx: None)
    item = workflow.create_bulk_run_item(DocInput(path="x"))
    with pytest.raises(InvalidInputError, match="'W': item 1 was made by workflow 'other': pass it to run_many of"):
        workflow.run_many([item, other.create_bulk_run_item()])
    with pytest.raises(InvalidInputError, match=r"'W': item 0 is {'path': 'x'}: make items with create_bulk_run_item"):
        workflow.run_many([{"path": "x"}])  # type: ignore[list-item]
    assert recorder.requests == []


def test_a_workflow_without_a_plait_cannot_run() -> None:
    workflow: Workflow[Any] = Workflow("W")
    workflow.task("t")(lambda input, ctx: None)
    with pytest.raises(DefinitionError, match=r"'W' belongs to no Plait, so it cannot run: .* plait.include"):
        workflow.run()


def test_a_wrong_graph_is_refused_before_anything_is_sent(recorder: Recorder) -> None:
    with pytest.raises(DefinitionError, match="workflow 'empty' has no tasks"):
        Declarations(recorder).workflow(name="empty").run_no_wait()
    assert recorder.requests == []
