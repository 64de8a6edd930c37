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
        from plait.django import get_plait  # noqa: PLC0415 - settings are read there
        from plait.django.checks import check_database, check_workflows  # noqa: PLC0415
        from plait.django.config import read_config  # noqa: PLC0415
        from plait.django.connections import disconnect_before_tests_end  # noqa: PLC0415

        config = read_config()
        autodiscover_modules(*config.modules)
        if config.alias is not None:
            disconnect_before_tests_end(config.alias, get_plait().close)
        checks.register(check_database, "plait")
        checks.register(check_workflows, "plait")
