"""Workflows for the tests of the commands that order; copied into a project folder of the test."""

import asyncio
import os

from pydantic import BaseModel

from plait import Context, EmptyModel, Plait, SleepCondition, UserEventCondition, or_

plait = Plait()


class Order(BaseModel):
    amount: int = 0


orders = plait.workflow(name="orders", description="Ships.", input_validator=Order, on_events=["order:*"])


@orders.task(retries=1, backoff_factor=1.0)
def check(input: Order, ctx: Context) -> int:
    return input.amount


@orders.task(parents=[check], skip_if=[])
def ship(input: Order, ctx: Context) -> dict:
    return {"scope": ctx.filter_payload}


@plait.task(wait_for=[or_(UserEventCondition("approved", "input.ok"), SleepCondition("1h"))])
def approval(input: EmptyModel, ctx: Context) -> dict:
    return ctx.trigger_data


flaky = plait.workflow(name="flaky")


@flaky.task()
def steady(input: EmptyModel, ctx: Context) -> int:
    return ctx.attempt_number


@flaky.task(parents=[steady])
def shaky(input: EmptyModel, ctx: Context) -> int:
    if not os.access(os.environ["GATE"], os.F_OK):
        raise ValueError("the gate is shut")
    return 1


@plait.task()
async def leaf(input: EmptyModel, ctx: Context) -> int:
    return 1


family = plait.workflow(name="family")


@family.task()
async def spread(input: EmptyModel, ctx: Context) -> int:
    runs = (input.model_extra or {}).get("runs", 2)
    return len(await leaf.aio_run_many([leaf.create_bulk_run_item() for _ in range(runs)]))


@family.task(parents=[spread])
async def nest(input: EmptyModel, ctx: Context) -> int:
    if (input.model_extra or {}).get("deep", 0):
        await family.aio_run({"runs": 1, "deep": input.model_extra["deep"] - 1})
    return 1


@plait.task(execution_timeout="5m")
async def held(input: EmptyModel, ctx: Context) -> int:
    while not os.access(os.environ["GATE"], os.F_OK):
        await asyncio.sleep(0.02)
    return 1
