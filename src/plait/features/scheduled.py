"""``plait.scheduled``: runs that start at a given time."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.engine import transaction
from plait.engine.access import Access
from plait.engine.requests import RunRequest
from plait.errors import InvalidInputError, NotFoundError
from plait.features.base import FeatureClient, on_engine, sync_twin
from plait.features.checks import check_limit, parse_id
from plait.features.planned import PlannedRun, plan_by_name, plan_request
from plait.features.shapes import LIST_BYTES, Answer, Id, Json, JsonObject, Page, make_page, show_json
from plait.ids import new_run_id
from plait.types import UNSET
from plait.values.encoding import encode_metadata
from plait.wording import shorten

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.schedules import ScheduledRow


class ScheduledRunStatus(StrEnum):
    """Whether a scheduled run still waits for its time. ``plait.runs`` shows what happened with a started one."""

    SCHEDULED = "SCHEDULED"
    STARTED = "STARTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRun(Answer):
    """A run that starts, or was started, at ``run_at``. ``run_id`` is None until then; ``created_at`` is None in the
    answer to a call that scheduled it inside the caller's own transaction.
    """

    id: Id
    workflow: str
    run_at: datetime
    status: ScheduledRunStatus
    input: Json
    metadata: JsonObject
    priority: int
    created_at: datetime | None
    run_id: Id | None

    @property
    def trigger_at(self) -> datetime:
        """The same as ``run_at``."""
        return self.run_at


@dataclass(frozen=True, slots=True)
class ScheduledBulkUpdate:
    """The result of ``bulk_update``: the ids that were moved, and why others were not."""

    updated_ids: list[str]
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScheduledBulkDelete:
    """The result of ``bulk_delete``: the ids that were deleted, and why others were not."""

    deleted_ids: list[str]
    errors: dict[str, str] = field(default_factory=dict)


class ScheduledClient(FeatureClient):
    """Runs that start later. No method here changes a run that has started: cancel it with ``plait.runs``.

    A time must have a time zone; a time that has passed means at once. All methods raise ``NotFoundError`` for unknown
    ids.
    """

    @on_engine
    async def aio_create(
        self,
        workflow_name: str,
        trigger_at: datetime,
        input: Any = UNSET,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: int | None = None,
    ) -> ScheduledRun:
        """Schedule a run of a workflow by its name. If you have its code, use ``workflow.schedule``, which knows its
        type.

        If the workflow is not declared in this process, its input can be any JSON object: nothing checks its fields.
        """
        check_moment(trigger_at, f"workflow {workflow_name!r}: trigger_at")
        planned = await plan_by_name(self._access, workflow_name, input, additional_metadata, priority)
        return await _insert(self._access, planned, trigger_at, previews=self._previews)

    create = sync_twin(aio_create)

    @on_engine
    async def aio_get(self, scheduled_id: str) -> ScheduledRun:
        """One scheduled run, started or not."""
        return await self._read(_parse(scheduled_id))

    get = sync_twin(aio_get)

    @on_engine
    async def aio_list(
        self,
        *,
        workflow_name: str | None = None,
        statuses: Sequence[ScheduledRunStatus | str] | None = None,
        additional_metadata: Mapping[str, Any] | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Page[ScheduledRun]:
        """A page of scheduled runs, the latest ``run_at`` first; ``before``: the id of the last one of the page before.

        Args:
            workflow_name: only of this workflow.
            statuses: only those that are SCHEDULED, or STARTED.
            additional_metadata: only those whose metadata contains all of this.
            limit: 1 to 1000.
        """
        store = await self._open_store()
        rows = await store.schedules.list_scheduled(
            workflow_name,
            _translate_statuses(statuses),
            encode_metadata(additional_metadata, where="additional_metadata"),
            None if before is None else _parse(before),
            check_limit(limit),
        )
        return make_page([_build(row, previews=self._previews) for row in rows], limit)

    list = sync_twin(aio_list)

    @on_engine
    async def aio_update(self, scheduled_id: str, trigger_at: datetime) -> ScheduledRun:
        """Give a scheduled run another time. Raises ``InvalidInputError`` if it has started."""
        key = _parse(scheduled_id)
        check_moment(trigger_at, f"scheduled run {key}: trigger_at")
        engine = await self._access.open_engine()
        if not await engine.change_schedule(engine.store.schedules.move_scheduled, [key], [trigger_at]):
            raise InvalidInputError(_describe_started(await self._read(key), "moved"))
        return await self._read(key)

    update = sync_twin(aio_update)

    @on_engine
    async def aio_delete(self, scheduled_id: str) -> None:
        """Delete a scheduled run, so that it does not start. Raises ``InvalidInputError`` if it has started."""
        key = _parse(scheduled_id)
        store = await self._open_store()
        if not await store.schedules.delete_scheduled([key]):
            raise InvalidInputError(_describe_started(await self._read(key), "deleted"))

    delete = sync_twin(aio_delete)

    @on_engine
    async def aio_bulk_update(self, updates: Sequence[tuple[str, datetime]]) -> ScheduledBulkUpdate:
        """Give many scheduled runs other times, as pairs of id and time, in one commit. The answer names those that
        have started or do not exist.
        """
        moments = {}
        for scheduled_id, run_at in updates:
            key = _parse(scheduled_id)
            check_moment(run_at, f"scheduled run {key}: trigger_at")
            moments[key] = run_at
        keys = sorted(moments)
        engine = await self._access.open_engine()
        send = engine.store.schedules.move_scheduled
        moved = await engine.change_schedule(send, keys, [moments[key] for key in keys]) if keys else set()
        errors = await self._explain([key for key in moments if key not in moved], "moved")
        return ScheduledBulkUpdate([str(key) for key in moments if key in moved], errors)

    bulk_update = sync_twin(aio_bulk_update)

    @on_engine
    async def aio_bulk_delete(
        self,
        *,
        scheduled_ids: Sequence[str] | None = None,
        workflow_name: str | None = None,
        additional_metadata: Mapping[str, Any] | None = None,
    ) -> ScheduledBulkDelete:
        """Delete many scheduled runs: those given by id, or all that match. Runs that have started are not touched."""
        metadata = encode_metadata(additional_metadata, where="additional_metadata")
        store = (await self._open_store()).schedules
        if scheduled_ids is not None:
            if workflow_name is not None or metadata is not None:
                raise InvalidInputError(
                    "bulk_delete: give scheduled_ids or a filter (workflow_name, additional_metadata), not both"
                )
            keys = [_parse(scheduled_id) for scheduled_id in scheduled_ids]
            gone = await store.delete_scheduled(sorted(keys))
            errors = await self._explain([key for key in keys if key not in gone], "deleted")
            return ScheduledBulkDelete([str(key) for key in keys if key in gone], errors)
        if workflow_name is None and metadata is None:
            raise InvalidInputError("bulk_delete: say which: give scheduled_ids, workflow_name or additional_metadata")
        return ScheduledBulkDelete(sorted(map(str, await store.delete_matching_scheduled(workflow_name, metadata))))

    bulk_delete = sync_twin(aio_bulk_delete)

    async def _read(self, key: UUID) -> ScheduledRun:
        return await _read(self._access, key, previews=self._previews)

    async def _explain(self, keys: Iterable[UUID], verb: str) -> dict[str, str]:
        keys = builtins.list(keys)
        if not keys:
            return {}
        rows = await (await self._open_store()).schedules.read_scheduled(keys)
        known = {row["id"]: _describe_started(_build(row, previews=self._previews), verb) for row in rows}
        return {str(key): known.get(key, f"there is no scheduled run {key}") for key in keys}


def store_scheduled(access: Access, request: RunRequest, run_at: datetime, connection: Any) -> ScheduledRun:
    """Schedule a run that is checked and encoded: ``workflow.schedule``."""
    check_moment(run_at, f"workflow {request.definition.name!r}: run_at")
    if connection is None:
        return access.portal.call(_insert_request(access, request, run_at))
    row, scheduled = access.portal.call(_prepare(access, request, run_at))
    transaction.enqueue_scheduled(connection, transaction.render_scheduled([row]))
    return scheduled


async def aio_store_scheduled(access: Access, request: RunRequest, run_at: datetime, connection: Any) -> ScheduledRun:
    """``store_scheduled`` without blocking the loop."""
    check_moment(run_at, f"workflow {request.definition.name!r}: run_at")
    if connection is None:
        return await access.portal.acall(_insert_request(access, request, run_at))
    row, scheduled = await access.portal.acall(_prepare(access, request, run_at))
    await transaction.aio_enqueue_scheduled(connection, transaction.render_scheduled([row]))
    return scheduled


async def _insert_request(access: Access, request: RunRequest, run_at: datetime) -> ScheduledRun:
    return await _insert(access, await plan_request(access, request), run_at)


async def _insert(access: Access, planned: PlannedRun, run_at: datetime, *, previews: bool = False) -> ScheduledRun:
    row = _make_row(planned, run_at)
    engine = await access.open_patiently()
    # Not read afterwards: that could fail, and whoever tries again then has two.
    stored_at = await engine.change_schedule(engine.store.schedules.schedule_runs, [row])
    return _show(planned, row, stored_at, previews=previews)


async def _prepare(access: Access, request: RunRequest, run_at: datetime) -> tuple[ScheduledRow, ScheduledRun]:
    planned = await plan_request(access, request)
    row = _make_row(planned, run_at)
    return row, _show(planned, row, None, previews=False)


def _show(planned: PlannedRun, row: ScheduledRow, created_at: datetime | None, *, previews: bool) -> ScheduledRun:
    """A scheduled run as it is when it is stored."""
    return ScheduledRun(
        id=str(row.id),
        workflow=planned.workflow,
        run_at=row.run_at,
        status=ScheduledRunStatus.SCHEDULED,
        input=show_json(planned.input, previews, LIST_BYTES),
        metadata=json.loads(planned.metadata) if planned.metadata else {},
        priority=planned.priority,
        created_at=created_at,
        run_id=None,
    )


async def _read(access: Access, key: UUID, *, previews: bool = False) -> ScheduledRun:
    rows = await (await access.open_engine()).store.schedules.read_scheduled([key])
    if not rows:
        raise NotFoundError(
            f"there is no scheduled run {key}, or it was deleted; `plait scheduled list` shows those there are"
        )
    return _build(rows[0], previews=previews)


def _build(row: Record, *, previews: bool) -> ScheduledRun:
    started = row["run_id"] is not None
    return ScheduledRun(
        id=str(row["id"]),
        workflow=row["workflow"],
        run_at=row["run_at"],
        status=ScheduledRunStatus.STARTED if started else ScheduledRunStatus.SCHEDULED,
        input=show_json(bytes(row["input"]), previews, LIST_BYTES),
        metadata=json.loads(row["metadata"]) if row["metadata"] else {},
        priority=row["priority"],
        created_at=row["created_at"],
        run_id=str(row["run_id"]) if started else None,
    )


def check_moment(moment: object, where: str) -> datetime:
    """``moment``, if it is one moment everywhere. Raises ``InvalidInputError``."""
    if not isinstance(moment, datetime):
        raise InvalidInputError(f"{where} is {shorten(moment)}: give a datetime with a time zone")
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InvalidInputError(
            f"{where} is {moment}, which has no time zone: write datetime.now(timezone.utc) + timedelta(...), "
            f"datetime(..., tzinfo=ZoneInfo('Europe/Berlin')), or .astimezone() for the time of this machine"
        )
    return moment


def _parse(scheduled_id: str) -> UUID:
    return parse_id(scheduled_id, "scheduled run")


def _describe_started(scheduled: ScheduledRun, verb: str) -> str:
    return (
        f"scheduled run {scheduled.id} cannot be {verb}: it has started as run {scheduled.run_id}; "
        f"plait.runs.cancel stops that"
    )


def _translate_statuses(statuses: Sequence[ScheduledRunStatus | str] | None) -> bool | None:
    if statuses is None:
        return None
    try:
        wanted = {ScheduledRunStatus(status) for status in statuses}
    except ValueError as error:
        raise InvalidInputError(f"statuses: {error}; there are {', '.join(ScheduledRunStatus)}") from None
    return None if len(wanted) != 1 else wanted == {ScheduledRunStatus.STARTED}


def _make_row(planned: PlannedRun, run_at: datetime) -> ScheduledRow:
    from plait.store.schedules import ScheduledRow  # noqa: PLC0415 - asyncpg comes with it

    return ScheduledRow(new_run_id(), planned.version_id, run_at, planned.input, planned.metadata, planned.priority)
