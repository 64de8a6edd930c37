"""Workflows for the tests of the command line; copied into a project folder of the test."""

import asyncio
import os
import time
from pathlib import Path

from pydantic import BaseModel

from plait import Context, EmptyModel, Plait

plait = Plait()


class Numbers(BaseModel):
    n: int = 1


diamond = plait.workflow(name="diamond", input_validator=Numbers)


@diamond.task()
def top(input: Numbers, ctx: Context) -> int:
    print("printed by a task")
    os.system("echo printed by a subprocess")
    return input.n


@diamond.task(parents=[top])
def left(input: Numbers, ctx: Context) -> int:
    return ctx.task_output(top) + 1


@diamond.task(parents=[top], retries=2)
async def right(input: Numbers, ctx: Context) -> int:
    if ctx.retry_count == 0:
        raise ValueError("not at first")
    return ctx.task_output(top) * 2


@diamond.task(parents=[left, right])
async def bottom(input: Numbers, ctx: Context) -> int:
    return ctx.task_output(left) + ctx.task_output(right)


failing = plait.workflow(name="failing")


@failing.task()
def explode(input: EmptyModel, ctx: Context) -> int:
    raise ValueError("boom \x1b[31mred")


@failing.task(parents=[explode])
def never(input: EmptyModel, ctx: Context) -> int:
    return 1


@plait.task()
async def hello(input: EmptyModel, ctx: Context) -> dict:
    return {"hello": (input.model_extra or {}).get("name", "world"), "big": 2**70, "input": input.model_extra}


gated = plait.workflow(name="gated")


@gated.task()
def before(input: EmptyModel, ctx: Context) -> int:
    return os.getpid()


@gated.task(parents=[before], execution_timeout="5m")
async def wait(input: EmptyModel, ctx: Context) -> int:
    while not os.access(os.environ["GATE"], os.F_OK):
        await asyncio.sleep(0.02)
    return os.getpid()


@plait.task(execution_timeout="5m")
def stubborn(input: EmptyModel, ctx: Context) -> int:
    while not Path(os.environ["GATE"]).exists():
        time.sleep(0.02)
    return 1
