"""How late time starts a run on an idle system: ``python -m benchmarks.timers [runs]``.

Scheduled runs fall due one by one at odd moments. Printed is the time from then until the run is committed, and until
its task has begun, by the database's clock; the target is 50 ms at the 95th percentile.
"""

from __future__ import annotations

import random
import statistics
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

from plait import Context, EmptyModel, Plait

LEAST, MOST = 0.2, 0.6
"""Seconds between two of them: long enough that everybody sleeps in between."""


def main(runs: int) -> None:
    """Schedule ``runs`` runs and print how late they were. The database is that of the environment, else embedded."""
    plait = Plait()

    @plait.task(name="benchmark-timers")
    async def note(input: EmptyModel, ctx: Context) -> None: ...

    worker = plait.worker("benchmark", workflows=[note], slots=10)
    ready = threading.Event()
    worker.on_registered = ready.set
    serving = threading.Thread(target=worker.start, daemon=True)
    serving.start()
    ready.wait(60)
    try:
        begin = datetime.now(UTC) + timedelta(seconds=2)
        moments = [begin]
        while len(moments) < runs:
            moments.append(moments[-1] + timedelta(seconds=random.uniform(LEAST, MOST)))
        scheduled = [note.schedule(moment) for moment in moments]
        time.sleep((moments[-1] - datetime.now(UTC)) / timedelta(seconds=1) + 2)
        started, begun = [], []
        for each in scheduled:
            run_id = plait.scheduled.get(each.id).run_id
            if run_id is None:
                raise RuntimeError(f"scheduled run {each.id} has not started")
            details = plait.runs.get_details(run_id)
            task = details.tasks["benchmark-timers"]
            if task.started_at is None:
                raise RuntimeError(f"run {run_id} has not begun")
            started.append((details.created_at - each.run_at) / timedelta(milliseconds=1))
            begun.append((task.started_at - each.run_at) / timedelta(milliseconds=1))
    finally:
        worker.stop(hurry=True)
        serving.join(30)
        plait.close()
    _show("due → run committed", started)
    _show("due → task begun", begun)


def _show(what: str, late: list[float]) -> None:
    tail = statistics.quantiles(late, n=20)[-1]
    print(f"{what:<22} p50 {statistics.median(late):6.1f} ms   p95 {tail:6.1f} ms   worst {max(late):6.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
