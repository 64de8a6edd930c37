"""What ``manage.py check`` says about Plait; a worker is not started with errors."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.db import connections

from plait.django import get_plait
from plait.django.config import read_config


def check_database(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """``plait.E001``: the database is not a PostgreSQL."""
    alias = read_config().alias
    if alias is None or connections[alias].vendor == "postgresql":
        return []
    return [
        Error(
            f'Plait uses DATABASES["{alias}"], which is {connections[alias].display_name}: it needs PostgreSQL.',
            hint='Set its ENGINE to "django.db.backends.postgresql", or PLAIT = {"DATABASE": ...} to another alias; '
            "with None Plait uses PLAIT_DATABASE_URL, or a PostgreSQL of its own, and connection= does not work.",
            id="plait.E001",
        )
    ]


def check_workflows(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """``plait.W001``: there is nothing to run."""
    if get_plait().declared:
        return []
    modules = read_config().modules
    return [
        Warning(
            f"No installed app declares a workflow in {' or '.join(f'{name}.py' for name in modules)}.",
            hint=f"Declare one there, with `from plait.django import plait`; if it stands in another module, add the "
            f'module to PLAIT = {{"MODULES": [...]}}, or import it in {modules[0]}.py.',
            id="plait.W001",
        )
    ]
