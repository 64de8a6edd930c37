"""Cancelling and replaying against claims, finishes, parking and deliveries, at a barrier, hundreds of times each, in
``make faults`` a thousand: every run ends legally, nothing stays behind, nobody deadlocks."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from faults.harness.scale import pick
from plait.graph.attempt import Report
from plait.graph.definition import (
    STATUS_BY_CODE,
    Condition,
    ConditionKind,
    Status,
    TaskDefinition,
    WorkflowDefinition,
)
from plait.graph.replay import plan_replay
from plait.ids import new_run_id
from support.database import ROOMS, Database
from support.driver import Driver, make_definition
from support.oracle import check_log
from support.workers import QUICK

PAIRS = pick(250, 1000)
FEWER = pick(100, 300)
DIAMOND = make_definition("diamond", a=[], b=["a"], c=["a"], d=["b", "c"])
ONE = make_definition("one", only=[])
CHAIN = make_definition("chain", first=[], second=["first"])
WAITER = WorkflowDefinition(
    "waiter",
    (TaskDefinition(name="waits", wait_for=((Condition(kind=ConditionKind.EVENT, data_key="go", event_key="go"),),)),),
)


async def cancel(driver: Driver, run_id: UUID) -> bool:
    """As the engine does: end the run, then what descends from it."""
    rows = await driver.run("cancel_runs", [run_id], "the run was cancelled")
    while (await driver.run("carry_out_cancellations", 1000))[0]["looked_at"]:
        pass
    return run_id in (rows[0]["run_ids"] or [])


async def carry_out(driver: Driver) -> None:
    """What is still ordered to be cancelled, whenever it is due."""
    while await driver.connection.fetchval("SELECT count(*) FROM plait.cancellation"):
        await driver.run("carry_out_cancellations", 1000)


async def replay(driver: Driver, run_id: UUID) -> bool:
    """As the engine does: read, plan, apply."""
    [row] = await driver.run("read_replayable", [run_id])
    if row["status"] == 0:
        return False
    outcomes = {
        task: STATUS_BY_CODE[code] for task, code in zip(row["tasks"] or (), row["outcomes"] or (), strict=True)
    }
    plan = plan_replay(driver.version.definition, outcomes)
    if not plan.tasks:
        return False
    text = json.dumps(
        [
            {
                "run_id": str(run_id),
                "finished_at": row["finished_at"].isoformat(),
                "tasks": plan.tasks,
                "ready": plan.ready,
                "pending": plan.pending,
                "worst": int(plan.worst),
                "anew": [],
            }
        ]
    )
    rows = await driver.run("replay_runs", text)
    return run_id in (rows[0]["run_ids"] or [])


async def finish_all(driver: Driver) -> None:
    """Take whatever is ready to its end."""
    names = [task.name for task in driver.version.definition.tasks]
    while held := await driver.claim(*names):
        await driver.finish(held)


async def gather_alternating(turn: int, *pair: Any) -> list[Any]:
    """Both at once; who is sent first alternates."""
    answers = await asyncio.gather(*(pair if turn % 2 else reversed(pair)))
    return answers if turn % 2 else answers[::-1]


def check_legal(database: Database, *, ended: int) -> None:
    assert database.count("run", "status <> 0") == ended
    doubled = (
        "SELECT count(*) FROM (SELECT FROM plait.attempt WHERE status > 0 GROUP BY run_id, task HAVING count(*) > 1) d"
    )
    assert database.value(doubled) == 0
    left = {room: database.count(room) for room in (*ROOMS, "awaited_event")}
    assert left == dict.fromkeys(left, 0)
    check_log(database)


async def test_cancel_against_finish_leaves_a_legal_end(database: Database, open_driver: Any) -> None:
    worker, canceller = await open_driver(DIAMOND), await open_driver(DIAMOND)
    results = Counter[tuple[bool, bool]]()
    for turn in range(PAIRS):
        [run_id] = await worker.start(1)
        for step in "abcd"[: turn % 4]:
            await worker.finish(await worker.claim(step))
        held = await worker.claim("abcd"[turn % 4])
        answer, cancelled = await gather_alternating(turn // 4, worker.finish(held), cancel(canceller, run_id))
        results[bool(answer["accepted"]), cancelled] += 1
    ended = database.value("SELECT count(*) FROM plait.run WHERE status IN (2, 3)")
    assert ended == PAIRS
    assert results[False, True] > 0
    assert results[True, True] + results[True, False] > 0
    assert results[False, False] == 0
    check_legal(database, ended=PAIRS)


async def test_cancel_against_claim_leaves_nothing_behind(database: Database, open_driver: Any) -> None:
    worker, canceller = await open_driver(ONE), await open_driver(ONE)
    both = Counter[bool]()
    for turn in range(PAIRS):
        [run_id] = await worker.start(1)
        held, cancelled = await gather_alternating(turn, worker.claim("only"), cancel(canceller, run_id))
        assert cancelled
        both[bool(held)] += 1
        if held:
            answer = await worker.finish(held)
            assert not answer["accepted"]
    await canceller.run("sweep_ended", 1000)
    assert set(both) == {True, False}
    check_legal(database, ended=PAIRS)
    assert database.count("run", "status = 3") == PAIRS


async def test_replay_against_a_stale_finish_never_takes_the_stale_outcome(
    database: Database, open_driver: Any
) -> None:
    """The worker finishes what was cancelled under its hands while the run is replayed."""
    worker, other = await open_driver(CHAIN), await open_driver(CHAIN)
    for turn in range(PAIRS):
        [run_id] = await worker.start(1)
        held = await worker.claim("first")
        assert await cancel(other, run_id)
        answer, replayed = await gather_alternating(turn, worker.finish(held), replay(other, run_id))
        assert replayed
        assert not answer["accepted"]
        again = await worker.claim("first")  # by the same worker: only the attempt tells the two apart
        assert [one.attempt for one in again] == [held[0].attempt + 1]
        assert not (await worker.finish(held))["accepted"]
        assert (await worker.finish(again))["accepted"]
    await finish_all(worker)
    check_legal(database, ended=PAIRS)
    assert database.count("run", "status = 2") == PAIRS


async def test_replay_against_the_finish_that_ends_the_run_is_refused_or_comes_after_it(
    database: Database, open_driver: Any
) -> None:
    worker, other = await open_driver(CHAIN), await open_driver(CHAIN)
    replays = Counter[bool]()
    for turn in range(PAIRS):
        [run_id] = await worker.start(1)
        await worker.finish(await worker.claim("first"))
        last = await worker.claim("second")
        failed = worker.finish(last, Report(Status.FAILED, error=b"{}"))
        answer, replayed = await gather_alternating(turn, failed, replay(other, run_id))
        assert answer["accepted"]
        replays[replayed] += 1
    # Those that came too early are replayed now; then all complete.
    for (run_id,) in database.query("SELECT id FROM plait.run WHERE status <> 0"):
        assert await replay(other, run_id)
    await finish_all(worker)
    check_legal(database, ended=PAIRS)
    assert database.count("run", "status = 2") == PAIRS
    assert database.count("attempt", "task = 0") == PAIRS
    assert replays[False] > 0


async def test_two_replays_at_once_replay_once(database: Database, open_driver: Any) -> None:
    worker, other = await open_driver(ONE), await open_driver(ONE)
    for turn in range(FEWER):
        [run_id] = await worker.start(1)
        await cancel(worker, run_id)
        answers = await gather_alternating(turn, replay(worker, run_id), replay(other, run_id))
        assert sorted(answers) == [False, True]
    assert database.count("ready") == FEWER
    await finish_all(worker)
    check_legal(database, ended=FEWER)


async def test_two_cancellations_of_one_family_do_not_deadlock(database: Database, open_driver: Any) -> None:
    worker, other = await open_driver(ONE), await open_driver(ONE)
    for turn in range(FEWER):
        family = sorted(await worker.start(4), reverse=turn % 3 == 0)
        for parent, child in pairwise(family):
            await worker.connection.execute(
                "INSERT INTO plait.child (parent_run_id, run_id, parent_task, key) VALUES ($1, $2, 0, 'x')",
                parent,
                child,
            )
        answers = await gather_alternating(turn, cancel(worker, family[0]), cancel(other, family[turn % 4]))
        assert 1 <= sum(answers) <= 2
    await carry_out(worker)
    check_legal(database, ended=4 * FEWER)


async def start_child(driver: Driver, parent: UUID, key: str = "k") -> UUID | None:
    rows = ([new_run_id()], [driver.version.id], [b"{}"], [None], [1])
    [row] = await driver.run("start_runs", *rows, None, False, [1], [parent], [0], [1], [key])
    return row["run_ids"][0]  # type: ignore[no-any-return]


async def test_a_child_that_is_started_while_its_parent_is_cancelled_is_refused_or_cancelled_too(
    database: Database, open_driver: Any
) -> None:
    worker, canceller = await open_driver(ONE), await open_driver(ONE)
    started = Counter[bool]()
    for turn in range(PAIRS):
        [parent] = await worker.start(1)
        await worker.claim("only")
        child, cancelled = await gather_alternating(turn, start_child(worker, parent), cancel(canceller, parent))
        assert cancelled
        started[child is not None] += 1
    await carry_out(worker)
    assert set(started) == {True, False}
    check_legal(database, ended=PAIRS + started[True])


async def park(driver: Driver, held: Any, position: int = 0) -> Any:
    return await driver.run(
        "park_tasks", driver.id, [held.run.id], [held.task], [held.attempt], [driver.version.id], [-1], [None],
        [position], ["{}"], ['[[0, "go", null]]'],
    )  # fmt: skip


@asynccontextmanager
async def pushed(driver: Driver) -> AsyncIterator[UUID]:
    event = new_run_id()
    await driver.run("push_events", [event], ["go"], [b"{}"], [None], [None], [None])
    yield event


async def deliver(driver: Driver, event: UUID) -> Any:
    return await driver.deliver([event])


async def test_an_event_that_is_delivered_while_a_task_is_parked_is_never_missed(
    database: Database, open_driver: Any
) -> None:
    worker, other = await open_driver(WAITER), await open_driver(WAITER)
    woken = Counter[bool]()
    for turn in range(PAIRS):
        await worker.start(1)
        [held] = await worker.claim("waits")
        async with pushed(other) as event:
            _, delivered = await gather_alternating(turn, park(worker, held), deliver(other, event))
        woken[delivered["woken"] == 1] += 1
        assert [database.count(room) for room in ROOMS] == [1, 0, 0], "it is to be judged again"
        await worker.finish(await worker.claim("waits"))
    assert set(woken) == {True, False}
    check_legal(database, ended=PAIRS)


async def test_cancel_against_park_leaves_nothing_behind(database: Database, open_driver: Any) -> None:
    worker, canceller = await open_driver(WAITER), await open_driver(WAITER)
    for turn in range(PAIRS):
        [run_id] = await worker.start(1)
        [held] = await worker.claim("waits")
        _, cancelled = await gather_alternating(turn, park(worker, held), cancel(canceller, run_id))
        assert cancelled
    check_legal(database, ended=PAIRS)


async def test_cancel_against_delivery_leaves_nothing_behind(database: Database, open_driver: Any) -> None:
    worker, canceller = await open_driver(WAITER), await open_driver(WAITER)
    for turn in range(PAIRS // 2):
        [run_id] = await worker.start(1)
        [held] = await worker.claim("waits")
        await park(worker, held)
        async with pushed(canceller) as event:
            _, cancelled = await gather_alternating(turn, deliver(worker, event), cancel(canceller, run_id))
        assert cancelled
    check_legal(database, ended=PAIRS // 2)


async def test_two_deliverers_deliver_an_event_once(database: Database, open_driver: Any) -> None:
    one, two = await open_driver(ONE), await open_driver(ONE)
    for turn in range(FEWER):
        async with pushed(one) as event:
            starts = [(1, new_run_id(), driver.version.id, None, 1) for driver in (one, two)]
            rows = await gather_alternating(turn, one.deliver([event], starts[:1]), two.deliver([event], starts[1:]))
        assert sorted(row["started"] for row in rows) == [0, 1]
    await finish_all(one)
    check_legal(database, ended=FEWER)


@pytest.mark.parametrize("kill", [True, False])
def test_a_parent_killed_amid_its_children_has_exactly_its_children_in_the_end(
    database: Database, plait: Any, ledger: Any, worker_process: Any, kill: bool
) -> None:
    """A parent that has started 50 of 100 children when its worker dies: in the end exactly 100 children ran."""
    from flows import family  # noqa: PLC0415

    parent, _ = family.declare(plait, gate=str(ledger.path) + ".gate", children=100, stop_at=50)
    worker = worker_process("family", slots=8, timings=QUICK, gate=str(ledger.path) + ".gate", children=100, stop_at=50)
    run = parent.run_no_wait()
    database.wait("SELECT count(*) >= 50 FROM plait.run WHERE trigger_kind = 1")
    if kill:
        worker.kill()
        worker_process("family", slots=8, timings=QUICK, gate=str(ledger.path) + ".gate", children=100, stop_at=50)
    with open(str(ledger.path) + ".gate", "w") as gate:
        gate.write("open")
    assert run.result(60) == sum(range(100))
    assert database.count("run", "trigger_kind = 1") == 100
    assert database.count("child") == 100
    begins = ledger.count_begins()
    children = {run_id for run_id, task in begins if task == "child"}
    assert len(children) == 100
    check_log(database)
