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
from plait.features.shapes import LIST_BYTES, Answer, Id, Json, JsonObject, Page, Seconds, make_page, show_json
from plait.graph.cron import Timetable, check_cron, choose_start
from plait.ids import new_run_id
from plait.types import UNSET, Duration, Unset
from plait.types.crons import CatchUp, Cron, define_cron
from plait.values.encoding import encode_metadata
from plait.wording import shorten

SHOWN_TIMES = 5
_FAR = datetime(9990, 1, 1, tzinfo=UTC)

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.graph.definition import CronDefinition
    from plait.store.schedules import CronRow


@dataclass(frozen=True, slots=True, kw_only=True)
class CronPreview(Answer):
    """What an expression means: in words, and its next fire times in its time zone."""

    explanation: str
    next_times: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CronDetails(Answer):
    """One cron. ``declared``: in code, by ``on_crons``. ``next_at`` is None while it is paused, and when it never fires
    again; ``last_at`` is the newest fire time that got a run.

    ``explanation`` is the expression in words; ``next_times`` are the next five by it, in its time zone, whether it is
    paused or not. Both are empty where this machine does not know the zone.
    """

    id: Id
    workflow: str
    name: str
    expression: str
    timezone: str
    catch_up: CatchUp
    catch_up_bound: Seconds
    input: Json
    metadata: JsonObject
    priority: int
    declared: bool
    paused: bool
    next_at: datetime | None
    last_at: datetime | None
    created_at: datetime
    explanation: str
    next_times: tuple[datetime, ...]

    def list_fires(self, count: int = 5, *, after: datetime | None = None) -> list[datetime]:
        """The next fire times by the expression, in its time zone, whether it is paused or not."""
        return _list_fires(self._read(), count, after)

    def explain(self) -> str:
        """The expression in words."""
        return self._read().explain()

    def _read(self) -> Timetable:
        return check_cron(self.expression, self.timezone, f"cron {self.name!r}")


class CronClient(FeatureClient):
    """Crons start runs as long as any worker runs: each fire time gets exactly one run, however many workers there are,
    of the workflow version that is served then. The run's metadata has ``cron_name`` and ``fire_time``, the nominal
    time in the cron's zone.

    When a worker starts, crons declared in code are set to what the code says; only a pause lasts. All methods raise
    ``NotFoundError`` for unknown ids and ``InvalidInputError`` for wrong arguments; then nothing is changed.
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
        """Start runs of a workflow by a timetable from now on. The arguments are those of ``Cron``.

        If you have the workflow's code, use ``workflow.create_cron``, which knows the type of the input. If the
        workflow is not declared in this process, its input can be any JSON object: nothing checks its fields.
        """
        definition = _define(Cron(expression, timezone, cron_name, catch_up, catch_up_bound), workflow_name)
        planned = await plan_by_name(self._access, workflow_name, input, additional_metadata, priority)
        return _build(await _insert(self._access, planned, definition), previews=self._previews)

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
    ) -> Page[CronDetails]:
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
        return make_page([_build(row, previews=self._previews) for row in rows], limit)

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
        """Change a cron that was made at run time; what is left out stays as it is. A new timetable counts from now
        on.
        """
        found = await self._read(_parse(cron_id))
        if found.declared:
            raise InvalidInputError(
                f"{_name(found)} is declared in code, which a starting worker would restore: change it in on_crons"
            )
        cron = Cron(
            found.expression if expression is None else expression,
            found.timezone if timezone is None else timezone,
            found.name,
            found.catch_up if catch_up is None else catch_up,
            found.catch_up_bound if catch_up_bound is None else catch_up_bound,
        )
        definition = _define(cron, found.workflow)
        planned = await plan_by_name(
            self._access,
            found.workflow,
            found.input if input is UNSET else input,
            None,
            found.priority if priority is None else priority,
        )
        metadata = found.metadata if additional_metadata is UNSET else additional_metadata
        text = encode_metadata(metadata, where=_name(found))
        return await self._change(found, replace(planned, metadata=text), definition)

    update = sync_twin(aio_update)

    @on_engine
    async def aio_pause(self, cron_id: str) -> CronDetails:
        """Stop a cron until ``unpause``. Fire times until then get no run: ``catch_up`` does not make up for them."""
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
        _, now = await engine.store.schedules.find_version(found.workflow)
        run_id = new_run_id()
        fire_text = found._read().to_local(now).isoformat()
        if not await engine.change_schedule(engine.store.schedules.run_cron, UUID(found.id), run_id, fire_text):
            raise _not_found(UUID(found.id))
        return WorkflowRunRef(self._access, run_id, found.workflow)

    run_now = sync_twin(aio_run_now)

    @on_engine
    async def aio_delete(self, cron_id: str, *, force: bool = False) -> None:
        """Delete a cron. One that is declared in code needs ``force=True``: use it when that code is gone for good."""
        key = _parse(cron_id)
        store = await self._open_store()
        if not await store.schedules.delete_cron(key, declared_too=force):
            found = await self._read(key)
            raise InvalidInputError(
                f"{_name(found)} is declared in code: remove it from on_crons, or pause it. If no worker has that code "
                f"any more, force=True deletes it"
            )

    delete = sync_twin(aio_delete)

    def preview(self, expression: str, timezone: str = "UTC") -> CronPreview:
        """What an expression means. Does not use the database. Raises ``DefinitionError``."""
        timetable = check_cron(expression, timezone, "expression")
        return CronPreview(explanation=timetable.explain(), next_times=tuple(_list_fires(timetable, SHOWN_TIMES)))

    async def _set_paused(self, key: UUID, paused: bool) -> CronDetails:
        found = await self._read(key)
        engine = await self._access.open_engine()
        store = engine.store.schedules
        next_at = None
        if not paused:
            _, now = await store.find_version(found.workflow)
            next_at = found._read().next_fire(choose_start(now, found.last_at))
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
            row = _make_row(key, planned, definition, choose_start(now, found.last_at))
            changed = await engine.change_schedule(store.change_cron, row, moves)
            # Gone? Else it has fired in between, and its next time must be looked up anew.
            found = await self._read(key)
        return found

    async def _read(self, key: UUID) -> CronDetails:
        return await _read(self._access, key, previews=self._previews)


async def store_cron(access: Access, request: RunRequest, cron: Cron) -> CronDetails:
    """Store a cron whose input is checked and encoded: ``workflow.create_cron`` (engine's loop)."""
    definition = _define(cron, request.definition.name)
    return _build(await _insert(access, await plan_request(access, request), definition), previews=False)


async def _insert(access: Access, planned: PlannedRun, definition: CronDefinition) -> Record:
    engine = await access.open_patiently()
    _, now = await engine.store.schedules.find_version(planned.workflow)
    row = _make_row(new_run_id(), planned, definition, now)
    # The statement gives the cron: to read it afterwards could fail, though it was stored.
    stored = await engine.change_schedule(engine.store.schedules.insert_cron, row)
    if stored is None:
        raise InvalidInputError(
            f"workflow {planned.workflow!r} already has a cron named {definition.name!r}: give this one another name, "
            f"or change that one with plait.cron.update"
        )
    return stored


async def _read(access: Access, key: UUID, *, previews: bool = False) -> CronDetails:
    row = await (await access.open_engine()).store.schedules.read_cron(key)
    if row is None:
        raise _not_found(key)
    return _build(row, previews=previews)


def _define(cron: Cron, workflow_name: str) -> CronDefinition:
    try:
        return define_cron(cron, "{}", f"workflow {shorten(workflow_name)}")
    except DefinitionError as failure:
        raise InvalidInputError(str(failure)) from failure


def _parse(cron_id: str) -> UUID:
    return parse_id(cron_id, "cron")


def _name(cron: CronDetails) -> str:
    return f"cron {cron.name!r} of workflow {cron.workflow!r}"


def _not_found(key: UUID) -> NotFoundError:
    return NotFoundError(f"there is no cron {key}, or it was deleted; `plait crons list` shows those there are")


def _make_row(key: UUID, planned: PlannedRun, definition: CronDefinition, start: datetime) -> CronRow:
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
        timetable.next_fire(start),
    )


def _build(row: Record, *, previews: bool) -> CronDetails:
    explanation, next_times = _foresee(row["expression"], row["timezone"])
    return CronDetails(
        id=str(row["id"]),
        workflow=row["workflow"],
        name=row["name"],
        expression=row["expression"],
        timezone=row["timezone"],
        catch_up=row["catch_up"],
        catch_up_bound=timedelta(microseconds=row["bound_us"]),
        input=show_json(bytes(row["input"]), previews, LIST_BYTES),
        metadata=json.loads(row["metadata"]) if row["metadata"] else {},
        priority=row["priority"],
        declared=row["declared"],
        paused=row["paused"],
        next_at=row["next_at"],
        last_at=row["last_at"],
        created_at=row["created_at"],
        explanation=explanation,
        next_times=next_times,
    )


def _list_fires(timetable: Timetable, count: int, after: datetime | None = None) -> list[datetime]:
    moment = datetime.now(UTC) if after is None else after
    return [timetable.to_local(fire) for fire in timetable.list_fires(moment, _FAR, count)]


def _foresee(expression: str, timezone: str) -> tuple[str, tuple[datetime, ...]]:
    """A timetable in words and its next fire times; nothing where this machine cannot read it."""
    try:
        timetable = check_cron(expression, timezone, "cron")
        return timetable.explain(), tuple(_list_fires(timetable, SHOWN_TIMES))
    except DefinitionError:  # a zone that this machine does not know
        return "", ()
