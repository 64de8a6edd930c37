"""``plait.cron``: timetables that start runs, declared in code or made at run time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.engine.access import Access
from plait.engine.requests import RunRequest
from plait.errors import DefinitionError, InvalidInputError, NotFoundError
from plait.features.base import FeatureClient, on_engine, sync_twin
from plait.features.checks import check_limit, parse_id
from plait.features.planned import PlannedRun, plan_by_name, plan_request
from plait.features.refs import WorkflowRunRef
from plait.graph.cron import Timetable, check_cron
from plait.ids import new_run_id
from plait.types import UNSET, Duration, Unset
from plait.types.crons import CatchUp, Cron, define_cron
from plait.values.encoding import decode_json, encode_metadata
from plait.wording import shorten

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.graph.definition import CronDefinition
    from plait.store.schedules import CronRow


@dataclass(frozen=True, slots=True)
class CronDetails:
    """One cron. ``declared``: in code, by ``on_crons``. ``next_at`` is None while it is paused, and when it never fires
    again; ``last_at`` is the newest fire time that got a run."""

    id: str
    workflow_name: str
    name: str
    expression: str
    timezone: str
    catch_up: CatchUp
    catch_up_bound: timedelta
    input: Any
    additional_metadata: dict[str, Any]
    priority: int
    declared: bool
    paused: bool
    next_at: datetime | None
    last_at: datetime | None
    created_at: datetime

    @property
    def metadata(self) -> CronDetails:
        """Itself: programs written for Hatchet ask for ``.metadata.id``."""
        return self

    def list_fires(self, count: int = 5, *, after: datetime | None = None) -> list[datetime]:
        """The next fire times by the expression, in its time zone, whether it is paused or not."""
        timetable = self._read()
        moment = datetime.now(UTC) if after is None else after
        fires = timetable.list_fires(moment, datetime.max.replace(tzinfo=UTC) - timedelta(days=1), count)
        return [timetable.to_local(fire) for fire in fires]

    def explain(self) -> str:
        """The expression in words."""
        return self._read().explain()

    def _read(self) -> Timetable:
        return check_cron(self.expression, self.timezone, f"cron {self.name!r}")


CronPage = list[CronDetails]
"""Crons by workflow and name."""


class CronClient(FeatureClient):
    """Crons start runs whoever runs: any number of workers gives each fire time exactly one run, of the version of the
    workflow that is served then. Its metadata says ``cron_name`` and ``fire_time``, the nominal time in the cron's
    zone.

    Those declared with a workflow follow the code when a worker starts; only pausing them lasts. All methods raise
    ``NotFoundError`` for unknown ids and ``InvalidInputError`` for what cannot be; then nothing is changed.
    """

    @on_engine
    async def aio_create(
        self,
        workflow_name: str,
        cron_name: str,
        expression: str,
        input: Any = UNSET,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: int | None = None,
        *,
        timezone: str = "UTC",
        catch_up: CatchUp = "latest",
        catch_up_bound: Duration = timedelta(days=1),
    ) -> CronDetails:
        """Have runs of a workflow start by a timetable from now on. The arguments are those of ``Cron``.

        Where its code is at hand, ``workflow.create_cron`` knows the type of the input; that of a workflow not declared
        in this process is taken as it is: a JSON object.
        """
        definition = _define(Cron(expression, timezone, cron_name, catch_up, catch_up_bound), workflow_name)
        planned = await plan_by_name(self._access, workflow_name, input, additional_metadata, priority)
        return await _insert(self._access, planned, definition)

    create = sync_twin(aio_create)

    @on_engine
    async def aio_get(self, cron_id: str) -> CronDetails:
        """One cron."""
        return await self._read(_parse(cron_id))

    get = sync_twin(aio_get)

    @on_engine
    async def aio_list(
        self,
        *,
        workflow_name: str | None = None,
        cron_name: str | None = None,
        additional_metadata: Mapping[str, Any] | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> CronPage:
        """A page of crons by workflow and name; ``after`` is the id of the last one of the page before.

        Args:
            workflow_name, cron_name: only of this workflow, of this name.
            additional_metadata: only those whose metadata contains all of this.
            limit: 1 to 1000.
        """
        store = await self._open_store()
        rows = await store.schedules.list_crons(
            workflow_name,
            cron_name,
            encode_metadata(additional_metadata, where="additional_metadata"),
            None if after is None else _parse(after),
            check_limit(limit),
        )
        return [_build(row) for row in rows]

    list = sync_twin(aio_list)

    @on_engine
    async def aio_update(
        self,
        cron_id: str,
        *,
        expression: str | None = None,
        timezone: str | None = None,
        catch_up: CatchUp | None = None,
        catch_up_bound: Duration | None = None,
        input: Any = UNSET,
        additional_metadata: Mapping[str, Any] | Unset | None = UNSET,
        priority: int | None = None,
    ) -> CronDetails:
        """Change a cron that was made at run time; what is left out stays. Another timetable holds from now on."""
        found = await self._read(_parse(cron_id))
        if found.declared:
            raise InvalidInputError(
                f"{_name(found)} is declared in code, which the next worker start would restore: change it in on_crons"
            )
        cron = Cron(
            found.expression if expression is None else expression,
            found.timezone if timezone is None else timezone,
            found.name,
            found.catch_up if catch_up is None else catch_up,
            found.catch_up_bound if catch_up_bound is None else catch_up_bound,
        )
        definition = _define(cron, found.workflow_name)
        planned = await plan_by_name(
            self._access,
            found.workflow_name,
            found.input if input is UNSET else input,
            None,
            found.priority if priority is None else priority,
        )
        metadata = found.additional_metadata if additional_metadata is UNSET else additional_metadata
        text = encode_metadata(metadata, where=_name(found))
        return await self._change(found, replace(planned, metadata=text), definition)

    update = sync_twin(aio_update)

    @on_engine
    async def aio_pause(self, cron_id: str) -> CronDetails:
        """Stop a cron until ``unpause``. Fire times meanwhile count as not having been, not as missed."""
        return await self._set_paused(_parse(cron_id), True)

    pause = sync_twin(aio_pause)

    @on_engine
    async def aio_unpause(self, cron_id: str) -> CronDetails:
        """Let a paused cron go on, with its next fire time from now."""
        return await self._set_paused(_parse(cron_id), False)

    unpause = sync_twin(aio_unpause)

    @on_engine
    async def aio_run_now(self, cron_id: str) -> WorkflowRunRef:
        """Start one run of a cron at once, paused or not; its timetable stays as it is."""
        found = await self._read(_parse(cron_id))
        engine = await self._access.open_engine()
        _, now = await engine.store.schedules.find_version(found.workflow_name)
        run_id = new_run_id()
        fire_text = found._read().to_local(now).isoformat()
        if not await engine.change_schedule(engine.store.schedules.run_cron, UUID(found.id), run_id, fire_text):
            raise _not_found(UUID(found.id))
        return WorkflowRunRef(self._access, run_id, found.workflow_name)

    run_now = sync_twin(aio_run_now)

    @on_engine
    async def aio_delete(self, cron_id: str, *, force: bool = False) -> None:
        """Delete a cron. One that is declared in code only by ``force``, e.g. when that code is gone for good."""
        key = _parse(cron_id)
        store = await self._open_store()
        if not await store.schedules.delete_cron(key, declared_too=force):
            found = await self._read(key)
            raise InvalidInputError(
                f"{_name(found)} is declared in code: remove it from on_crons, or pause it. If no worker has that code "
                f"any more, force=True deletes it"
            )

    delete = sync_twin(aio_delete)

    async def _set_paused(self, key: UUID, paused: bool) -> CronDetails:
        found = await self._read(key)
        engine = await self._access.open_engine()
        store = engine.store.schedules
        next_at = None
        if not paused:
            _, now = await store.find_version(found.workflow_name)
            next_at = found._read().next_fire(now)
        await engine.change_schedule(store.set_cron_paused, key, paused, next_at)
        return await self._read(key)

    async def _change(self, found: CronDetails, planned: PlannedRun, definition: CronDefinition) -> CronDetails:
        engine = await self._access.open_engine()
        store = engine.store.schedules
        key = UUID(found.id)
        moves = (found.expression, found.timezone) != (definition.expression, definition.timezone)
        changed = False
        while not changed:
            _, now = await store.find_version(planned.workflow)
            changed = await engine.change_schedule(store.change_cron, _make_row(key, planned, definition, now), moves)
            # Gone? Else it has fired in between, and its next time must be looked up anew.
            found = await self._read(key)
        return found

    async def _read(self, key: UUID) -> CronDetails:
        return await _read(self._access, key)


async def store_cron(access: Access, request: RunRequest, cron: Cron) -> CronDetails:
    """Store a cron whose input is checked and encoded: ``workflow.create_cron`` (engine's loop)."""
    definition = _define(cron, request.definition.name)
    return await _insert(access, await plan_request(access, request), definition)


async def _insert(access: Access, planned: PlannedRun, definition: CronDefinition) -> CronDetails:
    engine = await access.open_engine()
    _, now = await engine.store.schedules.find_version(planned.workflow)
    row = _make_row(new_run_id(), planned, definition, now)
    if not await engine.change_schedule(engine.store.schedules.insert_cron, row):
        raise InvalidInputError(
            f"workflow {planned.workflow!r} already has a cron named {definition.name!r}: give this one another name, "
            f"or change that one with plait.cron.update"
        )
    return await _read(access, row.id)


async def _read(access: Access, key: UUID) -> CronDetails:
    row = await (await access.open_engine()).store.schedules.read_cron(key)
    if row is None:
        raise _not_found(key)
    return _build(row)


def _define(cron: Cron, workflow_name: str) -> CronDefinition:
    try:
        return define_cron(cron, "{}", f"workflow {shorten(workflow_name)}")
    except DefinitionError as failure:
        raise InvalidInputError(str(failure)) from failure


def _parse(cron_id: str) -> UUID:
    return parse_id(cron_id, "cron")


def _name(cron: CronDetails) -> str:
    return f"cron {cron.name!r} of workflow {cron.workflow_name!r}"


def _not_found(key: UUID) -> NotFoundError:
    return NotFoundError(f"there is no cron {key}, or it was deleted; `plait crons list` shows those there are")


def _make_row(key: UUID, planned: PlannedRun, definition: CronDefinition, now: datetime) -> CronRow:
    from plait.store.schedules import CronRow  # noqa: PLC0415 - asyncpg comes with it

    timetable = check_cron(definition.expression, definition.timezone, f"workflow {planned.workflow!r}")
    return CronRow(
        key,
        planned.workflow,
        definition.name,
        definition.expression,
        definition.timezone,
        definition.catch_up,
        round(definition.catch_up_bound_seconds * 1e6),
        planned.input,
        planned.metadata,
        planned.priority,
        timetable.next_fire(now),
    )


def _build(row: Record) -> CronDetails:
    return CronDetails(
        str(row["id"]),
        row["workflow"],
        row["name"],
        row["expression"],
        row["timezone"],
        row["catch_up"],
        timedelta(microseconds=row["bound_us"]),
        decode_json(row["input"]),
        json.loads(row["metadata"]) if row["metadata"] else {},
        row["priority"],
        row["declared"],
        row["paused"],
        row["next_at"],
        row["last_at"],
        row["created_at"],
    )
