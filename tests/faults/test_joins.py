"""Two workers on one join, at a barrier, two thousand times: no join is lost, none fires twice, every run ends once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from flows import pipeline
from flows.steps import Number
from plait import Plait
from plait.graph.definition import WorkflowDefinition
from support.database import Database
from support.driver import make_definition, settle
from support.ledger import Ledger
from support.oracle import check_log, check_oracle

JOIN = make_definition("join", left=[], right=[], join=["left", "right"])
"""One join of two parents; the join is the only sink."""

END = make_definition("end", left=[], right=[])
"""Two sinks: the end of the run is the join."""

BOTH = make_definition("both", left=[], right=[], one=["left", "right"], two=["left", "right"], three=["left"])
"""Two joins, a plain child and an end of three sinks, all counted in one array."""


@pytest.mark.parametrize("definition", [JOIN, END, BOTH], ids=lambda definition: definition.name)
@pytest.mark.parametrize("size", [1, 7, 40])
async def test_no_join_is_lost_or_doubled_when_two_workers_finish_its_parents_at_once(
    database: Database, open_driver: Any, definition: WorkflowDefinition, size: int
) -> None:
    pairs = {1: 400, 7: 700, 40: 2000}[size]
    one, two = [await open_driver(definition) for _ in range(2)]
    await one.start(pairs)
    left = sorted(await one.claim("left"), key=lambda held: held.run.id)
    right = sorted(await two.claim("right"), key=lambda held: held.run.id)
    assert len(left) == len(right) == pairs
    ended = 0
    for begin in range(0, pairs, size):
        finishes = [one.finish(left[begin : begin + size]), two.finish(right[begin : begin + size])]
        for answer in await asyncio.gather(*(finishes if begin // size % 2 else reversed(finishes))):
            ended += len(answer["ended_runs"] or ())
            assert len(answer["accepted"]) == min(size, pairs - begin)
    check_fired_once(database, definition, pairs, ended)


def check_fired_once(database: Database, definition: WorkflowDefinition, runs: int, ended: int) -> None:
    children = [index for index, task in enumerate(definition.tasks) if task.parents]
    fired = dict(database.query("SELECT task, count(*) FROM plait.ready GROUP BY task"))
    assert fired == dict.fromkeys(children, runs)
    assert database.value("SELECT count(DISTINCT (run_id, task)) FROM plait.ready") == runs * len(children)
    assert database.count("running") == 0
    assert database.count("attempt") == 2 * runs
    assert ended == database.count("run", "status = 2") == (0 if children else runs)
    if children:
        sinks = len(definition.sinks)
        assert database.count("run", f"pending[cardinality(pending)] <> {sinks if sinks > 1 else 0}") == 0
    check_log(database)


@pytest.mark.parametrize("definition", [JOIN, END, BOTH], ids=lambda definition: definition.name)
@pytest.mark.parametrize("first", ["left", "right"])
async def test_a_finish_that_waits_for_another_counts_on_from_there(
    database: Database, open_driver: Any, definition: WorkflowDefinition, first: str
) -> None:
    """The exact moment: one worker's transaction is open while the other's statement, begun on the old snapshot,
    waits for it."""
    one, two = [await open_driver(definition) for _ in range(2)]
    await one.start(20)
    held = {one: await one.claim("left"), two: await two.claim("right")}
    winner, waiter = (one, two) if first == "left" else (two, one)
    transaction = winner.connection.transaction()
    await transaction.start()
    answers = [await winner.finish(held[winner])]
    waiting = asyncio.create_task(waiter.finish(held[waiter]))
    await settle(waiting, waiter.pid, winner.connection)
    assert not waiting.done()
    await transaction.commit()
    answers.append(await waiting)
    check_fired_once(database, definition, 20, sum(len(answer["ended_runs"] or ()) for answer in answers))


async def test_a_finish_that_waited_for_one_that_rolled_back_counts_alone(database: Database, open_driver: Any) -> None:
    one, two = [await open_driver(JOIN) for _ in range(2)]
    await one.start(20)
    left, right = await one.claim("left"), await two.claim("right")
    transaction = one.connection.transaction()
    await transaction.start()
    await one.finish(left)
    waiting = asyncio.create_task(two.finish(right))
    await settle(waiting, two.pid, one.connection)
    await transaction.rollback()
    await waiting
    assert database.count("ready") == 0
    await one.finish(left)
    check_fired_once(database, JOIN, 20, 0)


async def test_a_repeated_finish_and_one_by_another_worker_change_nothing(database: Database, open_driver: Any) -> None:
    one, two = [await open_driver(BOTH) for _ in range(2)]
    await one.start(50)
    left, right = await one.claim("left"), await two.claim("right")
    early = await two.finish(left)  # held, but by another worker
    assert early["accepted"] is None
    for _ in range(2):
        await asyncio.gather(one.finish(left), two.finish(right))
    again = await one.finish(left)
    assert again["accepted"] is None
    check_fired_once(database, BOTH, 50, 0)


async def test_finishers_and_the_reaper_at_a_barrier_accept_each_task_once(
    database: Database, open_driver: Any
) -> None:
    """A worker whose lease has ended finishes while the reaper takes its tasks: each goes one way."""
    one, two = [await open_driver(END) for _ in range(2)]
    await one.start(300)
    left = sorted(await one.claim("left"), key=lambda held: held.run.id)
    right = await two.claim("right")
    await two.finish(right)
    database.query("UPDATE plait.worker SET watched_us = -1000000000000 WHERE id = %s", one.id)
    chance = random.Random(5)
    accepted = moved = 0
    for begin in range(0, 300, 10):
        batch = left[begin : begin + 10]
        calls = [one.finish(batch), two.run("reap_workers", chance.randrange(1, 10), 0, None, 0)]
        if chance.random() < 0.5:
            calls.reverse()
        for answer in await asyncio.gather(*calls):
            if isinstance(answer, list):
                moved += answer[0]["moved"]
            else:
                accepted += len(answer["accepted"] or ())
    while rest := (await two.run("reap_workers", 1000, 0, None, 0))[0]["moved"]:
        moved += rest
    assert accepted + moved == 300
    assert database.count("ready") == moved == database.count("attempt", "status = -2")
    assert database.count("run", "status = 2") == accepted
    await two.finish(await two.claim("left"))
    assert database.count("run", "status = 2") == 300
    assert (
        database.query("SELECT run_id FROM plait.attempt WHERE status > 0 GROUP BY run_id HAVING count(*) <> 2") == []
    )
    check_log(database)


def test_two_worker_processes_on_the_joins_of_many_runs(
    plait: Plait, database: Database, ledger: Ledger, worker_process: Callable[..., Any]
) -> None:
    declared = pipeline.declare(plait)
    for _ in range(2):
        worker_process("pipeline", slots=10)
    items = [declared.flow.create_bulk_run_item(Number(n=n)) for n in range(600)]
    assert declared.flow.run_many(items) == [pipeline.expect({"n": n}) for n in range(600)]
    check_oracle(database, ledger, pipeline.expect, runs=600, reruns=0)
