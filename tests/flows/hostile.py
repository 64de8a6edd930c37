"""Tasks that do what no task should, beside ones that behave."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from types import SimpleNamespace
from typing import Any

from flows.steps import Gate, Number
from plait import Context, Plait
from plait.client import get_access
from support.ledger import record


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


class Unserialisable:
    def __repr__(self) -> str:
        raise RuntimeError("no text for you")

    def __reduce__(self) -> Any:
        raise RuntimeError("no pickle either")


def recurse(depth: int) -> int:
    return recurse(depth + 1) + 1


def make_cycle() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


def raise_(error: BaseException) -> Any:
    raise error


MISDEEDS: dict[str, Any] = {
    "sys_exit": lambda: sys.exit(3),
    "system_exit": lambda: raise_(SystemExit("bye")),
    "keyboard_interrupt": lambda: raise_(KeyboardInterrupt()),
    "generator_exit": lambda: raise_(GeneratorExit()),
    "cancelled": lambda: raise_(asyncio.CancelledError()),
    "stop_iteration": lambda: raise_(StopIteration(1)),
    "recursion": lambda: recurse(0),
    "unprintable": lambda: raise_(Unprintable()),
    "unserialisable": Unserialisable,
    "cycle": make_cycle,
    "nan": lambda: {"a": [float("nan")]},
    "infinity": lambda: float("inf"),
    "nul": lambda: {"text": "a\0b"},
    "surrogate": lambda: "\ud800",
    "deep": lambda: __import__("functools").reduce(lambda inner, _: [inner], range(5_000), []),
    "huge": lambda: "x" * (2 << 20),
    "nul_in_error": lambda: raise_(ValueError("a\0b \ud800 \x1b[31m <script>")),
    "long_error": lambda: raise_(ValueError("x" * 10_000_000)),
    "group": lambda: raise_(BaseExceptionGroup("many", [ValueError(1), KeyboardInterrupt()])),
    "lambda": lambda: lambda: 1,
}


def declare_misdeed(plait: Plait, name: str, misdeed: Any) -> list[Any]:
    """A misdeed as a sync and as an async task."""

    def sync_body(input: Number, ctx: Context) -> Any:
        record(ctx, "begin")
        return misdeed()

    async def async_body(input: Number, ctx: Context) -> Any:
        record(ctx, "begin")
        return misdeed()

    bodies = {"sync": sync_body, "async": async_body}
    return [plait.task(name=f"{kind}_{name}", input_validator=Number)(body) for kind, body in bodies.items()]


def declare(plait: Plait, *, gates: str = "") -> SimpleNamespace:
    standalones = [task for name, misdeed in MISDEEDS.items() for task in declare_misdeed(plait, name, misdeed)]

    @plait.task(input_validator=Number)
    def os_exit(input: Number, ctx: Context) -> None:
        record(ctx, "begin")
        os._exit(9)

    @plait.task(input_validator=Number)
    async def engine_ender(input: Number, ctx: Context) -> None:
        """Ends the thread of the engine, and then blocks the loop of its worker."""
        record(ctx, "begin")
        get_access(plait).portal.loop.call_soon_threadsafe(sys.exit, 3)
        time.sleep(60)  # noqa: ASYNC251 - the point

    @plait.task(input_validator=Number, retries=2)
    def stubborn(input: Number, ctx: Context) -> str:
        """A thread that hears nothing."""
        record(ctx, "begin")
        Gate(gates, "stubborn").wait(120)
        record(ctx, "end", "done")
        return "done"

    @plait.task(input_validator=Number)
    async def deaf(input: Number, ctx: Context) -> str:
        """A coroutine that will not be cancelled."""
        record(ctx, "begin")
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                record(ctx, "end", "heard, and goes on")

    @plait.task(input_validator=Number, execution_timeout="100s")
    async def blocker(input: Number, ctx: Context) -> str:
        """A coroutine that blocks the loop of all coroutines."""
        record(ctx, "begin")
        await asyncio.to_thread(int)
        time.sleep(60)  # noqa: ASYNC251 - the point
        return "done"

    @plait.task(input_validator=Number, retries=0)
    async def patient(input: Number, ctx: Context) -> int:
        """A coroutine that waits at a gate and behaves."""
        record(ctx, "begin")
        gate = Gate(gates, "patient")
        await asyncio.to_thread(gate.wait, 120)
        record(ctx, "end", ctx.attempt_number)
        return ctx.attempt_number

    @plait.task(input_validator=Number)
    async def good(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        record(ctx, "end", input.n)
        return input.n

    standalones += [os_exit, engine_ender, stubborn, deaf, blocker, patient, good]
    return SimpleNamespace(**{standalone.name: standalone for standalone in standalones})
