"""Settings of the interpreter for a process that is a worker and nothing else."""

from __future__ import annotations

import gc


def tune_interpreter() -> None:
    """Have the garbage collector run rarely, and never over what exists already.

    A worker makes many short-lived objects and frees them by reference counting; scanning for cycles after every 700
    of them costs a tenth of its CPU. Measured: docs/decisions/0003-worker-threads.md.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
