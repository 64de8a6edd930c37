"""Plait in a Django project: ``INSTALLED_APPS = [..., "plait.django"]``, then ``from plait.django import plait``.

The app takes the database from ``DATABASES``, keeps Plait's tables up to date with ``manage.py migrate``, imports
``flows.py`` and ``workflows.py`` of the installed apps, and brings ``manage.py plait_worker``, ``plait_serve`` and
``plait``. Settings: ``plait/django/config.py``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from plait.django.app import DjangoPlait

__all__ = ["DjangoPlait", "get_plait", "plait"]

plait: DjangoPlait
"""The Plait of this project: an object of the app's own, or the one that ``PLAIT["OBJECT"]`` names."""


@cache
def get_plait() -> DjangoPlait:
    """The Plait of this project. Raises ``ImproperlyConfigured`` when ``PLAIT["OBJECT"]`` does not name one."""
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - only once settings are needed
    from django.utils.module_loading import import_string  # noqa: PLC0415

    from plait.django.config import read_config  # noqa: PLC0415

    path = read_config().object
    if path is None:
        return DjangoPlait()
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f'PLAIT["OBJECT"] = {path!r}: {error}') from error
    if not isinstance(found, DjangoPlait):
        raise ImproperlyConfigured(
            f'PLAIT["OBJECT"] = {path!r} is a {type(found).__name__}: make it a plait.django.DjangoPlait(), which '
            "knows the project's database, or leave OBJECT out and use `from plait.django import plait`"
        )
    return found


def __getattr__(name: str) -> Any:
    if name == "plait":
        return get_plait()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
