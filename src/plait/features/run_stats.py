"""How many runs there are, by status and over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from plait.features.run_rows import build_summary
from plait.features.run_search import CANDIDATES, Found, RunFilter, build_search, search_candidates
from plait.features.shapes import Answer

if TYPE_CHECKING:
    from plait.store.store import Store

CHARTED = 30_000
"""Runs that a chart counts. Those that have not ended cost more than others: it asks whether any of them has begun."""
MOST_BARS = 200
_FIELD_BY_CODE = {0: "queued", 1: "running", 2: "completed", 3: "cancelled", 4: "failed"}


@dataclass(frozen=True, slots=True)
class RunCounts(Answer):
    """Runs by status."""

    queued: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.queued + self.running + self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class RunCount(Answer):
    """How many ``runs`` match; at least so many where the count is ``capped``."""

    runs: int
    capped: bool

    def __int__(self) -> int:
        return self.runs


@dataclass(frozen=True, slots=True)
class HistogramBar(Answer):
    """The runs triggered from ``start`` on, until the start of the next bar."""

    start: datetime
    counts: RunCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStats(Answer):
    """Runs by status, and over the time of their triggers.

    ``capped``: only the newest were counted, those since ``since``: there are more, the counts are lower bounds.
    """

    counts: RunCounts
    bars: tuple[HistogramBar, ...]
    since: Annotated[datetime | None, Field(description="Where the first bar begins; null when there are no runs.")]
    until: Annotated[datetime | None, Field(description="Where the last bar ends.")]
    capped: bool


async def read_stats(store: Store, wanted: RunFilter, bars: int) -> RunStats:
    """Counts per status and a histogram of the newest runs that pass."""
    search = build_search(wanted, None)
    if search.active or search.triggered_by is not None:
        return _chart_rows(await search_candidates(store, search, CANDIDATES), wanted, bars)
    span = (wanted.since, wanted.until)
    rows = await store.runs.chart(search.before, search.first, search.filters, span, CHARTED, bars)
    capped = await store.runs.find_before(search.before, search.first, CHARTED + 1) is not None
    counts: Counter[tuple[int, str]] = Counter()
    for row in rows:
        counts[row["bar"] - 1, _FIELD_BY_CODE[row["code"]]] += row["runs"]
    found_span = (rows[0]["first"], rows[0]["last"]) if rows else None
    return _build_stats(counts, found_span, bars, capped)


def _chart_rows(found: Found, wanted: RunFilter, bars: int) -> RunStats:
    """The same as the statement counts, of runs that are at hand."""
    runs = [build_summary(row) for row in found.rows]
    counts: Counter[tuple[int, str]] = Counter()
    if not runs:
        return _build_stats(counts, None, bars, found.next is not None)
    first = (wanted.since or runs[-1].created_at).timestamp()
    last = max((wanted.until or runs[0].created_at).timestamp(), first + 1)
    for run in runs:
        place = int((run.created_at.timestamp() - first) / (last - first) * bars)
        counts[min(max(place, 0), bars - 1), run.status.value.lower()] += 1
    return _build_stats(counts, (first, last), bars, found.next is not None)


def _build_stats(
    counts: Counter[tuple[int, str]], span: tuple[float, float] | None, bars: int, capped: bool
) -> RunStats:
    if span is None:
        return RunStats(counts=RunCounts(), bars=(), since=None, until=None, capped=capped)
    totals: Counter[str] = Counter()
    per_bar: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for (bar, word), number in counts.items():
        totals[word] += number
        per_bar[bar][word] += number
    begin = datetime.fromtimestamp(span[0], UTC)
    width = timedelta(seconds=(span[1] - span[0]) / bars)
    return RunStats(
        counts=RunCounts(**totals),
        bars=tuple(HistogramBar(begin + width * bar, RunCounts(**per_bar[bar])) for bar in range(bars)),
        since=begin,
        until=datetime.fromtimestamp(span[1], UTC),
        capped=capped,
    )
