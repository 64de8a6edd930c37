"""Which runs: a filter, and the bounded search for the runs that pass it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from plait.errors import InvalidInputError
from plait.features.checks import check_texts, parse_id
from plait.features.run_rows import ACTIVE
from plait.graph.definition import Status
from plait.graph.triggers import TriggerKind
from plait.ids import bound_run_id
from plait.types import WorkflowRunStatus
from plait.values.encoding import encode_metadata
from plait.wording import shorten

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.runs import RunFilters
    from plait.store.store import Store

LOOK_AT = 50_000
"""Runs that one statement of a search looks at."""
SEARCH_SECONDS = 0.05
"""A page that is not full looks at more, until that is over."""
CANDIDATES = 2_000
"""Runs found by what they are in, or by what started them, that one page looks at."""
FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
_EPOCH, _FAR = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)

UNFINISHED = (WorkflowRunStatus.QUEUED, WorkflowRunStatus.RUNNING)
UNSUCCESSFUL = (WorkflowRunStatus.FAILED, WorkflowRunStatus.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to choose. A field that is left out restricts nothing.

    Args:
        since, until: triggered at or after ``since`` and before ``until``, by the clock of whoever triggered them.
        statuses, workflow_names: any of these.
        additional_metadata: runs whose metadata contains all of this. A string is compared as text, so that ``"42"``
            finds the number as well.
        triggers: started by any of these: ``PARENT``, ``EVENT``, ``CRON``, ``SCHEDULED``, ``REPLAY``.
        triggered_by: started by the event, cron, scheduled run or replayed run with this id.
    """

    since: datetime | None = None
    until: datetime | None = None
    statuses: Sequence[WorkflowRunStatus] | None = None
    workflow_names: Sequence[str] | None = None
    additional_metadata: Mapping[str, Any] | None = None
    triggers: Sequence[str] | None = None
    triggered_by: str | None = None


class Search(NamedTuple):
    """A filter as the store takes it. ``active``: only runs that have not ended can pass."""

    before: UUID
    """Below which id it begins: that of the last run of the page before, or ``until``."""
    first: UUID
    until: UUID
    filters: RunFilters
    active: bool
    triggered_by: UUID | None


class Found(NamedTuple):
    """What a bounded search found; ``next``: where it goes on, unless that was all."""

    rows: Sequence[Record]
    next: UUID | None
    cut: bool


async def search_runs(store: Store, wanted: Search, limit: int) -> Found:
    """At most ``limit`` runs that pass, newest first: by their ids, those that are active in the order in which they
    were triggered."""
    if wanted.triggered_by is not None or wanted.active:
        return await search_candidates(store, wanted, limit)
    rows: Sequence[Record] = []
    deadline = time.monotonic() + SEARCH_SECONDS
    before: UUID | None = wanted.before
    while before is not None:
        found = await store.runs.search(before, wanted.first, wanted.filters, LOOK_AT, limit - len(rows))
        rows = [*rows, *found]
        if len(rows) == limit:
            return Found(rows, rows[-1]["id"], False)
        before = await store.runs.find_before(before, wanted.first, LOOK_AT)
        if time.monotonic() > deadline:
            break
    return Found(rows, before, before is not None)


async def choose_runs(store: Store, ids: Sequence[UUID], statuses: Sequence[WorkflowRunStatus]) -> Sequence[UUID]:
    """Those of these runs that have one of these statuses."""
    filters = build_search(RunFilter(statuses=statuses), None).filters
    chosen: Sequence[UUID] = []
    for start in range(0, len(ids), CANDIDATES):
        rows = await store.runs.filter(ids[start : start + CANDIDATES], filters)
        chosen = [*chosen, *(row["id"] for row in rows)]
    return chosen


async def search_candidates(store: Store, wanted: Search, limit: int) -> Found:
    """The search among the runs that are active, or that something started: an index knows them."""
    cap = max(CANDIDATES, limit)
    if wanted.triggered_by is not None:
        ids = await store.runs.find_triggered(wanted.triggered_by, wanted.before, wanted.first, cap)
    else:
        behind = None if wanted.before == wanted.until else wanted.before
        ids = await store.runs.find_active(behind, wanted.first, wanted.until, wanted.filters.workflows, cap)
    places = {run_id: place for place, run_id in enumerate(ids)}
    rows = sorted(await store.runs.filter(ids, wanted.filters), key=lambda row: places[row["id"]])
    if len(rows) > limit:
        return Found(rows[:limit], rows[limit - 1]["id"], False)
    more = ids[-1] if len(ids) == cap else None
    return Found(rows, more, more is not None and len(rows) < limit)


def bound_ids(since: datetime | None, until: datetime | None) -> tuple[UUID, UUID]:
    """The id that a search begins with, and the one it ends below: ids begin with the time they were made."""
    return FIRST_ID if since is None else _bound(since), LAST_ID if until is None else _bound(until)


def build_search(wanted: RunFilter, before: UUID | None) -> Search:
    """A filter as the store takes it. Raises ``InvalidInputError``."""
    from plait.store.runs import RunFilters  # noqa: PLC0415 - asyncpg comes with it

    statuses, begun = _translate_statuses(wanted.statuses)
    keys, values, rest = _translate_metadata(wanted.additional_metadata)
    workflows = check_texts(wanted.workflow_names, "workflow_names") or None
    filters = RunFilters(workflows, statuses, begun, _translate_triggers(wanted.triggers), keys, values, rest)
    active = statuses == [ACTIVE]
    triggered_by = None if wanted.triggered_by is None else parse_id(wanted.triggered_by, "trigger")
    first, last = bound_ids(wanted.since, wanted.until)
    return Search(min(before or last, last), first, last, filters, active, triggered_by)


def _bound(moment: datetime) -> UUID:
    aware = moment.astimezone() if moment.tzinfo is None else moment
    return bound_run_id(min(max(aware, _EPOCH), _FAR))


def _translate_statuses(statuses: Sequence[WorkflowRunStatus] | None) -> tuple[list[int] | None, bool | None]:
    if not statuses:
        return None, None
    try:
        names = {WorkflowRunStatus(status) for status in statuses}
    except ValueError as error:
        raise InvalidInputError(f"statuses: {error}; there are {', '.join(WorkflowRunStatus)}") from None
    if names == set(WorkflowRunStatus):
        return None, None
    open_names = names & set(UNFINISHED)
    codes = [int(Status[name]) for name in names - open_names]
    begun = None if len(open_names) != 1 else WorkflowRunStatus.RUNNING in open_names
    return ([*codes, ACTIVE] if open_names else codes), begun


def _translate_triggers(triggers: Sequence[str] | None) -> list[int] | None:
    if not triggers:
        return None
    known = TriggerKind.__members__
    for word in check_texts(triggers, "triggers") or ():
        if word not in known:
            raise InvalidInputError(f"triggers: there is no {shorten(word)}; use one of {', '.join(known)}")
    return [int(known[word]) for word in triggers]


def _translate_metadata(
    metadata: Mapping[str, Any] | None,
) -> tuple[list[str] | None, list[str] | None, str | None]:
    """Keys and values that are compared as text, and the rest as JSON."""
    encode_metadata(metadata, where="additional_metadata")  # checked as a whole
    texts = {key: value for key, value in (metadata or {}).items() if isinstance(value, str)}
    rest = {key: value for key, value in (metadata or {}).items() if key not in texts}
    text = encode_metadata(rest, where="additional_metadata")
    return (list(texts) or None, list(texts.values()) or None, text)
