"""``python manage.py test``: every test is a transaction that is rolled back, runs included."""

from __future__ import annotations

from django.db import connection
from django.test import TestCase

from orders.flows import OrderInput, charge
from orders.models import Item, Order


def count_runs() -> int:
    """Runs that exist inside the test's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM plait.run")
        return cursor.fetchone()[0]


class OrderTests(TestCase):
    """Placing orders. No task runs: a worker would not see what is not committed."""

    def place(self, amount: int) -> int:
        order = {"item": "tea", "amount": amount}
        return self.client.post("/orders", order, content_type="application/json").status_code

    def test_an_order_starts_a_run(self) -> None:
        assert self.place(2) == 202
        assert count_runs() == 1
        assert Item.objects.get(name="tea").stock == 98

    def test_an_order_that_cannot_be_filled_starts_none(self) -> None:
        assert self.place(1000) == 409
        assert count_runs() == 0

    def test_the_charge(self) -> None:
        order = Order.objects.create(item="tea", amount=3)
        assert charge.mock_run(OrderInput(order_id=order.pk)) == 1350
