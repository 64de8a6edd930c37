"""Traces of what goes wrong: cancelled, replayed and lost work, and tracers that fail or block."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode
from opentelemetry.trace import TracerProvider as AnyProvider

from flows import family
from observability.conftest import Spans
from plait import Context, EmptyModel, Plait
from plait.graph.attempt import Report
from plait.graph.definition import Status
from plait.tracing import PlaitInstrumentor
from plait.tracing.recorder import Recorder
from plait.tracing.spans import AttemptSpan
from support.database import Database
from support.workers import QUICK, serve


def read_outcome(span: ReadableSpan) -> Any:
    return {key: value for key, value in (span.attributes or {}).items() if key.endswith(".outcome")}.popitem()[1]


def test_a_replayed_run_has_a_span_of_its_own_linked_to_the_first(plait: Plait, spans: Spans, work: Any) -> None:
    broken = [True]
    flow = plait.workflow(name="flow")

    @flow.task()
    def good(input: EmptyModel, ctx: Context) -> int:
        return 1

    @flow.task(parents=[good])
    def bad(input: EmptyModel, ctx: Context) -> int:
        if broken:
            raise ValueError("broken")
        return 1

    work(flow)
    ref = flow.run_no_wait()
    first = spans.wait("run flow")[0]
    assert (first.status.status_code, read_outcome(first)) == (StatusCode.ERROR, "failed")
    broken.clear()
    plait.runs.replay(ref.workflow_run_id)
    ref.result()
    again = spans.wait("run flow", 2)[1]
    assert first.context
    assert again.context
    assert again.context.trace_id == first.context.trace_id
    assert again.context.span_id != first.context.span_id
    assert [link.context.span_id for link in again.links] == [first.context.span_id]
    tasks = [
        span for span in spans.list("task flow.bad") if span.parent and span.parent.span_id == again.context.span_id
    ]
    assert [read_outcome(task) for task in tasks] == ["completed"]
    assert len(spans.list("task flow.good")) == 1, "what was not run again has no second span"


def test_a_cancelled_run_is_exported_by_whoever_cancelled_it(plait: Plait, spans: Spans, work: Any) -> None:
    begun, ended = threading.Event(), threading.Event()

    @plait.task(name="long")
    def long(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        while not ctx.is_cancelled:
            ended.wait(0.01)

    work(long)
    ref = long.run_no_wait()
    assert begun.wait(30)
    plait.runs.cancel(ref.workflow_run_id)
    assert read_outcome(spans.wait("run long")[0]) == "cancelled"
    assert read_outcome(spans.wait("task long.long")[0]) == "cancelled"
    attempt = spans.wait("attempt long.long")[0]
    assert (read_outcome(attempt), attempt.status.status_code) == ("cancelled", StatusCode.UNSET)


def test_an_attempt_that_takes_too_long_says_so(plait: Plait, spans: Spans, work: Any) -> None:
    @plait.task(name="slow", execution_timeout="50ms")
    async def slow(input: EmptyModel, ctx: Context) -> None:
        await asyncio.Event().wait()

    work(slow)
    slow.run_no_wait()
    run = spans.wait("run slow")[0]
    attempt = spans.get("attempt slow.slow")
    assert (attempt.attributes or {})["error.type"] == "TaskTimeoutError"
    assert (run.status.status_code, attempt.status.status_code) == (StatusCode.ERROR, StatusCode.ERROR)


def test_an_attempt_lost_with_its_worker_is_exported_by_who_ends_the_run(
    plait: Plait, spans: Spans, database: Database, work: Any, worker_process: Any, tmp_path: Any
) -> None:
    gate = tmp_path / "gate"
    dead = worker_process("family", timings=QUICK, gate=str(gate), children=1, stop_at=0)
    parent, child = family.declare(plait, gate=str(gate), children=1, stop_at=0)
    ref = parent.run_no_wait()
    database.wait("SELECT count(*) > 0 FROM plait.running")
    dead.process.send_signal(signal.SIGKILL)
    dead.process.wait()
    gate.touch()
    work(parent, child)
    ref.result()
    run = spans.wait("run parent")[0]
    lost, finished = spans.list("attempt parent.parent")
    assert (read_outcome(lost), read_outcome(finished)) == ("lost", "completed")
    assert lost.context
    assert [link.context.span_id for link in finished.links] == [lost.context.span_id]
    assert run.context
    assert lost.context.trace_id == run.context.trace_id


def test_an_attempt_whose_lease_was_lost_is_not_told_twice(spans: Spans) -> None:
    """The process lives on, and its code comes to an end: whoever ends the run tells of the lost attempt."""
    recorder = Recorder()
    span = AttemptSpan(spans.tracer.start_span("attempt"), cast(Any, None), 0, recorder)
    span.abandon()
    span.finish(Report(Status.COMPLETED))
    assert asyncio.run(recorder.drain(30))
    assert spans.list() == []


def test_the_first_outcome_of_an_attempt_counts(spans: Spans) -> None:
    recorder = Recorder()
    span = AttemptSpan(spans.tracer.start_span("attempt", start_time=1000), cast(Any, None), 1000, recorder)
    span.finish(Report(Status.CANCELLED, reason="enough", elapsed_us=7))
    span.finish(Report(Status.COMPLETED))
    assert asyncio.run(recorder.drain(30))
    (ended,) = spans.list()
    assert (read_outcome(ended), ended.end_time) == ("cancelled", 8000)
    assert (ended.attributes or {})["plait.attempt.reason"] == "enough"


# faults of tracers


class _BrokenProvider(AnyProvider):
    def get_tracer(self, *args: Any, **options: Any) -> Any:
        raise RuntimeError("no tracer today")


class _BrokenExporter(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        raise RuntimeError("no export today")


def make_broken_provider(what: str) -> Any:
    if what == "provider":
        return _BrokenProvider()
    provider = TracerProvider()
    if what == "exporter":
        provider.add_span_processor(SimpleSpanProcessor(_BrokenExporter()))
        return provider
    processor = SimpleSpanProcessor(_BrokenExporter())

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"no {what} today")

    setattr(processor, what, refuse)
    provider.add_span_processor(processor)
    return provider


@pytest.mark.parametrize("what", ["provider", "on_start", "on_end", "exporter"])
def test_a_tracer_that_fails_fails_no_task(what: str, database: Database) -> None:
    PlaitInstrumentor().instrument(tracer_provider=make_broken_provider(what))
    try:
        plait = Plait(database.url)

        @plait.task(name="task")
        def task(input: EmptyModel, ctx: Context) -> int:
            return 1

        worker = serve(plait, task)
        assert task.run() == 1
        worker.stop()
        plait.close()
    finally:
        PlaitInstrumentor().uninstrument()


def test_nothing_waits_for_an_exporter_that_blocks(make_spans: Any, database: Database) -> None:
    """Ten runs end while the very first span is still on its way out."""
    gate, reached = threading.Event(), threading.Event()

    class Blocked(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            reached.set()
            gate.wait(60)
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Blocked()))
    make_spans(provider)
    plait = Plait(database.url)

    @plait.task(name="task")
    async def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    worker = serve(plait, task)
    try:
        for _ in range(10):
            assert task.run() == 1
        assert reached.wait(30)
    finally:
        gate.set()
        worker.stop()
        plait.close()
