"""The Plait of a Django project: on the project's database, with Django's connections looked after around tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plait.client import Plait
from plait.engine.access import Access
from plait.engine.engine import Engine
from plait.errors import SchemaError

if TYPE_CHECKING:
    from plait.worker.worker import Worker


class DjangoPlait(Plait):
    """A ``Plait`` on the database of ``DATABASES`` that ``PLAIT["DATABASE"]`` names.

    Which that is is looked up at each use, so that tests use the test runner's database. Its tables come from
    ``manage.py migrate`` and from nowhere else, unless ``auto_upgrade`` says so.
    """

    def __init__(self, *, auto_upgrade: bool = False, debug: bool = False) -> None:
        super().__init__(auto_upgrade=auto_upgrade, debug=debug)

    def _make_access(self, database_url: str | None, auto_upgrade: bool) -> Access:
        return DjangoAccess(database_url, auto_upgrade=auto_upgrade)

    def worker(self, name: str | None = None, **options: Any) -> Worker:
        """A worker that closes Django's database connections as requests do; options as ``Plait.worker`` takes them."""
        from plait.django.connections import ConnectionKeeper  # noqa: PLC0415 - brings Django's ORM

        worker = super().worker(name, **options)
        worker.caller = ConnectionKeeper()
        return worker


class DjangoAccess(Access):
    """The way to the database that the settings name now, unless ``use_database`` named one."""

    _url_of_settings: str | None = None

    @property
    def engine(self) -> Engine:
        """The engine of this process, on that database."""
        if self.database_url == self._url_of_settings:
            from plait.django.config import find_url  # noqa: PLC0415 - settings are read at the first use

            url = find_url()
            if url != self.database_url:
                self.close()
                self.database_url = self._url_of_settings = url
        return super().engine

    async def open_engine(self) -> Engine:
        """The engine, connected (engine's loop). ``SchemaError`` names Django's way out, too."""
        try:
            return await super().open_engine()
        except SchemaError as error:
            raise SchemaError(f"{error}. In a Django project, `manage.py migrate` does that") from error
