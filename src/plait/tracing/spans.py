"""The spans themselves. Whatever goes wrong here is logged, and never reaches a task, a trigger or the engine.

The span of an attempt is begun where its code runs, so that it is the current one there, by the clock of the worker.
The spans of runs and tasks are made afterwards, from the times that the database has (``lifetimes.py``).
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from plait.errors import InvalidInputError, PayloadTooLargeError
from plait.graph.attempt import Attempt, Report, RunState
from plait.graph.definition import Status as Outcome
from plait.graph.triggers import TRACE_KEY
from plait.tracing.ids import derive_attempt_span, derive_task_span, derive_trace_id
from plait.tracing.recorder import Recorder
from plait.values.encoding import encode_metadata
from plait.version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider


MOST_BAGGAGE = 1024
"""Characters of baggage that a run takes along; more is left behind."""
DESCRIPTION_LIMIT = 500


class RunPlace(NamedTuple):
    """Where a run belongs: the context of its trigger, and the trace it is part of.

    ``parent`` is the trigger's span; not valid for a run that was started outside of any trace.
    """

    context: Context
    parent: SpanContext
    trace_id: int
    flags: TraceFlags

    def make_parent(self, span_id: int) -> Context:
        """The context of a span of this run that is, or will be, exported elsewhere."""
        state = self.parent.trace_state if self.parent.is_valid else None
        known = SpanContext(self.trace_id, span_id, is_remote=True, trace_flags=self.flags, trace_state=state)
        return trace.set_span_in_context(NonRecordingSpan(known), self.context)


class _ChosenIds:
    """An id generator that gives the ids chosen for the span that this thread is about to start."""

    def __init__(self, others: Any) -> None:
        self._others = others
        self._chosen = threading.local()

    def choose(self, trace_id: int, span_id: int) -> None:
        self._chosen.trace_id, self._chosen.span_id = trace_id, span_id

    def generate_trace_id(self) -> int:
        return int(self._chosen.trace_id)

    def generate_span_id(self) -> int:
        return int(self._chosen.span_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._others, name)


class AttemptSpan:
    """The span of an attempt whose code runs. Ended once, by whoever knows the outcome first."""

    __slots__ = ("_attempt", "_open", "_recorder", "_started")

    def __init__(self, span: Span, attempt: Attempt, started: int, recorder: Recorder) -> None:
        self._open = [span]
        self._attempt = attempt
        self._started = started
        self._recorder = recorder

    def end_code(self, report: Report, error: BaseException | None = None) -> None:
        """The code has ended (user's side). If the attempt was taken away meanwhile, that is its outcome."""
        if self._attempt.concluded:
            report = report._replace(status=Outcome.CANCELLED, error=None, reason="its run was cancelled")
        self.finish(report, error)

    def finish(self, report: Report, error: BaseException | None = None) -> None:
        """End it with the attempt's outcome, from any thread; returns at once. Later outcomes are ignored."""
        try:
            span = self._open.pop()
        except IndexError:
            return
        elapsed = report.elapsed_us * 1000
        ended = self._started + elapsed if elapsed else time.time_ns()
        self._recorder.put(partial(_end_attempt, span, report, error, ended))

    def abandon(self) -> None:
        """The lease is lost: what becomes of the attempt, the database says, and whoever ends the run exports it."""
        self._open.clear()


class Tracing:
    """Makes the spans of this process with one tracer.

    The tracer of OpenTelemetry's SDK lets the ids of spans be chosen. With another implementation of the API there
    are spans of attempts alone, below that of the trigger.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self.recorder = Recorder()
        self._provider = provider
        self._tracer: Tracer | None = None
        self._ids: _ChosenIds | None = None

    # the trigger

    def carry(self, metadata: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """``metadata`` with the current trace context, which the run is to take along if there is room for it."""
        try:
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            if len(carrier.get("baggage", "")) > MOST_BAGGAGE:
                del carrier["baggage"]
        except Exception as error:
            self.recorder.tell(error)
            return metadata
        if not carrier:
            return metadata
        carried = {**(metadata or {}), TRACE_KEY: carrier}
        if metadata and not self._has_room(carried):
            return metadata
        return carried

    def _has_room(self, carried: Mapping[str, Any]) -> bool:
        try:
            encode_metadata(carried, where="")
        except PayloadTooLargeError:
            self.recorder.tell("a run or event was left out of its trace: its metadata is too large for the context")
            return False
        except InvalidInputError:  # the caller's own fault, and told by who encodes it
            pass
        return True

    # attempts

    def start_attempt(self, attempt: Attempt, worker_id: str) -> AttemptSpan | None:
        """Begin the span of an attempt, and make it the current one of the code that runs here from now on."""
        try:
            return self._start_attempt(attempt, worker_id)
        except Exception as error:
            self.recorder.tell(error)
            return None

    def _start_attempt(self, attempt: Attempt, worker_id: str) -> AttemptSpan | None:
        run, task, number, name = attempt.run, attempt.task, attempt.attempt, attempt.name
        place = self.find_place(run)
        if place is None:
            return None
        started = time.time_ns()
        parent = place.make_parent(derive_task_span(run.id, run.first_attempt, task)) if self._ids else place.context
        links: tuple[Link, ...] = ()
        if number > run.first_attempt and self._ids:
            earlier = SpanContext(place.trace_id, derive_attempt_span(run.id, task, number - 1), True, place.flags)
            links = (Link(earlier, {"plait.link": "retry"}),)
        span = self.start_span(
            f"attempt {run.version.definition.name}.{name}",
            derive_attempt_span(run.id, task, number),
            parent,
            SpanKind.CONSUMER,
            describe_attempt(run.id, run.version.definition.name, task, name, number, worker_id)
            | {"plait.retry.count": attempt.retry},
            links,
            started,
        )
        otel_context.attach(trace.set_span_in_context(span, parent))
        return AttemptSpan(span, attempt, started, self.recorder)

    # runs

    def find_place(self, run: RunState) -> RunPlace | None:
        """Where a run that this worker holds belongs; None while there is no tracer to ask."""
        if run.trace is None:
            run.trace = self.read_place(run.id, run.metadata)
        place: RunPlace | None = run.trace
        return place

    def read_place(self, run_id: UUID, metadata: str | None) -> RunPlace | None:
        """Where a run belongs, by its id and its metadata as stored."""
        tracer = self.find_tracer()
        if tracer is None:
            return None
        carrier = json.loads(metadata).get(TRACE_KEY) if metadata and TRACE_KEY in metadata else None
        base = propagate.extract(carrier, context=Context()) if isinstance(carrier, dict) else Context()
        parent = trace.get_current_span(base).get_span_context()
        if parent.is_valid:
            return RunPlace(base, parent, parent.trace_id, parent.trace_flags)
        trace_id = derive_trace_id(run_id)
        return RunPlace(base, trace.INVALID_SPAN_CONTEXT, trace_id, _sample_root(tracer, trace_id))

    def wants_lifetime(self, run: RunState) -> bool:
        """Whether the spans of a run that this worker ended are to be made."""
        try:
            place = self.find_place(run)
        except Exception as error:
            self.recorder.tell(error)
            return False
        return place is not None and self._ids is not None and place.flags.sampled

    # making

    def start_span(
        self,
        name: str,
        span_id: int,
        parent: Context,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        links: Sequence[Link],
        start_ns: int,
        trace_id: int = 0,
    ) -> Span:
        """Begin a span under a chosen id, in the trace of ``parent`` or else in ``trace_id``."""
        tracer = self.find_tracer()
        assert tracer is not None
        if self._ids is not None:
            self._ids.choose(trace_id, span_id)
        return tracer.start_span(
            name, context=parent, kind=kind, attributes=dict(attributes), links=links, start_time=start_ns
        )

    def find_tracer(self) -> Tracer | None:
        """The tracer; None as long as nobody has set a provider."""
        if self._tracer is None:
            provider = self._provider or trace.get_tracer_provider()
            if isinstance(provider, trace.ProxyTracerProvider):
                return None
            tracer = provider.get_tracer("plait", __version__)
            if hasattr(tracer, "id_generator"):
                # The SDK gives the same tracer to all who ask under one name.
                tracer = copy.copy(tracer)
                self._ids = _ChosenIds(tracer.id_generator)  # pyright: ignore[reportAttributeAccessIssue]
                tracer.id_generator = self._ids  # pyright: ignore[reportAttributeAccessIssue]
            self._tracer = tracer
        return self._tracer

    async def flush(self, seconds: float) -> None:
        """Have everything exported that has ended; takes up to ``seconds``, and never raises."""

        def export() -> None:
            flush = getattr(self._provider or trace.get_tracer_provider(), "force_flush", None)
            if flush is not None:
                flush(int(seconds * 1000))

        # On the recorder's thread, so that one that does not heed its time limit keeps nobody.
        try:
            self.recorder.put(export)
            drained = await self.recorder.drain(seconds)
        except RuntimeError as error:  # the interpreter ends and starts no thread any more
            self.recorder.tell(error)
            return
        if not drained:
            self.recorder.tell(f"spans were not exported within {seconds:g} s")


def describe_run(run_id: UUID, workflow: str) -> dict[str, Any]:
    """What all spans of a run say."""
    return {"plait.workflow.name": workflow, "plait.run.id": str(run_id)}


def describe_task(run_id: UUID, workflow: str, task: int, name: str) -> dict[str, Any]:
    """What the spans of a task and of its attempts say."""
    return describe_run(run_id, workflow) | {"plait.task.name": name, "plait.task_run.id": f"{run_id}:{task}"}


def describe_attempt(
    run_id: UUID, workflow: str, task: int, name: str, attempt: int, worker_id: str | None
) -> dict[str, Any]:
    """What the span of an attempt says when it begins: ours, and what the conventions for messaging ask for."""
    return describe_task(run_id, workflow, task, name) | {
        "plait.attempt.number": attempt,
        "plait.worker.id": worker_id or "",
        "messaging.system": "plait",
        "messaging.operation.type": "process",
        "messaging.operation.name": "attempt",
        "messaging.destination.name": f"{workflow}.{name}",
        "messaging.message.id": f"{run_id}:{task}",
    }


def set_outcome(span: Span, what: str, outcome: Outcome, error: bytes | None, reason: str | None) -> None:
    """Say how a run, task or attempt ended: ``plait.<what>.outcome``, and the status of the span."""
    span.set_attribute(f"plait.{what}.outcome", outcome.name.lower())
    if reason:
        span.set_attribute(f"plait.{what}.reason", reason)
    if outcome not in (Outcome.FAILED, Outcome.RETRIED, Outcome.LOST):
        return
    record = json.loads(error) if error else {}
    kind, message = record.get("type", ""), record.get("message", "") or reason or ""
    if kind:
        span.set_attribute("error.type", kind)
    text = f"{kind}: {message}" if kind else message
    span.set_status(Status(StatusCode.ERROR, text[:DESCRIPTION_LIMIT]))


def _end_attempt(span: Span, report: Report, error: BaseException | None, ended: int) -> None:
    try:
        set_outcome(span, "attempt", report.status, report.error, report.reason)
        if error is not None and report.error is not None:
            span.record_exception(error, timestamp=ended)
    finally:
        span.end(ended)


def _sample_root(tracer: Any, trace_id: int) -> TraceFlags:
    """What the sampler says of a trace that begins with a run. Asked again when the run has ended: by then the answer
    must be the same, which it is for samplers that go by the trace id."""
    sampler = getattr(tracer, "sampler", None)
    if sampler is None:
        return TraceFlags(TraceFlags.SAMPLED)
    result = sampler.should_sample(None, trace_id, "run", SpanKind.INTERNAL, {}, ())
    return TraceFlags(TraceFlags.SAMPLED if result.decision.is_sampled() else TraceFlags.DEFAULT)
