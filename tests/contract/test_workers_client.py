"""``plait.workers``: which processes serve what, and what they run."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import fields
from typing import Any
from uuid import UUID, uuid4

import pytest

from plait import Context, EmptyModel, InvalidInputError, Plait
from plait.errors import NotFoundError
from plait.store.catalog import CatalogStore
from support.database import Database
from support.waiting import eventually

Work = Callable[..., Any]


@pytest.fixture
def doors(plait: Plait) -> Any:
    """A workflow whose task waits for its door, and one that is of no account."""
    flow = plait.workflow(name="doors")
    flow.door = threading.Event()

    @flow.task()
    def hold(input: EmptyModel, ctx: Context) -> int:
        flow.door.wait(30)
        return 1

    @plait.task()
    def other(input: EmptyModel, ctx: Context) -> None: ...

    yield flow
    flow.door.set()


def test_a_worker_shows_what_it_is_and_what_it_serves(plait: Plait, doors: Any, work: Work) -> None:
    thread = work(slots=7, labels={"gpu": "yes", "memory": 64})
    [found] = plait.workers.list()
    assert found.id == str(thread.worker.id)
    assert (found.name, found.status, found.pid, found.slots) == ("test", "ACTIVE", os.getpid(), 7)
    assert found.labels == {"gpu": "yes", "memory": 64}
    assert found.serves == {"doors": ("hold",), "other": ("other",)}
    assert found.plait_version
    assert found.ended_at is None
    assert found.heartbeat_age is not None
    assert found.slots_in_use == 0


def test_a_worker_shows_what_it_runs_now(plait: Plait, doors: Any, work: Work) -> None:
    thread = work()
    references = [doors.run_no_wait() for _ in range(2)]

    def look() -> Any:
        found = plait.workers.get(str(thread.worker.id))
        return found if len(found.running) == 2 else None

    found = eventually(look, "both tasks run")
    assert found.status == "ACTIVE"
    assert found.slots_in_use == 2
    assert {task.run_id for task in found.running} == {reference.workflow_run_id for reference in references}
    assert {(task.workflow, task.task, task.attempt) for task in found.running} == {("doors", "hold", 1)}
    assert [worker.slots_in_use for worker in plait.workers.list()] == [2]
    doors.door.set()
    for reference in references:
        reference.result(20)
    eventually(lambda: plait.workers.get(str(thread.worker.id)).running == (), "it holds nothing")


def test_slots_in_use_are_those_of_the_tasks_it_shows_whatever_is_claimed_meanwhile(
    plait: Plait, doors: Any, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = work()
    list_held = CatalogStore.list_held

    async def list_after_a_claim(store: CatalogStore, worker_id: UUID, limit: int) -> Any:
        await doors.aio_run_no_wait()
        while not (held := await list_held(store, worker_id, limit)):
            await asyncio.sleep(0.01)
        return held

    monkeypatch.setattr(CatalogStore, "list_held", list_after_a_claim)
    found = plait.workers.get(str(thread.worker.id))
    assert (len(found.running), found.slots_in_use) == (1, 1)
    doors.door.set()


def test_an_ended_worker_is_shown_when_asked_for(plait: Plait, doors: Any, work: Work) -> None:
    first = work()
    first.stop()
    second = work()
    assert [worker.id for worker in plait.workers.list()] == [str(second.worker.id)]
    live, ended = plait.workers.list(ended=True)
    assert (live.id, live.status) == (str(second.worker.id), "ACTIVE")
    assert (ended.id, ended.status) == (str(first.worker.id), "ENDED")
    assert ended.ended_at is not None
    assert plait.workers.get(str(first.worker.id)).status == "ENDED"
    assert len(plait.workers.list(ended=True, limit=1)) == 2


def test_a_silent_worker_is_late_until_its_tasks_are_taken_from_it(plait: Plait, database: Database) -> None:
    silent = uuid4()
    database.query(
        "INSERT INTO plait.worker (id, name, host, pid, slots, lease_us, actions, plait, heartbeat_at) "
        "VALUES (%s, 'silent', 'h', 1, 1, 1000000, '{}', '0', now() - interval '1 hour')",
        silent,
    )
    [found] = plait.workers.list()
    assert (found.status, found.labels, found.serves) == ("LATE", {}, {})
    assert found.heartbeat_age == pytest.approx(3600, abs=300)


def test_a_worker_whose_supervisor_saw_it_die_has_no_age(plait: Plait, database: Database) -> None:
    """``register_worker`` gives the one it replaces a heartbeat that no clock has."""
    dead = uuid4()
    database.query(
        "INSERT INTO plait.worker (id, name, host, pid, slots, lease_us, actions, plait, heartbeat_at, ended_at) "
        "VALUES (%s, 'dead', 'h', 1, 1, 1000000, '{}', '0', '-infinity', now())",
        dead,
    )
    [found] = plait.workers.list(ended=True)
    assert (found.status, found.heartbeat_age) == ("ENDED", None)
    details = plait.workers.get(str(dead))
    assert all(getattr(details, field.name) == getattr(found, field.name) for field in fields(found))


async def test_every_question_can_be_asked_from_a_loop(plait: Plait, doors: Any, work: Work) -> None:
    thread = work()
    [found] = await plait.workers.aio_list()
    assert (await plait.workers.aio_get(found.id)).id == str(thread.worker.id)


def test_an_unknown_or_malformed_id_is_refused(plait: Plait) -> None:
    with pytest.raises(NotFoundError, match="plait workers list"):
        plait.workers.get(str(uuid4()))
    for bad in ("worker-1", "", None, 7, "\0", "\ud800"):
        with pytest.raises(InvalidInputError, match="not a valid worker id"):
            plait.workers.get(bad)  # type: ignore[arg-type]
    for limit in (0, 1001, True, "ten"):
        with pytest.raises(InvalidInputError, match="limit"):
            plait.workers.list(limit=limit)  # type: ignore[arg-type]
