"""Spans of real workers, caught by the SDK's exporter in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from plait import Plait
from plait.tracing import PlaitInstrumentor
from plait.worker.identity import Timings
from support.database import Database
from support.waiting import eventually

BRISK = Timings(heartbeat=0.2, lease=20.0, margin=2.0, grace=5.0)
"""Tells its pace soon, and loses no lease on a busy machine."""


class Spans:
    """What was exported so far."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def list(self, name: str = "") -> list[ReadableSpan]:
        """Spans whose names begin so, in order of their start."""
        found = [span for span in self.exporter.get_finished_spans() if span.name.startswith(name)]
        return sorted(found, key=lambda span: span.start_time or 0)

    def get(self, name: str) -> ReadableSpan:
        """The one span of that name."""
        (found,) = [span for span in self.list(name) if span.name == name]
        return found

    def wait(self, name: str, count: int = 1) -> Sequence[ReadableSpan]:
        """The spans of that name, once there are so many."""
        return eventually(
            lambda: found if len(found := self.list(name)) >= count else None,
            f"{count} spans {name!r} of {[span.name for span in self.list()]}",
        )


@pytest.fixture
def make_spans() -> Iterator[Callable[[TracerProvider | None], Spans]]:
    """Switches tracing on, with a provider of the test's own if it brings one."""

    def start(provider: TracerProvider | None = None) -> Spans:
        spans = Spans()
        if provider is not None:
            spans.provider = provider
            spans.provider.add_span_processor(SimpleSpanProcessor(spans.exporter))
            spans.tracer = provider.get_tracer("test")
        PlaitInstrumentor().instrument(tracer_provider=spans.provider)
        return spans

    yield start
    PlaitInstrumentor().uninstrument()


@pytest.fixture
def spans(make_spans: Any) -> Spans:
    """Tracing is on; what was exported."""
    found: Spans = make_spans()
    return found


@pytest.fixture
def plait(spans: Spans, database: Database) -> Iterator[Plait]:
    """A Plait on the test's database, made when tracing is on."""
    plait = Plait(database.url)
    yield plait
    plait.close()
