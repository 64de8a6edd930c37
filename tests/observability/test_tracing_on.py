"""Tracing is switched on, samples, and carries contexts; while it is off there is nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from opentelemetry import baggage, context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased

from observability.conftest import Spans
from plait import Context, EmptyModel, Plait
from plait.tracing import PlaitInstrumentor, find_tracing
from support import launcher
from support.database import Database
from support.workers import serve


def test_a_trace_that_is_not_sampled_exports_nothing_and_is_carried_all_the_same(
    make_spans: Any, database: Database, work: Any
) -> None:
    spans = make_spans(TracerProvider(sampler=ParentBased(ALWAYS_OFF)))
    plait = Plait(database.url)

    @plait.task(name="quiet")
    def quiet(input: EmptyModel, ctx: Context) -> None: ...

    worker = serve(plait, quiet)
    quiet.run()
    with spans.tracer.start_as_current_span("request"):
        quiet.run()
    worker.stop()
    plait.close()
    assert spans.list() == []
    assert database.count("run", "metadata ? 'plait.trace'") == 1


def test_a_sampler_decides_about_a_whole_run(make_spans: Any, database: Database) -> None:
    spans = make_spans(TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.5))))
    plait = Plait(database.url)

    @plait.task(name="some")
    def some(input: EmptyModel, ctx: Context) -> None: ...

    worker = serve(plait, some)
    some.run_many([some.create_bulk_run_item() for _ in range(40)])
    worker.stop()
    plait.close()
    runs, tasks, attempts = (len(spans.list(f"{what} some")) for what in ("run", "task", "attempt"))
    assert runs == tasks == attempts
    assert 0 < runs < 40


def test_baggage_reaches_the_task(plait: Plait, spans: Spans, work: Any) -> None:
    @plait.task(name="carrier")
    def carrier(input: EmptyModel, ctx: Context) -> object:
        return baggage.get_baggage("tenant")

    work(carrier)
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    try:
        assert carrier.run() == "acme"
    finally:
        context.detach(token)


def test_an_event_carries_the_trace_to_the_runs_it_starts(plait: Plait, spans: Spans, work: Any) -> None:
    @plait.task(name="listener", on_events=["order"])
    def listener(input: EmptyModel, ctx: Context) -> None: ...

    work(listener)
    with spans.tracer.start_as_current_span("request") as request:
        event = plait.event.push("order", {}, additional_metadata={"user": "anna"})
    assert event.metadata == {"user": "anna"}
    run = spans.wait("run listener")[0]
    assert run.parent
    assert run.parent.span_id == request.get_span_context().span_id


def test_other_implementations_of_the_api_get_spans_of_attempts(database: Database) -> None:
    """Their ids cannot be chosen, so there is nothing that runs and tasks could be exported as."""
    spans = Spans()

    class Other:
        def start_span(self, name: str, **options: Any) -> Any:
            return spans.tracer.start_span(name, **options)

    class OtherProvider:
        def get_tracer(self, *_: Any) -> Any:
            return Other()

    PlaitInstrumentor().instrument(tracer_provider=OtherProvider())  # type: ignore[arg-type]
    try:
        plait = Plait(database.url)

        @plait.task(name="task")
        def task(input: EmptyModel, ctx: Context) -> None: ...

        worker = serve(plait, task)
        with spans.tracer.start_as_current_span("request") as request:
            task.run()
        worker.stop()
        plait.close()
        attempt = spans.get("attempt task.task")
        assert attempt.parent
        assert attempt.parent.span_id == request.get_span_context().span_id
        assert {span.name for span in spans.list()} == {"request", "attempt task.task"}
    finally:
        PlaitInstrumentor().uninstrument()


def test_nothing_of_opentelemetry_is_loaded_while_tracing_is_off(database: Database) -> None:
    code = (
        "import sys, threading\n"
        "from plait import Context, EmptyModel, Plait\n"
        "plait = Plait()\n"
        "@plait.task(name='task')\n"
        "def task(input: EmptyModel, ctx: Context) -> int: return 1\n"
        "worker = plait.worker()\n"
        "threading.Thread(target=worker.start, daemon=True).start()\n"
        "task.run()\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    env = {**os.environ, "DATABASE_URL": database.url}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


TRACED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import threading
from plait import Context, EmptyModel, Plait

plait = Plait()

@plait.task(name="task")
def task(input: EmptyModel, ctx: Context) -> int:
    return 1

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
worker = plait.worker()
thread = threading.Thread(target=worker.start)
thread.start()
with trace.get_tracer("app").start_as_current_span("request"):
    task.run()
worker.stop()
thread.join()
spans = {span.name: span for span in exporter.get_finished_spans()}
print(sorted(spans), len({span.context.trace_id for span in spans.values()}))
"""


def run_code(code: str, database: Database, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return launcher.run(
        ["-c", code, *arguments], cwd=launcher.TESTS, env={**os.environ, "DATABASE_URL": database.url, **env}
    )


def test_the_setting_switches_it_on_for_the_global_provider(database: Database) -> None:
    done = run_code(TRACED, database, PLAIT_TRACING="1")
    assert done.stdout == "['attempt task.task', 'request', 'run task', 'task task.task'] 1\n", done.stderr
    done = run_code(TRACED, database)
    assert done.stdout == "['request'] 1\n", done.stderr


def test_without_opentelemetry_it_says_what_to_install(database: Database) -> None:
    code = "import sys; sys.modules['opentelemetry'] = None\nfrom plait.tracing import find_tracing\nfind_tracing()"
    done = run_code(code, database, PLAIT_TRACING="1")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("OperationError: tracing needs OpenTelemetry: pip install 'plait[otel]'")


TRIES = """
import sys
if sys.argv[1:] == ["missing"]:
    sys.modules["opentelemetry"] = None
from plait import Context, EmptyModel, Plait
from plait.errors import OperationError

plait = Plait()

@plait.task(name="task")
def task(input: EmptyModel, ctx: Context) -> None: ...

for what in (task.run_no_wait, task.run_no_wait, plait.__enter__):
    try:
        what()
    except OperationError as error:
        print(type(error).__name__, error)
"""


def test_a_setting_that_cannot_be_followed_is_told_each_time_and_starts_nothing(database: Database) -> None:
    done = run_code(TRIES, database, "missing", PLAIT_TRACING="1")
    told = "OperationError tracing needs OpenTelemetry: pip install 'plait[otel]'"
    assert done.stdout.splitlines() == [told] * 3, done.stderr
    done = run_code(TRIES, database, PLAIT_TRACING="maybe")
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stderr
    assert all(line.startswith("SettingError PLAIT_TRACING='maybe' is wrong") for line in lines)
    assert database.count("run") == 0


AT_EXIT = """
import logging
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from plait import Context, EmptyModel, Plait
from plait.client import get_access
from plait.tracing import PlaitInstrumentor

class Printer(SpanExporter):
    def export(self, spans):
        print(*[span.name for span in spans])
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis=0):
        return True

provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(Printer()))
PlaitInstrumentor().instrument(tracer_provider=provider)
logging.basicConfig()
logging.getLogger("plait").setLevel(logging.DEBUG)
plait = Plait()

@plait.task(name="task")
def task(input: EmptyModel, ctx: Context) -> None: ...

plait.runs.cancel(task.run_no_wait().workflow_run_id)

class Embedded:
    def release(self):
        print("released")

def wrap(name, step):
    async def close():
        await step()
        print(name)
        if name == "hub":
            raise ValueError("the hub will not stop")
    return close

engine = get_access(plait).engine
engine.hub.stop, engine.store.close = wrap("hub", engine.hub.stop), wrap("store", engine.store.close)
engine._embedded = Embedded()
"""


def test_a_process_that_ends_exports_its_spans_and_takes_every_step_of_closing(database: Database) -> None:
    """No executor takes work any more then; and a step that fails keeps none from being taken."""
    done = run_code(AT_EXIT, database)
    assert "shutdown" not in done.stderr, done.stderr
    *spans, hub, store, released = done.stdout.splitlines()
    assert sorted(spans) == ["run task", "task task.task"], done.stderr
    assert [hub, store, released] == ["hub", "store", "released"]


def test_tracing_may_begin_between_a_trigger_and_the_worker(make_spans: Any, database: Database) -> None:
    plait = Plait(database.url)

    @plait.task(name="task")
    def task(input: EmptyModel, ctx: Context) -> None: ...

    early = task.run_no_wait()
    spans = make_spans()
    worker = serve(plait, task)
    early.result()
    worker.stop()
    plait.runs.cancel(task.run_no_wait().workflow_run_id)
    plait.close()
    assert [len(spans.list(what)) for what in ("attempt task.task", "task task.task", "run task")] == [1, 2, 2]


def test_auto_instrumentation_finds_it() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["opentelemetry_instrumentor"] == {"plait": "plait.tracing:PlaitInstrumentor"}
    instrumentor = PlaitInstrumentor()
    assert not instrumentor.is_instrumented_by_opentelemetry
    instrumentor.instrument(skip_dep_check=True)  # as opentelemetry-instrument calls it
    assert instrumentor.is_instrumented_by_opentelemetry
    instrumentor.uninstrument()
    assert find_tracing() is None
