"""What is for sale, and who ordered it."""

from __future__ import annotations

from django.db import models


class Item(models.Model):
    """Something for sale. ``price`` is in cents."""

    name = models.CharField(max_length=100, unique=True)
    price = models.PositiveIntegerField()
    stock = models.PositiveIntegerField()


class Order(models.Model):
    """An order. ``run_id`` is the run that fulfils it, written in the same transaction that starts it."""

    item = models.CharField(max_length=100)
    amount = models.PositiveIntegerField()
    run_id = models.UUIDField(null=True)
    tracking = models.CharField(max_length=100, blank=True)
