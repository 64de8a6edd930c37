"""``plait.workers``: the processes that run tasks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from plait.errors import NotFoundError
from plait.features.base import FeatureClient, on_engine, sync_twin
from plait.features.checks import check_limit, parse_id
from plait.features.shapes import Answer, Id, JsonObject, Page
from plait.features.why import Capacity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncpg import Record

    from plait.store.catalog import Action
    from plait.store.store import Store

MAX_HELD = 1000
MOST_WORKERS = 1000


class WorkerStatus(StrEnum):
    """The state of a worker. ``LATE``: it sent no heartbeat for longer than its lease; other workers will soon get its
    tasks.
    """

    ACTIVE = "ACTIVE"
    LATE = "LATE"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSummary(Answer):
    """One worker process. ``serves`` has the tasks it has code for, by workflow; ``slots_in_use`` counts what it holds.

    ``heartbeat_age`` is the seconds since its last heartbeat by the database's clock; None where its end was reported
    by others. ``plait_version`` is the version of Plait it runs.
    """

    id: Id
    name: str
    status: WorkerStatus
    host: str
    pid: int
    slots: int
    slots_in_use: int
    labels: JsonObject
    serves: dict[str, tuple[str, ...]]
    plait_version: str
    started_at: datetime
    ended_at: datetime | None
    heartbeat_age: float | None


@dataclass(frozen=True, slots=True)
class HeldTask(Answer):
    """A task that a worker runs now."""

    run_id: Id
    workflow: str
    task: str
    attempt: int
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDetails(WorkerSummary):
    """One worker with what it runs now, the longest running first, at most ``MAX_HELD`` of it."""

    running: tuple[HeldTask, ...]


class WorkersClient(FeatureClient):
    """Questions about workers. A process gets a new id whenever it starts, and after it lost its lease."""

    @on_engine
    async def aio_list(self, *, ended: bool = False, limit: int = 100) -> Page[WorkerSummary]:
        """Workers that are active or late, last started first; with ``ended``, also those that ended lately.

        Args:
            limit: of each of the two, 1 to 1000.
        """
        store = await self._open_store()
        rows = await store.catalog.survey_workers(check_limit(limit), ended=bool(ended))
        names = await store.catalog.read_actions(sorted({action for row in rows for action in row["actions"]}))
        return Page(tuple(WorkerSummary(**_read_summary(row, names)) for row in rows))

    list = sync_twin(aio_list)

    @on_engine
    async def aio_get(self, worker_id: str) -> WorkerDetails:
        """One worker, with what it runs now. Raises ``NotFoundError``."""
        store = await self._open_store()
        key = parse_id(worker_id, "worker")
        row = await store.catalog.read_worker(key)
        if row is None:
            raise NotFoundError(f"there is no worker {worker_id}; `plait workers list` shows those there are")
        held = await store.catalog.list_held(key, MAX_HELD)
        summary = _read_summary(row, await store.catalog.read_actions(row["actions"]))
        # What was claimed or ended between the two looks is counted as it is listed.
        summary["slots_in_use"] = len(held) if len(held) < MAX_HELD else max(row["held"], MAX_HELD)
        return WorkerDetails(**summary, running=tuple(_build_held(task) for task in held))

    get = sync_twin(aio_get)


async def read_capacities(store: Store, actions: set[int]) -> dict[int, Capacity]:
    """For each of some actions, the live workers that have its code."""
    capacities: dict[int, Capacity] = {}
    live = await read_live(store)
    for worker in live:
        for action in actions & set(worker["actions"]):
            capacity = capacities.get(action, Capacity())
            capacities[action] = Capacity(
                capacity.workers + 1, capacity.slots + worker["slots"], capacity.in_use + worker["held"]
            )
    if unserved := actions - capacities.keys():
        served = {action for worker in live for action in worker["actions"]}
        names = await store.catalog.read_actions(sorted(served | unserved))
        known = {names[action] for action in served if action in names}
        for action in unserved:
            capacities[action] = Capacity(other_format=names.get(action) in known)
    return capacities


async def read_live(store: Store) -> Sequence[Record]:
    """The workers that live, as ``survey_workers`` gives them."""
    return [row for row in await store.catalog.survey_workers(MOST_WORKERS, ended=False) if not row["late"]]


def _read_summary(row: Record, names: Mapping[int, Action]) -> dict[str, Any]:
    """The fields of a ``WorkerSummary``."""
    serves: dict[str, tuple[str, ...]] = {}
    for action in sorted(names[number] for number in row["actions"] if number in names):
        serves[action.workflow] = (*serves.get(action.workflow, ()), action.task)
    if row["ended_at"] is not None:
        status = WorkerStatus.ENDED
    else:
        status = WorkerStatus.LATE if row["late"] else WorkerStatus.ACTIVE
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "status": status,
        "host": row["host"],
        "pid": row["pid"],
        "slots": row["slots"],
        "slots_in_use": row["held"],
        "labels": json.loads(row["labels"]) if row["labels"] else {},
        "serves": serves,
        "plait_version": row["plait"],
        "started_at": row["started_at"],
        "ended_at": row["ended_at"],
        "heartbeat_age": row["silent_seconds"],
    }


def _build_held(row: Record) -> HeldTask:
    return HeldTask(str(row["run_id"]), row["workflow"], row["task"], row["attempt"], row["started_at"])
