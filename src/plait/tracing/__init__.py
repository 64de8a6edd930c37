"""Traces by OpenTelemetry: a span per run, task and attempt. Switched on for a process; nothing is paid until then.

This module imports no OpenTelemetry; ``spans.py`` does, once tracing is switched on.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from plait.errors import OperationError
from plait.settings import settings

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from plait.tracing.spans import Tracing

_active: Tracing | None = None
_asked = False
"""Whether the setting was looked at, and could be followed: nothing is read before the first use."""
_lock = threading.RLock()
"""Held while the setting is followed: threads that trigger first at the same time share one ``Tracing``."""


def find_tracing() -> Tracing | None:
    """What traces this process; None while that is off. The setting ``tracing`` can have it on from the beginning.

    Raises ``SettingError`` or ``OperationError`` when that setting is wrong or cannot be followed: every time, until
    it is put right, so that nobody runs untraced without knowing. Once it has answered it does not raise any more.
    """
    if not _asked:
        _follow_setting()
    return _active


def _follow_setting() -> None:
    global _asked
    with _lock:
        if not _asked:
            if _active is None and settings.tracing:
                PlaitInstrumentor().instrument()
            _asked = True


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
        try:
            from plait.tracing.spans import Tracing  # noqa: PLC0415 - OpenTelemetry is an extra
        except ImportError as error:
            raise OperationError("tracing needs OpenTelemetry: pip install 'plait[otel]'") from error
        with _lock:
            _active = Tracing(tracer_provider)
            _asked = True

    def uninstrument(self, **_: Any) -> None:
        """Trace no more. Workers that run go on as they began."""
        global _active
        _active = None

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether tracing is on."""
        return _active is not None
