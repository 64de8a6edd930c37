"""What somebody else does wrong on the same database, beside normal load: an unrelated task is not held up. How long it
took meanwhile is in the table of ``make faults``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from faults.harness.storm import Storm
from flows import hostile, neighbour
from flows.steps import Gate, Number
from plait import Plait, RunFilter
from plait.errors import KeyHeldError
from support.workers import CALM

pytestmark = pytest.mark.thorough

PROBES = 60
"""Calls of the unrelated task while a disturbance lasts that has no end of its own."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where it happens: ``flows`` are those of the neighbour, on ``plait``."""

    storm: Storm
    plait: Plait
    flows: SimpleNamespace
    folder: Path

    @contextmanager
    def open_transaction(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        with psycopg.connect(self.storm.url) as connection:
            yield connection
            connection.rollback()


def a_task_ends_its_workers(scene: Scene) -> None:
    run = scene.flows.poison.run_no_wait(Number())
    scene.storm.wait(lambda: run.status() != "RUNNING", "the poisoned task fails", seconds=120)


def a_transaction_holds_an_idempotency_key(scene: Scene) -> None:
    with scene.open_transaction() as connection:
        scene.flows.keyed.run_no_wait(Number(), idempotency_key="held", connection=connection)
        scene.storm.note_fault()
        answers = list[str]()

        def trigger() -> None:
            try:
                scene.flows.keyed.run_no_wait(Number(), idempotency_key="held")
            except KeyHeldError as error:
                answers.append(str(error))

        threads = [threading.Thread(target=trigger) for _ in range(10)]
        for thread in threads:
            thread.start()
        scene.storm.wait_for_probes(PROBES)
        for thread in threads:
            thread.join(60)
        assert len(answers) == len(threads)


def a_transaction_that_starts_a_child_stays_open_while_its_parent_is_cancelled(scene: Scene) -> None:
    run = scene.flows.holds.run_no_wait(Number())
    begun = Gate(scene.folder, "begun")
    begun.wait(60)
    run.cancel()
    scene.storm.note_fault()
    scene.storm.wait_for_probes(PROBES)
    Gate(scene.folder, "release").open()
    scene.storm.database.wait("SELECT count(*) = 0 FROM plait.cancellation")


def a_forgotten_transaction(scene: Scene) -> None:
    with scene.open_transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT pg_current_xact_id(), count(*) FROM plait.run")
        scene.storm.note_fault()
        scene.storm.wait_for_probes(2 * PROBES)


def a_family_of_5_000_is_cancelled(scene: Scene) -> None:
    run = scene.flows.family.run_no_wait(Number(n=5000))
    scene.storm.database.wait("SELECT count(*) >= 5000 FROM plait.waiting", seconds=120)
    run.cancel()
    scene.storm.note_fault()
    scene.storm.database.wait("SELECT count(*) = 0 FROM plait.cancellation", seconds=120)
    scene.storm.database.wait("SELECT count(*) = 0 FROM plait.waiting", seconds=120)


def an_event_for_which_5_000_wait(scene: Scene) -> None:
    waiting = scene.flows.waiting
    waiting.run_many_no_wait([waiting.create_bulk_run_item(Number(n=n)) for n in range(5000)])
    scene.storm.database.wait("SELECT count(*) >= 5000 FROM plait.awaited_event", seconds=120)
    scene.plait.event.push("come", {})
    scene.storm.note_fault()
    runs = "FROM plait.runs WHERE workflow = 'waiting' AND status = 'COMPLETED'"
    scene.storm.database.wait(f"SELECT count(*) = 5000 {runs}", seconds=240)


def expressions_without_end(scene: Scene) -> None:
    numbers = {"xs": list(range(10_000))}
    for _ in range(20):
        scene.plait.event.push("burst", numbers, scope="slow")
        scene.storm.note_fault()
    scene.storm.wait_for_probes(PROBES)
    scene.storm.database.wait("SELECT count(*) = 0 FROM plait.event_inbox", seconds=120)


def two_hundred_large_outputs(scene: Scene) -> None:
    runs = scene.flows.large.run_many_no_wait([scene.flows.large.create_bulk_run_item(Number(n=n)) for n in range(200)])
    scene.storm.note_fault()
    assert {len(run.result(120)) for run in runs} == {900_000}


def a_fan_out_of_10_000(scene: Scene) -> None:
    run = scene.flows.wide.run_no_wait(Number(n=1))
    scene.storm.note_fault()
    assert run.result(120)["join"] == 2 * neighbour.TASKS
    assert (
        scene.storm.database.value(
            "SELECT count(*) FROM plait.attempt WHERE run_id = %s AND status = 2", run.workflow_run_id
        )
        == neighbour.TASKS + 2
    )


DISTURBANCES = (
    a_task_ends_its_workers,
    a_transaction_holds_an_idempotency_key,
    a_transaction_that_starts_a_child_stays_open_while_its_parent_is_cancelled,
    a_forgotten_transaction,
    a_family_of_5_000_is_cancelled,
    an_event_for_which_5_000_wait,
    expressions_without_end,
    two_hundred_large_outputs,
    a_fan_out_of_10_000,
)


@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda disturb: disturb.__name__.replace("_", " "))
def test_neighbour(storm: Storm, tmp_path: Path, disturb: Callable[[Scene], None]) -> None:
    wide = disturb is a_fan_out_of_10_000
    plait = Plait(storm.url)
    flows = neighbour.declare(plait, wide=wide)
    storm.start_neighbour(
        "neighbour", tuple(vars(flows)), gates=str(tmp_path), url_of_tasks=storm.url, wide=wide, timings=CALM
    )
    _start_load(storm)
    disturb(Scene(storm, plait, flows, tmp_path))
    storm.settle()
    plait.close()


def test_neighbour_whose_tasks_do_what_no_task_should(storm: Storm, tmp_path: Path) -> None:
    plait = Plait(storm.url)
    flows = hostile.declare(plait)
    storm.start_neighbour("hostile", tuple(vars(flows)), gates=str(tmp_path), timings=CALM)
    _start_load(storm)
    misdeeds = [task for name, task in vars(flows).items() if name not in ("patient", "good")]
    runs = [task.run_no_wait(Number()) for task in misdeeds]
    storm.note_fault(faults=len(runs))
    storm.wait_for_probes(2 * PROBES)
    plait.runs.bulk_cancel(filter=RunFilter(workflow_names=[task.name for task in misdeeds]))
    Gate(tmp_path, "stubborn").open()
    storm.settle()
    plait.close()


def _start_load(storm: Storm) -> None:
    storm.start_workers(1, timings=CALM)
    storm.start_probe()
    storm.start_client(pause=0.05)
