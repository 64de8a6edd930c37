"""What happens to an order after the request is answered: charge → ship → tell the customer.

Served by ``plait worker flows.py``. Any task may run twice, so what it does is keyed by the order: a payment provider
takes such a key with the request.
"""

from __future__ import annotations

from pydantic import BaseModel
from tables import Item, Order, open_session

from plait import Context, Plait

plait = Plait()


class OrderInput(BaseModel):
    """Which order."""

    order_id: int


class Charge(BaseModel):
    """A payment. ``cents`` is the sum."""

    reference: str
    cents: int


fulfil = plait.workflow(name="FulfilOrder", input_validator=OrderInput)


@fulfil.task(retries=5, backoff_factor=2, backoff_max_seconds=60)
async def charge(input: OrderInput, ctx: Context) -> Charge:
    async with open_session() as session:
        order = await session.get_one(Order, input.order_id)
        item = await session.get_one(Item, order.item)
    return Charge(reference=f"order-{order.id}", cents=order.amount * item.price)


@fulfil.task(parents=[charge])
async def ship(input: OrderInput, ctx: Context) -> str:
    tracking = f"TRACK-{input.order_id:06d}"
    async with open_session() as session, session.begin():
        order = await session.get_one(Order, input.order_id)
        order.tracking = tracking
    return tracking


@fulfil.task(parents=[charge, ship])
async def tell_customer(input: OrderInput, ctx: Context) -> str:
    payment, tracking = ctx.task_output(charge), ctx.task_output(ship)
    text = f"Paid {payment.cents / 100:.2f}, on its way as {tracking}"
    ctx.log(text)
    return text
