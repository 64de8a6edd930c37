"""Plait's migrations as Django's: ``manage.py migrate`` applies them, ``showmigrations`` lists them.

Each step says which version of Plait's schema is there after it. What ``plait db upgrade`` has applied meanwhile is not
applied again, and the other way round.
"""

from __future__ import annotations

from typing import Any

from django.db.migrations import RunPython

from plait.django.config import read_config
from plait.store.schema import apply_migrations


def bring_schema(version: int) -> RunPython:
    """The operation that sees to one of Plait's migrations, on Plait's database only. There is no way back."""

    def apply(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.alias == read_config().alias:
            with schema_editor.connection.cursor() as cursor:
                apply_migrations(cursor, version)

    return RunPython(apply)
