"""The Django app ``plait.django``."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.utils.module_loading import autodiscover_modules


class PlaitConfig(AppConfig):
    """Imports the workflows of the installed apps, so that whoever starts Django knows them all."""

    name = "plait.django"
    label = "plait"
    verbose_name = "Plait"

    def ready(self) -> None:
        from plait.django.checks import check_database, check_workflows  # noqa: PLC0415 - settings are read there
        from plait.django.config import read_config  # noqa: PLC0415

        autodiscover_modules(*read_config().modules)
        checks.register(check_database, "plait")
        checks.register(check_workflows, "plait")
