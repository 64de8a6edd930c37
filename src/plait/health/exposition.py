"""Metrics as Prometheus reads them. Imported where somebody asks for metrics, and with it ``prometheus_client``."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric, generate_latest


class _Snapshot:
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def render_metrics(metrics: Iterable[Metric]) -> bytes:
    """The text format of Prometheus. No registry holds the metrics: workers of one process do not see each other's."""
    return generate_latest(_Snapshot(metrics))
