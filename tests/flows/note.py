"""A task that tells its number: ``python -m flows.note 1 2`` triggers two runs of it and prints their ids."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from flows.steps import Number
from plait import Context, Plait


def declare(plait: Plait, tell: Callable[[int], None] = lambda _: None) -> Any:
    @plait.task(name="note", input_validator=Number)
    def note(input: Number, ctx: Context) -> int:
        tell(input.n)
        return input.n

    return note


if __name__ == "__main__":
    with Plait() as plait:
        task = declare(plait)
        for word in sys.argv[1:]:
            print(task.run_no_wait(Number(n=int(word))).workflow_run_id)
