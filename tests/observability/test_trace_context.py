"""Where the context of a trace goes: only along with what it started, and only where there is room."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from observability.conftest import Spans
from plait import Context, EmptyModel, Plait
from plait.errors import InvalidInputError, PayloadTooLargeError
from support.database import Database

FULL = {"note": "x" * (64 * 1024 - 20)}
"""Metadata that fits as it is, with nothing beside it."""


def test_metadata_that_leaves_no_room_for_a_trace_is_taken_without(
    plait: Plait, spans: Spans, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    @plait.task(name="task")
    def task(input: EmptyModel, ctx: Context) -> None: ...

    with spans.tracer.start_as_current_span("request"):
        ref = task.run_no_wait(additional_metadata=FULL)
        event = plait.event.push("order", {}, additional_metadata=FULL)
        with pytest.raises(PayloadTooLargeError):
            task.run_no_wait(additional_metadata=FULL | {"more": "x" * 100})
        with pytest.raises(InvalidInputError, match="workflow 'task': additional_metadata"):
            task.run_no_wait(additional_metadata={"set": {object()}})
        task.run_no_wait(additional_metadata={"user": "anna"})
    assert plait.runs.get(ref.workflow_run_id).metadata == FULL
    assert event.metadata == FULL
    assert database.count("run", "metadata ? 'plait.trace'") == 1
    assert "its metadata is too large for the context" in caplog.text


def test_what_a_task_schedules_begins_a_trace_of_its_own(
    plait: Plait, spans: Spans, database: Database, work: Any
) -> None:
    @plait.task(name="later")
    def later(input: EmptyModel, ctx: Context) -> None: ...

    @plait.task(name="now")
    def now(input: EmptyModel, ctx: Context) -> None:
        later.schedule(datetime.now(UTC))

    work(now, later)
    with spans.tracer.start_as_current_span("request") as request:
        now.run(additional_metadata={"user": "anna"})
    run = spans.wait("run later")[0]
    assert run.context
    assert run.context.trace_id != request.get_span_context().trace_id
    assert run.parent is None
    assert database.query("SELECT metadata FROM plait.run WHERE trigger_kind = 4") == [({"user": "anna"},)]
