"""The workflows under measurement, and the worker process that runs them. Tasks do nothing: all there is to measure is
Plait."""

from __future__ import annotations

import os
import time
from typing import Any

from plait import Context, EmptyModel, Plait, SleepCondition, Workflow

plait = Plait(os.environ.get("BENCH_DATABASE_URL"))


def _declare(name: str, parents: dict[str, list[str]]) -> Workflow[EmptyModel]:
    workflow = plait.workflow(name=name)
    declared: dict[str, Any] = {}
    for task, above in parents.items():

        async def body(input: EmptyModel, ctx: Context) -> dict[str, int]:
            return {"at": time.monotonic_ns()}

        declared[task] = workflow.task(name=task, parents=[declared[parent] for parent in above])(body)
    return workflow


SHAPES = {
    "single": _declare("bench-single", {"only": []}),
    "diamond": _declare("bench-diamond", {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}),
    "fan of 8": _declare(
        "bench-fan",
        {"root": [], **{f"leaf{n}": ["root"] for n in range(8)}, "join": [f"leaf{n}" for n in range(8)]},
    ),
    "chain of 10": _declare("bench-chain", {f"t{n}": [f"t{n - 1}"] if n else [] for n in range(10)}),
}


@plait.task(name="bench-sleeper", wait_for=[SleepCondition("6h")])
async def sleeper(input: EmptyModel, ctx: Context) -> str:
    return "woken"


if __name__ == "__main__":
    plait.worker("bench", slots=int(os.environ.get("BENCH_SLOTS", "400"))).start()
    plait.close()
