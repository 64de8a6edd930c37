"""Which runs: a filter, and reading the runs that it means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.engine.access import Access
from plait.errors import InvalidInputError, NotFoundError
from plait.features.base import FeatureClient
from plait.features.checks import check_texts, parse_id
from plait.features.run_views import ACTIVE, RunDetails, build_details, build_summary
from plait.graph.definition import Status, WorkflowDefinition
from plait.ids import bound_run_id
from plait.types import WorkflowRunStatus
from plait.values.encoding import encode_metadata

if TYPE_CHECKING:
    from asyncpg import Record

CLOCK_SLACK = timedelta(hours=25)
"""How far the clock of who made a run's id may be off for the run to be found by time: an hour, and a time zone."""
FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
_ENDING = re.compile("…?[0-9a-f]{4,12}")

CANCELLED = "the run was cancelled"
"""The reason, unless another is given."""

UNFINISHED = (WorkflowRunStatus.QUEUED, WorkflowRunStatus.RUNNING)
UNSUCCESSFUL = (WorkflowRunStatus.FAILED, WorkflowRunStatus.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs: triggered within ``since`` and ``until``, with one of ``statuses``, of one of ``workflow_names``, and
    whose metadata contains all of ``additional_metadata``. What is left out does not matter."""

    since: datetime | None = None
    until: datetime | None = None
    statuses: Sequence[WorkflowRunStatus] | None = None
    workflow_names: Sequence[str] | None = None
    additional_metadata: Mapping[str, Any] | None = None


class RunReader(FeatureClient):
    """Reads runs by id and by filter, for the clients that answer and act."""

    async def _read_run(self, workflow_run_id: str) -> tuple[Record, WorkflowDefinition]:
        return await read_run(self._access, workflow_run_id)

    async def _list_rows(self, wanted: RunFilter, limit: int, before: UUID | None) -> list[Record]:
        store = await self._open_store()
        last, *rest, first = build_filters(wanted, before)
        return await store.list_runs(last, *rest, limit, first)


async def read_run(access: Access, workflow_run_id: str) -> tuple[Record, WorkflowDefinition]:
    """A run and its definition (engine's loop). Raises ``NotFoundError``."""
    store = (await access.open_engine()).store
    row = await store.read_run(parse_run_id(workflow_run_id))
    if row is None:
        raise NotFoundError(f"there is no run {workflow_run_id}; `plait runs list` shows those there are")
    return row, (await store.read_version(row["version_id"])).definition


async def read_status(access: Access, workflow_run_id: str) -> WorkflowRunStatus:
    """Where a run stands (engine's loop). Raises ``NotFoundError``."""
    row, definition = await read_run(access, workflow_run_id)
    return build_summary(row, definition.name).status


async def read_details(access: Access, workflow_run_id: str) -> RunDetails:
    """A run and all its tasks (engine's loop). Raises ``NotFoundError``."""
    row, _ = await read_run(access, workflow_run_id)
    store = (await access.open_engine()).store
    version = await store.read_version(row["version_id"])
    return build_details(row, version, await store.read_tasks(row["id"], version.actions))


async def cancel_run(access: Access, workflow_run_id: str, reason: str) -> bool:
    """Cancel a run with its child runs (engine's loop). Returns whether this ended it. Raises ``NotFoundError``."""
    row, _ = await read_run(access, workflow_run_id)
    await (await access.open_engine()).control.cancel_runs([row["id"]], reason)
    return bool(row["status"] == ACTIVE and (await read_run(access, workflow_run_id))[0]["status"] != ACTIVE)


def parse_run_id(text: str) -> UUID:
    """A run id from its text. Raises ``InvalidInputError`` when it is none."""
    try:
        return parse_id(text, "run")
    except InvalidInputError as error:
        if isinstance(text, str) and _ENDING.fullmatch(text):
            error.add_note(
                "the whole id, as plait runs list prints it: the dashboard shows only its end, and the button beside "
                "it on the run's page copies all of it"
            )
        raise


def build_filters(wanted: RunFilter, before: UUID | None) -> tuple[Any, ...]:
    """A filter as the arguments of ``list_runs.sql``: the id it ends below, …, the id it begins with."""
    statuses, begun = _translate_statuses(wanted.statuses)
    below = [] if before is None else [before]
    below.append(bound_run_id(wanted.until + CLOCK_SLACK) if wanted.until else LAST_ID)
    return (
        min(below),
        check_texts(wanted.workflow_names, "workflow_names") or None,
        statuses,
        begun,
        wanted.since,
        wanted.until,
        encode_metadata(wanted.additional_metadata, where="additional_metadata"),
        bound_run_id(wanted.since - CLOCK_SLACK) if wanted.since else FIRST_ID,
    )


def _translate_statuses(statuses: Sequence[WorkflowRunStatus] | None) -> tuple[list[int] | None, bool | None]:
    if not statuses:
        return None, None
    try:
        names = {WorkflowRunStatus(status) for status in statuses}
    except ValueError as error:
        raise InvalidInputError(f"statuses: {error}; there are {', '.join(WorkflowRunStatus)}") from None
    open_names = names & set(UNFINISHED)
    codes = [int(Status[name]) for name in names - open_names]
    begun = None if len(open_names) != 1 else WorkflowRunStatus.RUNNING in open_names
    return ([*codes, ACTIVE] if open_names else codes), begun
