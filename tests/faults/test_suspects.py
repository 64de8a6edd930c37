"""Tasks that end their workers: they fail alone, and what ran beside them does not suffer for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from flows import suspects
from flows.steps import Gate, Number
from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, Plait
from plait.graph.definition import WorkflowDefinition
from plait.graph.judge import judge_losses
from plait.ids import new_run_id
from plait.store.store import WorkerRow
from support.database import Database
from support.driver import Driver, make_definition
from support.ledger import Ledger
from support.oracle import check_at_rest
from support.waiting import eventually
from support.workers import QUICK

StartProcess = Callable[..., Any]
OpenDriver = Callable[[WorkflowDefinition], Awaitable[Driver]]

ONE = make_definition("one", only=[])


def test_a_task_that_ends_its_workers_fails_alone_and_its_neighbours_complete(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess, tmp_path: Any
) -> None:
    declared = suspects.declare(plait)
    poison = declared.poison.run_no_wait(Number())
    items = [declared.innocent.create_bulk_run_item(Number(n=n)) for n in range(20)]
    innocents = declared.innocent.run_many_no_wait(items)
    dead: dict[str, str] = {}
    # Together with all 20; then, of 50 slots, in a company of 12 at most; then alone.
    for life, neighbours in enumerate([20, 31, 31, 31, 31], 1):
        worker = worker_process("suspects", slots=50, gates=str(tmp_path), env=dead)
        eventually(lambda life=life: len(ledger.select("poison", "begin")) == life)  # type: ignore[misc]
        eventually(lambda n=neighbours: len(ledger.select("innocent", "begin")) >= n)  # type: ignore[misc]
        Gate(tmp_path, f"poison{life}").open()
        worker.wait()
        dead = {"PLAIT_REPLACES_WORKER": str(worker.id)}
        if life == 2:
            Gate(tmp_path, "innocent").open()
    worker_process("suspects", slots=50, gates=str(tmp_path), env=dead)

    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        poison.result(30)
    [error] = failure.value.exceptions
    assert "lost 5 times while it ran: its worker's process ended; not tried again" in str(error)
    assert "look into the workers' logs" in str(error)
    assert [reference.result(60) for reference in innocents] == list(range(20))
    each = "SELECT count(*) AS n FROM plait.attempt WHERE status = -2 GROUP BY run_id"
    losses = f"SELECT n, count(*) FROM ({each}) a GROUP BY n"
    assert sorted(database.query(losses)) == [(1, 9), (2, 11), (5, 1)]
    check_at_rest(database)


def test_how_many_workers_a_task_may_lose_is_a_setting(
    plait: Plait, ledger: Ledger, worker_process: StartProcess, tmp_path: Any
) -> None:
    declared = suspects.declare(plait)
    poison = declared.poison.run_no_wait(Number())
    innocent = declared.innocent.run_no_wait(Number(n=1))
    env = {"PLAIT_MAX_WORKER_LOSSES": "2"}
    for life in (1, 2):
        worker = worker_process("suspects", gates=str(tmp_path), env=env)
        eventually(lambda: ledger.select("innocent", "begin"))
        Gate(tmp_path, f"poison{life}").open()
        worker.wait()
        Gate(tmp_path, "innocent").open()
        env["PLAIT_REPLACES_WORKER"] = str(worker.id)
    worker_process("suspects", gates=str(tmp_path), env=env)
    with pytest.raises(FailedTaskRunExceptionGroup, match="lost 2 times while it ran"):
        poison.result(30)
    assert innocent.result(30) == 1


def test_a_task_that_holds_the_interpreter_for_longer_than_the_lease_is_told_so(
    plait: Plait, database: Database, ledger: Ledger, worker_process: StartProcess
) -> None:
    declared = suspects.declare(plait)
    run = declared.greedy.run_no_wait(Number(n=4_000_000))
    for _ in range(2):
        worker_process("suspects", timings=QUICK, env={"PLAIT_MAX_WORKER_LOSSES": "2"})
    with pytest.raises(FailedTaskRunExceptionGroup, match="its worker stood still for longer than its lease"):
        run.result(60)
    assert len(ledger.select("greedy", "begin")) == 2
    database.wait("SELECT count(*) = 2 FROM plait.worker WHERE ending = 'stalled'")


# the statements


async def open_worker(driver: Driver) -> UUID:
    """Another worker with the same code."""
    worker = new_run_id()
    row = WorkerRow(worker, "other", "test", 0, 1, None, list(driver.version.actions), "0", 60.0, [])
    await driver.store.register_worker(row, None)
    return worker


async def lose(driver: Driver, worker: UUID, ending: str) -> None:
    """A worker ends, and what it holds goes back."""
    row = WorkerRow(new_run_id(), "next", "test", 0, 1, None, list(driver.version.actions), "0", 60.0, [])
    await driver.store.register_worker(row, worker, ending)
    await driver.store.reap_workers(1000)


async def claim(driver: Driver, worker: UUID, *, room: int = 25, parts: int = 25) -> list[tuple[UUID, int, int]]:
    claimed = await driver.store.claim_tasks(worker, driver.actions, 100, room, parts)
    return [(row["run_id"], row["task"], row["attempt"]) for row in claimed.rows]


async def begin(driver: Driver, worker: UUID, key: tuple[UUID, int, int]) -> dict[str, int] | None:
    return await driver.store.begin_suspect(worker, key, [" ".join(map(str, key))])


async def read_losses(driver: Driver) -> list[int]:
    rows = await driver.connection.fetch("SELECT lost FROM plait.ready ORDER BY run_id")
    return [row["lost"] for row in rows]


async def test_a_loss_counts_for_a_suspect_only_if_its_code_had_begun(open_driver: OpenDriver) -> None:
    driver = await open_driver(ONE)
    await driver.start(1)
    first = await open_worker(driver)
    await claim(driver, first)
    await lose(driver, first, "died")
    assert await read_losses(driver) == [1]

    second = await open_worker(driver)
    await claim(driver, second)
    await lose(driver, second, "died")
    assert await read_losses(driver) == [1]

    third = await open_worker(driver)
    [key] = await claim(driver, third)
    assert await begin(driver, third, key) == {"died": 1}  # the second had not begun it
    await lose(driver, third, "died")
    assert await read_losses(driver) == [2]


@pytest.mark.parametrize("ending", ["stopped", "unreachable"])
async def test_a_worker_that_stopped_or_lost_touch_makes_no_suspects(open_driver: OpenDriver, ending: str) -> None:
    driver = await open_driver(ONE)
    await driver.start(3)
    worker = await open_worker(driver)
    assert len(await claim(driver, worker)) == 3
    await lose(driver, worker, ending)
    assert await read_losses(driver) == [0, 0, 0]


async def test_a_worker_that_comes_back_clears_the_tasks_that_were_taken_from_it(open_driver: OpenDriver) -> None:
    driver = await open_driver(ONE)
    await driver.start(1)
    cut_off = await open_worker(driver)
    await claim(driver, cut_off)
    await driver.connection.execute("UPDATE plait.worker SET watched_us = -1000000000000 WHERE id = $1", cut_off)
    await driver.store.reap_workers(1000)
    assert await read_losses(driver) == [1]
    await lose(driver, cut_off, "unreachable")  # it says so itself

    other = await open_worker(driver)
    [key] = await claim(driver, other)
    losses = await begin(driver, other, key)
    assert losses == {"unreachable": 1}
    assert judge_losses(losses, 1).__class__.__name__ == "Run"


async def test_a_suspect_that_is_not_held_any_more_does_not_begin(open_driver: OpenDriver) -> None:
    driver = await open_driver(ONE)
    await driver.start(1)
    worker = await open_worker(driver)
    [key] = await claim(driver, worker)
    await lose(driver, worker, "died")
    assert await begin(driver, worker, key) is None


async def test_suspects_share_the_parts_that_a_worker_has_for_them(open_driver: OpenDriver) -> None:
    driver = await open_driver(ONE)
    await driver.start(5)
    fresh = await driver.start(2)
    # Two that were lost once, then one that was lost twice, then two that were lost once.
    await driver.connection.execute(
        "UPDATE plait.ready r SET lost = (ARRAY[1, 1, 2, 1, 1, 0, 0])[o.n] FROM "
        "(SELECT run_id, row_number() OVER (ORDER BY run_id) AS n FROM plait.ready) o WHERE o.run_id = r.run_id"
    )
    order = [row["run_id"] for row in await driver.connection.fetch("SELECT run_id FROM plait.ready ORDER BY run_id")]
    one, two, three = [await open_worker(driver) for _ in range(3)]

    def runs(keys: list[tuple[UUID, int, int]]) -> list[UUID]:
        return sorted(key[0] for key in keys)

    assert runs(await claim(driver, one, room=0, parts=3)) == sorted(run for run in fresh if run)
    assert runs(await claim(driver, one, room=3, parts=3)) == order[:2]  # the third needs all three parts
    assert runs(await claim(driver, one, room=1, parts=3)) == []  # and is not overtaken
    assert runs(await claim(driver, two, room=3, parts=3)) == order[2:3]
    assert runs(await claim(driver, three, room=3, parts=3)) == order[3:5]


def test_a_suspect_beyond_a_workers_share_that_came_by_a_lost_answer_is_handed_back(
    plait: Plait, work: Callable[..., Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.worker.claimer.LOOK_SECONDS", 0.2)
    running: list[int] = []
    most: list[int] = []

    @plait.task()
    def stranded(input: EmptyModel, ctx: Context) -> int:
        running.append(1)
        most.append(len(running))
        eventually(lambda: database.count("attempt", "status = -1") >= 2)
        running.pop()
        return 7

    work(stranded)
    with psycopg.connect(database.url) as connection:
        references = [stranded.run_no_wait(connection=connection) for _ in range(3)]
        connection.execute(
            "WITH taken AS (DELETE FROM plait.ready RETURNING *) INSERT INTO plait.running "
            "(run_id, task, attempt, retry, lost, priority, action_id, worker_id, queued_at, started_at) "
            "SELECT t.run_id, t.task, t.attempt, t.retry, 2, t.priority, t.action_id, w.id, t.queued_at, plait.now() "
            "FROM taken t, plait.worker w WHERE w.ended_at IS NULL"
        )
    assert [reference.result(30) for reference in references] == [7, 7, 7]
    assert max(most) == 1
    check_at_rest(database)
