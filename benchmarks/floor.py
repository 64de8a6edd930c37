"""The floor: the bare start, claim and finish statements over one connection, in batches, without an engine."""

from __future__ import annotations

import time
from uuid import UUID

from plait.graph.attempt import StoredVersion
from plait.graph.definition import RUN_END
from plait.ids import new_run_id
from plait.store.ranges import find_ranges
from plait.store.store import FinishArrays, StartRow, Store, WorkerRow

BATCH = 200
OUTPUT = b'{"at":1234567890123456}'


async def measure_floor(url: str, version: StoredVersion, runs: int) -> float:
    """Tasks per second of the bare statements for ``runs`` runs, every task through ``ready``, triggers included."""
    store = Store(url)
    # One connection for everything: what is measured is the statements, not their overlap.
    store.finishes = store.claims
    store.pool._idle[:] = [store.claims]
    worker = WorkerRow(new_run_id(), "floor", "", 0, BATCH, None, list(version.actions), "", 3600.0, [])
    try:
        await store.register_worker(worker, None)
        await store.claim_tasks(worker.id, find_ranges([version.actions]), 1)
        started = time.perf_counter()
        for begin in range(0, runs, BATCH):
            count = min(BATCH, runs - begin)
            await store.start_runs([StartRow(new_run_id(), version.id, b"{}", None, 1, None) for _ in range(count)])
        done = await _drain(store, worker, version)
        elapsed = time.perf_counter() - started
        if done != runs * len(version.definition.tasks):
            raise RuntimeError(f"the floor finished {done} tasks of {runs * len(version.definition.tasks)}")
        return done / elapsed
    finally:
        await store.end_worker(worker.id)
        await store.close()


async def _drain(store: Store, worker: WorkerRow, version: StoredVersion) -> int:
    done, actions = 0, find_ranges([version.actions])
    while True:
        claimed = await store.claim_tasks(worker.id, actions, BATCH)
        if not claimed.rows:
            return done
        held = sorted((row["run_id"], row["task"]) for row in claimed.rows)
        finished = await store.finish_tasks(worker.id, _build_arrays(version, held))
        done += len(finished.accepted)


def _build_arrays(version: StoredVersion, held: list[tuple[UUID, int]]) -> FinishArrays:
    spans, edges, actions = [], [], []
    for _, task in held:
        first = len(edges) + 1
        for edge in version.definition.edges[task]:
            edges.append(edge.packed)
            actions.append(0 if edge.child == RUN_END else version.actions[edge.child])
        spans.append(first << 32 | len(edges))
    runs = [run for run, _ in held]
    tasks = [task for _, task in held]
    elapsed, outputs = [100] * len(held), [OUTPUT] * len(held)
    return FinishArrays(runs, tasks, elapsed, spans, outputs, [], [], [], [], [], edges, actions, [], [])
