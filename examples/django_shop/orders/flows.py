"""What happens to an order after the request is answered: charge → ship → tell the customer.

``plait.django`` imports this module by its name. ``def`` tasks and ``async def`` tasks may both use the ORM.
"""

from __future__ import annotations

from pydantic import BaseModel

from orders.models import Item, Order
from plait import Context
from plait.django import plait


class OrderInput(BaseModel):
    """Which order."""

    order_id: int


fulfil = plait.workflow(name="FulfilOrder", input_validator=OrderInput)


@fulfil.task(retries=5, backoff_factor=2, backoff_max_seconds=60)
def charge(input: OrderInput, ctx: Context) -> int:
    order = Order.objects.get(pk=input.order_id)
    return order.amount * Item.objects.get(name=order.item).price


@fulfil.task(parents=[charge])
async def ship(input: OrderInput, ctx: Context) -> str:
    tracking = f"TRACK-{input.order_id:06d}"
    await Order.objects.filter(pk=input.order_id).aupdate(tracking=tracking)
    return tracking


@fulfil.task(parents=[charge, ship])
def tell_customer(input: OrderInput, ctx: Context) -> str:
    return f"Paid {ctx.task_output(charge) / 100:.2f}, on its way as {ctx.task_output(ship)}"
