"""The real statements, driven step by step beside a small model of what they shall do (``harness/model.py``): after
every step the rooms, the runs and the outcomes are the model's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from faults.harness.model import Key, Model
from faults.harness.scale import pick
from faults.test_control_races import replay
from plait.graph.attempt import Report
from plait.graph.definition import Status, TaskDefinition, TaskKind, WorkflowDefinition
from plait.graph.judge import RUN, Cancel, Signals, judge
from plait.ids import new_run_id
from plait.maintenance.pruner import prune
from plait.store.ranges import find_ranges
from plait.worker.assignment import Assignment
from support.database import Database
from support.driver import Driver
from support.oracle import check_log

EVENTS = ("red", "blue")
FAR = datetime(2999, 1, 1, tzinfo=UTC)
ROOMS = ("ready", "waiting", "running")
TABLES = (
    *ROOMS,
    "run",
    "attempt",
    "child",
    "wait",
    "awaited_event",
    "event",
    "event_inbox",
    "cancellation",
    "delivery",
)


@st.composite
def graphs(draw: st.DrawFn) -> WorkflowDefinition:
    """Up to 30 tasks with up to four parents each, and perhaps hooks."""
    count = draw(st.integers(1, 28))
    tasks = [
        TaskDefinition(
            name=f"t{n}",
            parents=tuple(sorted(draw(st.sets(st.integers(max(0, n - 6), n - 1), max_size=4)))) if n else (),
        )
        for n in range(count)
    ]
    inner = {parent for task in tasks for parent in task.parents}
    sinks = tuple(n for n in range(count) if n not in inner)
    for kind in draw(st.sampled_from(((), (TaskKind.ON_FAILURE,), (TaskKind.ON_FAILURE, TaskKind.ON_SUCCESS)))):
        tasks.append(TaskDefinition(name=str(kind), parents=sinks, kind=kind))
    return WorkflowDefinition("machine", tuple(tasks))


class StoreMachine(RuleBasedStateMachine):
    """Three workers, and everybody who gives orders."""

    database: Database
    loop: asyncio.AbstractEventLoop
    workers: list[Driver]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.told: list[tuple[UUID, Any]] = []
        """What some worker once had in its hands: (its id then, assignment). Most of it is stale."""
        self.event_ids: list[UUID] = []
        self.children = 0

    def do(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(call)

    @initialize(definitions=st.lists(graphs(), min_size=1, max_size=2))
    def begin(self, definitions: list[WorkflowDefinition]) -> None:
        self.database.query("; ".join(f"DELETE FROM plait.{table}" for table in TABLES))
        self.database.query("ALTER SEQUENCE plait.position RESTART")
        for driver in self.workers:
            driver.id = new_run_id()
            self.do(driver.register())
        self.versions = [self.do(self.workers[0].store.register_version(one)) for one in definitions]
        self.database.query("UPDATE plait.workflow_version SET awaits_events = true")  # as any task may be parked
        self.start(0, None)

    # runs

    @rule(which=st.integers(0, 1), key=st.none())
    def start(self, which: int, key: None) -> None:
        driver = self.workers[0]
        driver.version = version = self.versions[which % len(self.versions)]
        [run] = self.do(driver.start(1))
        self.model.start(run, version.definition)

    @precondition(lambda self: self.model.list_tasks("running"))
    @rule(data=st.data())
    def start_a_child(self, data: st.DataObject) -> None:
        run, number = data.draw(st.sampled_from(self.model.list_tasks("running")))
        task = self.model.find((run, number))
        driver = self.workers[0]
        driver.version = self.versions[-1]
        rows = ([new_run_id()], [driver.version.id], [b"{}"], [None], [1])
        self.children += 1
        [row] = self.do(
            driver.run("start_runs", *rows, None, False, [1], [run], [number], [task.attempt], [f"{self.children}"])
        )
        [child] = row["run_ids"]
        assert child is not None
        self.model.start(child, driver.version.definition, (run, number))

    # workers

    @rule(who=st.integers(0, 2), limit=st.integers(1, 40), parts=st.sampled_from((1, 2, 10, 1000)))
    def claim(self, who: int, limit: int, parts: int = 1000) -> None:
        driver, expected = self.workers[who], self.model.list_claimable(limit, parts)
        actions = find_ranges([{action for version in self.versions for action in version.actions}])
        rows = self.do(driver.run("claim_tasks", driver.id, *actions, limit, parts, parts, 4 << 20, [0]))
        # Sorted, here and elsewhere, so that the same choices do the same when Hypothesis repeats them.
        rows = sorted((row for row in rows if row["run_id"] is not None), key=_by_age)
        assert [(row["run_id"], row["task"]) for row in rows] == expected
        for row in rows:
            driver.version = next(version for version in self.versions if row["version_id"] == version.id)
            self._take((row["run_id"], row["task"]), driver, driver.take(row))

    def _take(self, key: Key, driver: Driver, assignment: Any) -> None:
        self.model.claim(key, driver.id)
        self.told.append((driver.id, assignment))

    @precondition(lambda self: self.model.list_suspects())
    @rule(data=st.data())
    def begin_a_suspect(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.model.list_suspects()))
        worker = self.model.find(key).worker
        assert worker is not None
        self.model.begin(key)
        begun = [f"{run} {number} {attempt}" for (run, number), attempt in self.model.begun[worker]]
        [run, number], attempt = key, self.model.find(key).attempt
        rows = self.do(self.workers[0].run("begin_suspect", worker, run, number, attempt, begun))
        assert sum(row["losses"] for row in rows) == self.model.find(key).lost

    @precondition(lambda self: self.told)
    @rule(data=st.data(), local=st.booleans())
    def finish(self, data: st.DataObject, local: bool) -> None:
        """A batch of what some worker holds, or once held, ends in some way."""
        worker, _ = data.draw(st.sampled_from(self.told), label="whose")
        words = {(one.key, one.attempt): one for id, one in self.told if id == worker}
        chosen = data.draw(st.sets(st.sampled_from(sorted(words)), min_size=1, max_size=20), label="which")
        self._finish_some(worker, {key: words[key, attempt] for key, attempt in sorted(chosen)}, data, local)

    @precondition(lambda self: self.list_overtaken())
    @rule(data=st.data())
    def finish_what_is_held_otherwise_now(self, data: st.DataObject) -> None:
        """Somebody ends what it held once, and what it or another holds again meanwhile."""
        worker, one = data.draw(st.sampled_from(self.list_overtaken()), label="whose and which")
        self._finish_some(worker, {one.key: one}, data, local=False)

    def list_held(self) -> list[tuple[UUID, Any]]:
        return [(worker, one) for worker, one in self.told if self.model.holds(worker, one.key, one.attempt)]

    def list_overtaken(self) -> list[tuple[UUID, Any]]:
        running = set(self.model.list_tasks("running"))
        return [
            (worker, one)
            for worker, one in self.told
            if one.key in running and not self.model.holds(worker, one.key, one.attempt)
        ]

    @rule(who=st.integers(0, 2), data=st.data(), local=st.booleans())
    def work_through_a_generation(self, who: int, data: st.DataObject, local: bool) -> None:
        """Claim all there is and finish all that is held, so that runs get somewhere."""
        self.claim(who, 1000)
        worker = self.workers[who].id
        mine = {one.key: one for id, one in self.told if id == worker and self.model.holds(id, one.key, one.attempt)}
        self._finish_some(worker, mine, data, local)

    def _finish_some(self, worker: UUID, mine: dict[Key, Any], data: st.DataObject, local: bool) -> None:
        if mine:
            batch = [mine[key] for key in sorted(mine)]
            self._finish(worker, batch, {one.key: self._report(one.key, data) for one in batch}, local)

    def _report(self, key: Key, data: st.DataObject) -> Report:
        forced = None if key[0] not in self.model.runs else self.model.decide(key)
        if forced is not None:
            return Report(forced, reason="decided")
        status = data.draw(
            st.sampled_from((Status.COMPLETED,) * 4 + (Status.SKIPPED, Status.FAILED, Status.RETRIED, Status.RELEASED))
        )
        retry = data.draw(st.sampled_from((0, 10**12))) if status is Status.RETRIED else 0
        return Report(status, b"1" if status is Status.COMPLETED else None, retry_us=retry if status < 0 else None)

    def _finish(self, worker: UUID, batch: list[Any], reports: dict[Key, Report], local: bool) -> None:
        driver = next((one for one in self.workers if one.id == worker), self.workers[0])
        driver.continue_locally(local)
        expected = [one for one in batch if self.model.holds(worker, one.key, one.attempt)]
        mine, driver.id = driver.id, worker
        answer = self.do(driver.finish(batch, reports))
        driver.id = mine
        assert {batch[place - 1].key for place in answer["accepted"] or ()} == {one.key for one in expected}
        freed: set[Key] = set()
        for one in expected:
            report = reports[one.key]
            if report.status > 0:
                freed |= set(self.model.conclude(one.key, report.status))
            else:
                spends = report.status is Status.RETRIED
                self.model.send_back(one.key, spends_retry=spends, later=bool(report.retry_us))
        continued = set(zip(answer["continued_runs"] or (), answer["continued_tasks"] or (), strict=True))
        assert continued <= freed
        assert local or not continued
        for run, number in sorted(continued):
            self.model.claim((run, number), worker)
            example = next(one for one in batch if one.run.id == run)
            attempt = self.model.find((run, number)).attempt
            self.told.append((worker, Assignment(example.run, number, attempt, 0, 0, None)))
        cancelled = [one.key for one in expected if reports[one.key].status is Status.CANCELLED]
        orphans = [id for id, run in self.model.runs.items() if run.parent in cancelled]
        assert self._carry_out() == {id for orphan in orphans for id in self.model.cancel(orphan)}

    @precondition(lambda self: self.model.list_tasks("running"))
    @rule(data=st.data(), event=st.sampled_from((None, *EVENTS)), seen=st.booleans())
    def park(self, data: st.DataObject, event: str | None, seen: bool) -> None:
        anything, held = st.sampled_from(self.told), st.sampled_from(self.list_held())
        self._park(*data.draw(anything | held), event, seen=seen)

    @precondition(lambda self: self.model.list_tasks("running"))
    @rule(data=st.data(), event=st.sampled_from(EVENTS))
    def park_while_its_event_comes(self, data: st.DataObject, event: str) -> None:
        """A worker parks a task for an event that came after the worker had looked."""
        worker, held = data.draw(st.sampled_from(self.list_held()))
        self.push(event)
        self.deliver(again=False)
        self._park(worker, held, event, seen=False)

    @precondition(lambda self: self.model.list_tasks("running"))
    @rule(data=st.data(), who=st.integers(0, 2), parks=st.booleans())
    def end_what_has_gone_on(self, data: st.DataObject, who: int, parks: bool) -> None:
        """Somebody ends what was claimed again since. A task that waited keeps the number of its attempt: only the
        worker tells the two apart. One that failed may be with the same worker again: only the number does."""
        worker, one = data.draw(st.sampled_from(self.list_held()))
        if parks:
            self._park(worker, one, None, seen=False)
        else:
            self._finish(worker, [one], {one.key: Report(Status.RETRIED, retry_us=0)}, local=False)
        self.wake()
        self.claim(who, 1000)
        self._finish_some(worker, {one.key: one}, data, local=False)

    def _park(self, worker: UUID, held: Any, event: str | None, *, seen: bool) -> None:
        driver = self.workers[0]
        wanted = json.dumps([[0, event, None]]) if event else None
        position = self.database.value("SELECT coalesce(max(position), 0) FROM plait.event") if seen else 0
        row = self.do(
            driver.run(
                "park_tasks", worker, [held.run.id], [held.task], [held.attempt], [held.run.version.id], [-1],
                [None if event else 10**13], [position], ["{}"], [wanted],
            )
        )[0]  # fmt: skip
        counts = self.model.holds(worker, held.key, held.attempt)
        assert bool(row["parked"]) == counts
        if counts:
            self.model.park(held.key, event, seen=seen)

    @rule(who=st.integers(0, 2))
    def die(self, who: int) -> None:
        driver = self.workers[who]
        self.database.query("UPDATE plait.worker SET watched_us = -1000000000000 WHERE id = %s", driver.id)
        self.do(driver.run("reap_workers", 1000, 0, None, 0))
        self.model.lose(driver.id)
        driver.id = new_run_id()
        self.do(driver.register())

    @rule()
    def reap_nobody(self) -> None:
        [row] = self.do(self.workers[0].run("reap_workers", 1000, 0, None, 0))
        assert (row["dead"], row["moved"]) == (0, 0)

    @rule()
    def turn_eras(self) -> None:
        self.do(self.workers[0].store.turn_eras(0, 0, 3))

    # time and events

    @rule()
    def wake(self) -> None:
        self.database.query("UPDATE plait.waiting SET due_at = '-infinity' WHERE due_at < 'infinity'")
        self.do(self.workers[0].run("wake_tasks", 100_000))
        self.model.wake()

    @rule(key=st.sampled_from(EVENTS))
    def push(self, key: str) -> None:
        self.event_ids.append(new_run_id())
        self.do(self.workers[0].run("push_events", [self.event_ids[-1]], [key], [b"{}"], [None], [None], [None]))
        self.model.events.append(key)

    @rule(again=st.booleans(), most=st.sampled_from([0, 100_000]))
    def deliver(self, again: bool, most: int = 0) -> None:
        """All that is in the inbox, in order; ``again``: some of it for the second time, which changes nothing.
        ``most``: how many tasks are woken in one commit."""
        ids = self.event_ids[0 if again else self.model.delivered :]
        if ids:
            complete = self.do(self.workers[0].deliver(ids, most=most))["complete"]
            while not complete:
                [row] = self.do(self.workers[0].run("continue_deliveries", 1))
                complete = row["complete"]
            self.model.deliver()

    # orders

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data())
    def cancel_a_run(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.model.runs)))
        [row] = self.do(self.workers[0].run("cancel_runs", [run], "why"))
        assert set(row["run_ids"] or ()) | self._carry_out() == self.model.cancel(run)

    def _carry_out(self) -> set[UUID]:
        """End what was ordered to be cancelled. Returns the runs that this ended."""
        ended: set[UUID] = set()
        while (row := self.do(self.workers[0].run("carry_out_cancellations", 3))[0])["looked_at"]:
            ended |= set(row["ended"] or ())
        return ended

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data())
    def cancel_a_task(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.model.runs)))
        number = data.draw(st.integers(0, len(self.model.runs[run].tasks) - 1))
        [row] = self.do(self.workers[0].run("cancel_task", run, number))
        assert row["asked"] is self.model.order_cancel((run, number))

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data())
    def replay_a_run(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.model.runs)))
        model = self.model.runs[run]
        driver = self.workers[0]
        driver.version = next(version for version in self.versions if version.definition == model.definition)
        wanted = model.status is not None and bool(self.model.list_again(run))
        last = self.database.value("SELECT coalesce(max(attempt), 0) FROM plait.attempt WHERE run_id = %s", run)
        assert self.do(replay(driver, run)) == wanted
        if wanted:
            self.model.replay(run, last + 1)

    @rule()
    def prune(self) -> None:
        self.do(prune(self.workers[0].store.retention, FAR))
        self.model.prune()

    # what holds after every step

    @invariant()
    def the_rooms_are_the_models(self) -> None:
        for room in ROOMS:
            worker = "worker_id" if room == "running" else "NULL::uuid"
            rows = self.database.query(f"SELECT run_id, task, attempt, retry, lost, {worker} FROM plait.{room}")
            wanted = [
                (*key, task.attempt, task.retry, task.lost, task.worker)
                for key in self.model.list_tasks(room)  # type: ignore[arg-type]
                for task in [self.model.find(key)]
            ]
            assert sorted(rows, key=str) == sorted(wanted, key=str), room

    @invariant()
    def the_outcomes_are_the_models(self) -> None:
        runs = self.database.query("SELECT id, status FROM plait.run ORDER BY id")
        assert runs == [(id, int(run.status or 0)) for id, run in sorted(self.model.runs.items())]
        outcomes = self.database.query(
            "SELECT run_id, task, status FROM plait.attempt WHERE status > 0 ORDER BY run_id, task"
        )
        assert outcomes == [
            (id, number, int(task.status))
            for id, run in sorted(self.model.runs.items())
            for number, task in enumerate(run.tasks)
            if task.status is not None
        ]

    @invariant()
    def the_judge_says_what_the_model_says(self) -> None:
        for key in self.model.list_tasks("running"):
            run = self.model.runs[key[0]]
            outcomes = {n: task.status for n, task in enumerate(run.tasks) if task.status is not None}
            order = "asked" if self.model.find(key).ordered else None
            verdict = judge(run.definition, key[1], outcomes, Signals(run.worst, cancel_requested=order))
            said = None if verdict is RUN else Status.CANCELLED if isinstance(verdict, Cancel) else Status.SKIPPED
            assert said == self.model.decide(key)


def _by_age(row: Any) -> tuple[UUID, int]:
    return row["run_id"], row["task"]


@pytest.mark.long
def test_the_store_does_what_the_model_does(database: Database) -> None:
    StoreMachine.database = database
    StoreMachine.loop = loop = asyncio.new_event_loop()
    one = WorkflowDefinition("one", (TaskDefinition(name="only"),))
    StoreMachine.workers = [loop.run_until_complete(Driver(database.url).open(one)) for _ in range(3)]
    profile = settings(
        max_examples=pick(40, 200),
        stateful_step_count=pick(30, 50),
        deadline=None,
        database=None,
        derandomize=pick(True, False),
        print_blob=True,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to find a shorter way to a failure takes too long here
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(StoreMachine, settings=profile)
    for driver in StoreMachine.workers:
        loop.run_until_complete(driver.close())
    loop.close()
    check_log(database)
