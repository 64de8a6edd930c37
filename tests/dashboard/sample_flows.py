"""Workflows for the dashboard's tests and pictures: a shop with a bit of everything."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from plait import (
    Context,
    EmptyModel,
    NonRetryableException,
    ParentCondition,
    Plait,
    SleepCondition,
    UserEventCondition,
    or_,
)

BIG = 9_007_199_254_740_993
"""2**53 + 1: not a number that JavaScript has."""

NASTY = "rot \x1b[31mred\x1b[0m, \u202egnp.exe\u202c, <script>alert(1)</script>\x07"


class Speed(StrEnum):
    STANDARD = "standard"
    EXPRESS = "express"


class Address(BaseModel):
    street: str = "Hauptstraße 5"
    city: str = "Basel"


class Order(BaseModel):
    """What a customer bought."""

    order_id: int = Field(default=BIG, description="The number on the receipt", ge=1)
    customer: str = "ada@example.org"
    items: list[str] = ["lamp", "desk"]
    speed: Speed = Speed.STANDARD
    address: Address = Address()
    gift: bool = False
    note: str | None = None
    pace: float = Field(default=0.3, ge=0, description="Seconds that each task takes")
    card_declined: bool = False


class Priced(BaseModel):
    order_id: int
    total_cents: int
    lines: dict[str, int]


class Thumbnails(BaseModel):
    pace: float = 0.05
    broken_page: int | None = None


class Nap(BaseModel):
    seconds: float = 60.0


class Grumble(BaseModel):
    text: str = NASTY


@dataclass(slots=True)
class Shop:
    """The declared workflows. ``repaired``: whether ImportPrices finds its file."""

    workflows: list[Any] = field(default_factory=list)
    by_name: dict[str, Any] = field(default_factory=dict)
    repaired: threading.Event = field(default_factory=threading.Event)

    def add(self, workflow: Any) -> Any:
        self.workflows.append(workflow)
        self.by_name[workflow.name] = workflow
        return workflow

    def __getitem__(self, name: str) -> Any:
        return self.by_name[name]


def declare(plait: Plait) -> Shop:
    """All of them."""
    shop = Shop()
    _declare_orders(plait, shop)
    _declare_thumbnails(plait, shop)
    _declare_waiting(plait, shop)
    _declare_single(plait, shop)
    return shop


def _declare_orders(plait: Plait, shop: Shop) -> None:  # noqa: C901 - a workflow is declared in one place
    orders = shop.add(
        plait.workflow(name="FulfilOrder", input_validator=Order, description="Charge, pack and ship one order")
    )

    @orders.task(execution_timeout="30s")
    async def validate(input: Order, ctx: Context) -> dict[str, int | str]:
        ctx.log(f"order {input.order_id} of {input.customer}")
        await asyncio.sleep(input.pace)
        return {"order_id": input.order_id, "customer": input.customer}

    @orders.task(parents=[validate], retries=3, backoff_factor=1.4, backoff_max_seconds=30)
    async def price(input: Order, ctx: Context) -> Priced:
        await asyncio.sleep(input.pace)
        if ctx.attempt_number == 1 and "desk" in input.items:
            raise TimeoutError("the price service answered 503 Service Unavailable")
        lines = {item: 1_990 + 450 * len(item) for item in input.items}
        ctx.log(f"priced {len(lines)} items")
        return Priced(order_id=input.order_id, total_cents=sum(lines.values()), lines=lines)

    @orders.task(parents=[validate])
    async def reserve_stock(input: Order, ctx: Context) -> list[str]:
        for item in input.items:
            ctx.log(f"reserved {item} in warehouse B")
            await asyncio.sleep(input.pace / 2)
        return [f"B-{len(item):02}" for item in input.items]

    @orders.task(parents=[validate])
    async def check_fraud(input: Order, ctx: Context) -> dict[str, float]:
        await asyncio.sleep(input.pace * 2)
        return {"score": 0.03}

    @orders.task(parents=[price, check_fraud])
    async def charge(input: Order, ctx: Context) -> dict[str, str | int]:
        await asyncio.sleep(input.pace)
        if input.card_declined:
            raise NonRetryableException("the card was declined: insufficient funds")
        return {"transaction": f"tx-{input.order_id % 100_000}", "cents": ctx.task_output(price).total_cents}

    @orders.task(parents=[reserve_stock, charge])
    async def pack(input: Order, ctx: Context) -> dict[str, int]:
        await asyncio.sleep(input.pace)
        return {"parcels": 1 + len(input.items) // 3}

    @orders.task(parents=[pack], skip_if=[ParentCondition(pack, "output.parcels < 2")])
    async def book_freight(input: Order, ctx: Context) -> str:
        return "freight"

    @orders.task(parents=[pack])
    async def ship(input: Order, ctx: Context) -> str:
        ctx.log(f"handed to the carrier, {input.speed.value}")
        await asyncio.sleep(input.pace * 1.5)
        return f"{input.speed.value} to {input.address.city}"

    @orders.task(parents=[ship, charge])
    async def write_invoice(input: Order, ctx: Context) -> Path:
        await asyncio.sleep(input.pace / 2)
        return Path(f"invoices/{input.order_id}.pdf")

    @orders.on_failure_task()
    async def tell_support(input: Order, ctx: Context) -> str:
        return f"ticket for order {input.order_id}"


def _declare_thumbnails(plait: Plait, shop: Shop) -> None:
    thumbnails = shop.add(
        plait.workflow(name="RenderThumbnails", input_validator=Thumbnails, description="A wide fan-out and its join")
    )

    @thumbnails.task()
    async def list_pages(input: Thumbnails, ctx: Context) -> int:
        return 24

    async def render(input: Thumbnails, ctx: Context) -> str:
        await asyncio.sleep(input.pace)
        if input.broken_page is not None and ctx.task_name.endswith(f"{input.broken_page:02}"):
            raise ValueError(f"page {input.broken_page} is no image")
        return f"{ctx.task_name}.png"

    pages = [thumbnails.task(name=f"render_{number:02}", parents=[list_pages])(render) for number in range(24)]

    @thumbnails.task(parents=pages)
    async def bundle(input: Thumbnails, ctx: Context) -> str:
        return "thumbnails.zip"


def _declare_waiting(plait: Plait, shop: Shop) -> None:
    report = shop.add(plait.workflow(name="PublishReport", description="Waits for a person, three days at most"))

    @report.task()
    async def draft(input: EmptyModel, ctx: Context) -> str:
        return "draft"

    @report.task(parents=[draft], wait_for=[or_(SleepCondition("72h"), UserEventCondition("report:approved"))])
    async def publish(input: EmptyModel, ctx: Context) -> str:
        return "published"


def _declare_single(plait: Plait, shop: Shop) -> None:
    orders = shop["FulfilOrder"]

    # Twice a year: a cron that fires while a test looks on would start a run that nobody expects.
    @plait.task(name="CleanUp", on_crons=["15 4 1 1 *", "30 6 1 7 *"], description="Deletes what is old")
    def clean_up(input: EmptyModel, ctx: Context) -> dict[str, int]:
        time.sleep(0.05)
        return {"deleted": 17}

    @plait.task(name="WelcomeUser", on_events=["user:created"], description="Greets who is new")
    def welcome(input: EmptyModel, ctx: Context) -> str:
        return "welcome"

    @plait.task(name="NightlyBatch", execution_timeout="10m", description="One child run for each order")
    async def nightly(input: EmptyModel, ctx: Context) -> int:
        refs = [await orders.aio_run_no_wait(Order(order_id=n, pace=0.01, items=["pen"])) for n in range(1, 4)]
        for ref in refs:
            await ref.aio_result()
        return len(refs)

    @plait.task(name="Nap", input_validator=Nap, execution_timeout="10m")
    async def nap(input: Nap, ctx: Context) -> str:
        await asyncio.sleep(input.seconds)
        return "rested"

    @plait.task(name="Grumble", input_validator=Grumble, description="Fails with a message that is hard to print")
    def grumble(input: Grumble, ctx: Context) -> str:
        ctx.log(f"about to fail: {input.text}")
        raise ValueError(input.text)

    @plait.task(name="ImportPrices", description="Fails until its file is there")
    def import_prices(input: EmptyModel, ctx: Context) -> dict[str, int]:
        if not shop.repaired.is_set():
            raise FileNotFoundError("prices.csv is not there")
        return {"rows": BIG}

    for task in (clean_up, welcome, nightly, nap, grumble, import_prices):
        shop.add(task)
