"""Traces by OpenTelemetry: a span per run, task and attempt. Switched on for a process; nothing is paid until then.

This module imports no OpenTelemetry; ``spans.py`` does, once tracing is switched on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plait.errors import OperationError
from plait.settings import settings

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from plait.tracing.spans import Tracing

_active: Tracing | None = None
_asked = False
"""Whether the setting was looked at: nothing is read before the first use."""


def find_tracing() -> Tracing | None:
    """What traces this process; None while that is off. The setting ``tracing`` can have it on from the beginning."""
    global _asked
    if not _asked:
        _asked = True
        if _active is None and settings.tracing:
            PlaitInstrumentor().instrument()
    return _active


class PlaitInstrumentor:
    """Switches tracing on and off for this process, as the instrumentations of other libraries do.

    ``opentelemetry-instrument plait worker …`` finds it by itself, and so does ``PLAIT_TRACING=1``.
    """

    def instrument(self, *, tracer_provider: TracerProvider | None = None, **_: Any) -> None:
        """Trace what is triggered and run from now on; before the worker starts.

        Args:
            tracer_provider: where the spans go. Left out: OpenTelemetry's global one, also if that is set later.

        Raises ``OperationError`` when ``opentelemetry-api`` is not installed. Repeating it changes the provider for
        what starts afterwards.
        """
        global _active, _asked
        _asked = True
        try:
            from plait.tracing.spans import Tracing  # noqa: PLC0415 - OpenTelemetry is an extra
        except ImportError as error:
            raise OperationError("tracing needs OpenTelemetry: pip install 'plait[otel]'") from error
        _active = Tracing(tracer_provider)

    def uninstrument(self, **_: Any) -> None:
        """Trace no more. Workers that run go on as they began."""
        global _active
        _active = None

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether tracing is on."""
        return _active is not None
