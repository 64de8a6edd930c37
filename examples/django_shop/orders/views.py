"""Placing an order and asking for it."""

from __future__ import annotations

import json

from django.db import connection, transaction
from django.db.models import F
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from orders.flows import OrderInput, fulfil
from orders.models import Item, Order
from plait.django import plait


class OutOfStock(Exception):
    """There is not enough of it."""


@csrf_exempt  # for curl; a page of yours sends the token
@require_POST
def place_order(request: HttpRequest) -> JsonResponse:
    """Write the order and start the run that fulfils it. Out of stock: there is neither."""
    new = json.loads(request.body)
    try:
        order = write_order(new["item"], new["amount"])
    except OutOfStock:
        return JsonResponse({"error": f"we have not got {new['amount']} {new['item']}"}, status=409)
    return JsonResponse({"id": order.pk}, status=202)


@transaction.atomic
def write_order(item: str, amount: int) -> Order:
    """The order with its run, or ``OutOfStock`` and nothing."""
    order = Order.objects.create(item=item, amount=amount)
    run = fulfil.run_no_wait(OrderInput(order_id=order.pk), connection=connection)
    order.run_id = run.workflow_run_id
    order.save(update_fields=["run_id"])
    if not Item.objects.filter(name=item, stock__gte=amount).update(stock=F("stock") - amount):
        raise OutOfStock
    return order


def show_order(request: HttpRequest, order_id: int) -> JsonResponse:
    """Where an order stands, and what became of it."""
    order = get_object_or_404(Order, pk=order_id)
    run = plait.runs.get_run_ref(str(order.run_id))
    status = run.status()
    outputs = run.result() if status == "COMPLETED" else {}
    return JsonResponse({"status": status, "message": outputs.get("tell_customer"), "tracking": order.tracking})
