"""Traces: a span per run, task and attempt, in the trace of whoever triggered the run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from observability.conftest import Spans
from plait import Context, EmptyModel, Plait
from plait.server import serve as runner
from support import http
from support.database import Database


def read_span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def read_parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def declare_diamond(plait: Plait, spans: Spans) -> tuple[Any, Any]:
    """A diamond one of whose tasks starts a child run; tasks of both kinds, with spans of their own."""

    @plait.task(name="child")
    def child(input: EmptyModel, ctx: Context) -> int:
        return 1

    diamond = plait.workflow(name="diamond")

    @diamond.task()
    def extract(input: EmptyModel, ctx: Context) -> int:
        with spans.tracer.start_as_current_span("query"):
            return 1

    @diamond.task(parents=[extract])
    async def left(input: EmptyModel, ctx: Context) -> int:
        return await child.aio_run(EmptyModel())

    @diamond.task(parents=[extract])
    def right(input: EmptyModel, ctx: Context) -> int:
        trace.get_current_span().set_attribute("user.rows", 7)
        return 1

    @diamond.task(parents=[left, right])
    async def load(input: EmptyModel, ctx: Context) -> int:
        with spans.tracer.start_as_current_span("insert"):
            return 1

    return diamond, child


def to_microseconds(nanoseconds: int | None) -> int:
    assert nanoseconds is not None
    assert nanoseconds % 1000 == 0
    return nanoseconds // 1000


MICROSECONDS = "(extract(epoch FROM {0}) * 1000000)::bigint"


def test_the_trace_of_a_diamond_with_a_child_run(plait: Plait, spans: Spans, database: Database, work: Any) -> None:
    diamond, child = declare_diamond(plait, spans)
    work(diamond, child)
    with spans.tracer.start_as_current_span("request") as request:
        ref = diamond.run_no_wait()
    ref.result()
    run = spans.wait("run diamond")[0]
    child_run = spans.wait("run child")[0]

    # one trace, and every span under the one it belongs to
    ours = [span for span in spans.list() if span.name != "request"]
    assert {span.context.trace_id for span in ours if span.context} == {request.get_span_context().trace_id}
    assert read_parent(run) == request.get_span_context().span_id
    names = ("extract", "left", "right", "load")
    for name in names:
        task, attempt = spans.get(f"task diamond.{name}"), spans.get(f"attempt diamond.{name}")
        assert read_parent(task) == read_span_id(run)
        assert read_parent(attempt) == read_span_id(task)
        assert (attempt.kind, task.kind) == (SpanKind.CONSUMER, SpanKind.INTERNAL)
        assert attempt.status.status_code is StatusCode.UNSET
    assert read_parent(child_run) == read_span_id(spans.get("attempt diamond.left"))
    assert read_parent(spans.get("task child.child")) == read_span_id(child_run)
    assert read_parent(spans.get("attempt child.child")) == read_span_id(spans.get("task child.child"))
    assert read_parent(spans.get("query")) == read_span_id(spans.get("attempt diamond.extract")), "in a thread"
    assert read_parent(spans.get("insert")) == read_span_id(spans.get("attempt diamond.load")), "on the loop"
    assert len(ours) == 2 + 12
    assert not [link for span in ours for link in span.links]

    # the times of runs and tasks are those of the database, and attempts took as long as it says
    run_id = ref.workflow_run_id
    begin, end = MICROSECONDS.format("created_at"), MICROSECONDS.format("finished_at")
    (times,) = database.query(f"SELECT {begin}, {end} FROM plait.run WHERE id = %s", run_id)
    assert (to_microseconds(run.start_time), to_microseconds(run.end_time)) == times
    queued, took = MICROSECONDS.format("queued_at"), "(extract(epoch FROM finished_at - started_at) * 1000000)::bigint"
    rows = database.query(
        f"SELECT {queued}, {end}, {took}, {MICROSECONDS.format('started_at')} "
        "FROM plait.attempt WHERE run_id = %s ORDER BY task",
        run_id,
    )
    for name, (queued_at, finished_at, lasted, started_at) in zip(names, rows, strict=True):
        task, attempt = spans.get(f"task diamond.{name}"), spans.get(f"attempt diamond.{name}")
        assert (to_microseconds(task.start_time), to_microseconds(task.end_time)) == (queued_at, finished_at)
        assert attempt.start_time is not None
        assert attempt.end_time is not None
        assert attempt.end_time - attempt.start_time == lasted * 1000
        assert started_at * 1000 <= attempt.start_time, "no attempt begins before it was claimed"
        assert attempt.end_time <= (run.end_time or 0), "nor ends after its run"

    # what they say
    right = dict(spans.get("attempt diamond.right").attributes or {})
    assert right["user.rows"] == 7
    assert right["plait.run.id"] == run_id
    assert (right["plait.workflow.name"], right["plait.task.name"]) == ("diamond", "right")
    assert (right["plait.attempt.number"], right["plait.attempt.outcome"]) == (1, "completed")
    assert (run.attributes or {})["plait.run.outcome"] == "completed"


def test_what_a_run_carries_for_its_trace_is_no_metadata_of_its_users(plait: Plait, spans: Spans, work: Any) -> None:
    seen: list[dict[str, Any]] = []

    @plait.task(name="look")
    def look(input: EmptyModel, ctx: Context) -> None:
        seen.append(ctx.additional_metadata)

    work(look)
    with spans.tracer.start_as_current_span("request"):
        ref = look.run_no_wait(additional_metadata={"user": "anna"})
    ref.result()
    assert seen == [{"user": "anna"}]
    assert plait.runs.get(ref.workflow_run_id).metadata == {"user": "anna"}
    spans.wait("run look")
    with spans.tracer.start_as_current_span("request"):
        plait.event.push("order", {}, additional_metadata={"user": "anna"})
    server = runner.start(plait)
    try:
        run = http.get(f"{server.url}api/v1/runs/{ref.workflow_run_id}").json()
        (event,) = http.get(f"{server.url}api/v1/events").json()["items"]
    finally:
        server.stop()
    assert json.loads(run["metadata"]) == json.loads(event["metadata"]) == {"user": "anna"}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_attempts_of_a_task_that_is_retried_are_linked(plait: Plait, spans: Spans, work: Any, kind: str) -> None:
    def fail_once(ctx: Context) -> None:
        if ctx.retry_count == 0:
            raise ValueError("no luck")

    if kind == "sync":

        @plait.task(name="shaky", retries=1)
        def shaky(input: EmptyModel, ctx: Context) -> None:
            fail_once(ctx)
    else:

        @plait.task(name="shaky", retries=1)
        async def shaky(input: EmptyModel, ctx: Context) -> None:
            fail_once(ctx)

    work(shaky)
    shaky.run()
    run = spans.wait("run shaky")[0]
    first, second = spans.list("attempt shaky.shaky")
    task = spans.get("task shaky.shaky")
    assert run.parent is None, "started outside of any trace, it begins one"
    assert read_parent(first) == read_parent(second) == read_span_id(task)
    assert [link.context.span_id for link in second.links] == [read_span_id(first)]
    assert not first.links
    assert first.status.status_code is StatusCode.ERROR
    assert first.status.description == "ValueError: no luck"
    attributes = dict(first.attributes or {})
    assert (attributes["error.type"], attributes["plait.attempt.outcome"]) == ("ValueError", "retried")
    (event,) = first.events
    assert event.name == "exception"
    assert "fail_once" in str((event.attributes or {})["exception.stacktrace"])
    assert second.status.status_code is StatusCode.UNSET
    assert dict(task.attributes or {})["plait.attempt.count"] == 2
