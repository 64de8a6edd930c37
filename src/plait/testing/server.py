"""The PostgreSQL of a test session, and the databases that single tests get from it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from plait.engine.portal import Portal
from plait.errors import PlaitError
from plait.settings import settings
from plait.store import schema
from plait.store.connection import connect
from plait.store.urls import normalise_url
from plait.testing.session import FOLDER_PREFIX, find_folder

if TYPE_CHECKING:
    from plait.embedded import EmbeddedPostgres

_STALE_SECONDS = 86_400.0

# No test outlives a crash of the machine, so nothing needs to reach the disk.
_SETTINGS = ("fsync = off", "full_page_writes = off", "synchronous_commit = off")
_TEMPLATE_LOCK = 0x706C61697401
"""The advisory lock of whoever makes the template."""


def load_sql(name: str) -> str:
    """A statement from ``testing/sql``."""
    return files("plait.testing").joinpath("sql", f"{name}.sql").read_text()


class DatabaseServer:
    """A PostgreSQL with a template database that has Plait's schema and the movable clock.

    It is the server of ``PLAIT_TEST_DATABASE_URL``, whose role must be allowed to create databases, else an embedded
    one in a temporary folder. All processes of a test session (``pytest -n``) share it; ``session`` is their common
    name. Each opens and closes it, and the one that outlives the others calls ``destroy_session``.
    """

    def __init__(self, session: str) -> None:
        self.portal = Portal("plait-test")
        """Where the test's own connections live, apart from those of the ``Plait`` under test."""
        self._session = session
        self.template = _name_template(session)
        self._made = 0
        self._embedded: EmbeddedPostgres | None = None
        self.url = ""
        """Of a database to connect to for making others; known once it is open."""

    def open(self) -> None:
        """Find or start the server and make the template, unless another process of the session has."""
        folder = find_folder(self._session)
        folder.mkdir(mode=0o755, exist_ok=True)  # also the mark that there is something to destroy
        url = settings.test_database_url
        self.url = normalise_url(url) if url else self._start_embedded(folder)
        self.portal.call(self._make_template())

    def close(self) -> None:
        """This process needs the server no more."""
        self.portal.stop()
        if self._embedded is not None:
            self._embedded.release()

    def create_database(self) -> str:
        """A fresh copy of the template; returns its URL."""
        self._made += 1
        name = f"{self.template}_{os.getpid()}_{self._made}"
        self.portal.call(_execute(self.url, f"CREATE DATABASE {name} TEMPLATE {self.template} STRATEGY FILE_COPY"))
        return _name_database(self.url, name)

    def drop_database(self, url: str) -> None:
        """Drop a database made here, whoever is still connected."""
        self.portal.call(_execute(self.url, f"DROP DATABASE IF EXISTS {urlsplit(url).path[1:]} WITH (FORCE)"))

    def list_databases(self) -> list[str]:
        """The databases on this server whose names Plait's tests use."""
        return self.portal.call(_list_databases(self.url, "plait_test_"))

    def _start_embedded(self, folder: Path) -> str:
        from plait.embedded import start_embedded  # noqa: PLC0415 - refuses to be imported on Windows

        _remove_stale_folders()
        with _ignored_home():
            self._embedded = start_embedded(folder)
        return self._embedded.dsn

    async def _make_template(self) -> None:
        connection = await connect(self.url, application_name="plait test")
        try:
            await connection.fetch(load_sql("lock_template"), _TEMPLATE_LOCK)
            if self.template in await _list_databases(self.url, self.template):
                return
            if self._embedded is not None:
                for setting in _SETTINGS:
                    await connection.execute(f"ALTER SYSTEM SET {setting}")
                await connection.fetch(load_sql("reload_settings"))
            draft = f"{self.template}_draft"
            await connection.execute(f"DROP DATABASE IF EXISTS {draft} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {draft}")
            # Statistics and warm catalogues are copied along.
            await _execute(_name_database(self.url, draft), schema.render_sql(), load_sql("install_clock"), "VACUUM")
            await connection.execute(f"ALTER DATABASE {draft} RENAME TO {self.template}")
        finally:
            await connection.close()


def destroy_session(session: str) -> None:
    """Remove everything that the servers of a session made, databases that a killed process left included."""
    folder = find_folder(session)
    if not folder.is_dir():
        return
    url = settings.test_database_url
    if url:
        portal = Portal("plait-test")
        try:
            portal.call(_drop_databases(normalise_url(url), _name_template(session)))
        finally:
            portal.stop()
    _remove_folder(folder)


def _name_template(session: str) -> str:
    return f"plait_test_{session}"


def _name_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _execute(url: str, *scripts: str) -> None:
    connection = await connect(url, application_name="plait test")
    try:
        for script in scripts:
            await connection.execute(script)
    finally:
        await connection.close()


async def _list_databases(url: str, prefix: str) -> list[str]:
    connection = await connect(url, application_name="plait test")
    try:
        return [row["name"] for row in await connection.fetch(load_sql("list_databases"), prefix)]
    finally:
        await connection.close()


async def _drop_databases(url: str, prefix: str) -> None:
    names = await _list_databases(url, prefix)
    await _execute(url, *(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in names))


def _remove_stale_folders() -> None:
    """Those of sessions that were killed, a day ago or more: no test session runs that long."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError, PlaitError):
            status = folder.stat()
            if status.st_uid == os.geteuid() and time.time() - status.st_mtime > _STALE_SECONDS:
                _remove_folder(folder)


def _remove_folder(folder: Path) -> None:
    if (folder / ".plait").is_dir():
        from plait.embedded import get_status, stop_embedded  # noqa: PLC0415 - refuses to be imported on Windows

        with _ignored_home():
            data = get_status(folder).data_dir
            stop_embedded(folder)
        if data is not None:  # for root it may be elsewhere
            shutil.rmtree(data.parent, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ignored_home() -> Iterator[None]:
    """``PLAIT_HOME`` names the database that people work with, which tests have no business in."""
    home = os.environ.pop("PLAIT_HOME", None)
    try:
        yield
    finally:
        if home is not None:
            os.environ["PLAIT_HOME"] = home
