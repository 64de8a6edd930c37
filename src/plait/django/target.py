"""``plait worker plait.django.target:plait``: the workflows of the project that ``DJANGO_SETTINGS_MODULE`` names."""

from __future__ import annotations

import django

from plait.django import DjangoPlait, get_plait


def _load() -> DjangoPlait:
    django.setup()
    return get_plait()


plait = _load()
