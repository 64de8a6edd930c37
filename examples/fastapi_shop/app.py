"""A shop: an order and the run that fulfils it are one transaction; the dashboard is at /plait.

    export DATABASE_URL=postgresql://…
    uvicorn app:app --timeout-graceful-shutdown 3        # in examples/fastapi_shop
    plait worker flows.py                                # in another terminal, or SHOP_WORKER=1 with the first

FastAPI, uvicorn and asyncpg come with Plait; ``pip install "sqlalchemy[asyncio]"`` brings the rest.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from tables import Item, Order, make_tables, open_engine, open_session

from flows import OrderInput, fulfil, plait
from plait.server import mount


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect before the first request, so that a database that is missing stops the start; disconnect in the end."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(open_engine().dispose)
        await make_tables()
        await stack.enter_async_context(plait)
        if os.environ.get("SHOP_WORKER") == "1":  # for development: in production workers are processes of their own
            await stack.enter_async_context(plait.worker("in the app").running())
        yield


app = FastAPI(title="Shop", lifespan=lifespan)
mount(app, plait, "/plait")  # without accounts it answers this machine alone; see docs/how-to/serve-the-dashboard.md


async def begin() -> AsyncIterator[AsyncSession]:
    """A transaction for the time of a request: any exception rolls it back."""
    async with open_session() as session, session.begin():
        yield session


# scope="function" (FastAPI 0.121) ends it before the answer is sent: a commit that fails must not look like success.
Transaction = Annotated[AsyncSession, Depends(begin, scope="function")]


class NewOrder(BaseModel):
    """What a customer asks for."""

    item: str
    amount: int = Field(1, ge=1)


@app.post("/orders", status_code=202)
async def place_order(new: NewOrder, session: Transaction) -> dict[str, int]:
    """Write the order and start the run that fulfils it. Out of stock: there is neither."""
    order = Order(item=new.item, amount=new.amount)
    session.add(order)
    await session.flush()  # gives it its id
    run = await fulfil.aio_run_no_wait(OrderInput(order_id=order.id), connection=session)
    order.run_id = run.workflow_run_id
    on_the_shelf = update(Item).where(Item.name == new.item, Item.stock >= new.amount)
    if await session.scalar(on_the_shelf.values(stock=Item.stock - new.amount).returning(Item.name)) is None:
        raise HTTPException(409, f"we have not got {new.amount} {new.item}")
    return {"id": order.id}


@app.get("/orders/{order_id}")
async def show_order(order_id: int, session: Transaction) -> dict[str, str | None]:
    """Where an order stands, and what became of it."""
    order = await session.get(Order, order_id)
    if order is None or order.run_id is None:
        raise HTTPException(404, f"there is no order {order_id}")
    run = plait.runs.get_run_ref(order.run_id)
    status = await run.aio_status()
    outputs = await run.aio_result() if status == "COMPLETED" else {}
    return {"status": status, "message": outputs.get("tell_customer"), "tracking": order.tracking}
