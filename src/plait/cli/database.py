"""The database that a command without a target uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plait.cli.options import get_database_url
from plait.settings import DatabaseSource, find_database
from plait.store.urls import normalise_url

if TYPE_CHECKING:
    from plait.client import Plait


@dataclass(frozen=True, slots=True)
class OpenDatabase:
    """A database to connect to. ``origin`` says for people who named it."""

    url: str
    origin: str
    embedded: bool


def find_source() -> DatabaseSource:
    """Which database the command is about; its ``url`` is None for the embedded one."""
    url = get_database_url()
    return DatabaseSource(url, "--database-url") if url else find_database()


@contextmanager
def open_plait() -> Iterator[Plait]:
    """A Plait on that database, for looking. A schema is made only in a database of Plait's own."""
    from plait.client import Plait  # noqa: PLC0415 - not for commands that only ask where the database is

    source = find_source()
    plait = Plait(source.url, auto_upgrade=source.url is None)
    try:
        yield plait
    finally:
        plait.close()


@contextmanager
def open_database() -> Iterator[OpenDatabase]:
    """The database, running for the time of the block if it is the embedded one."""
    source = find_source()
    if source.url is not None:
        yield OpenDatabase(normalise_url(source.url), source.origin, embedded=False)
        return
    from plait.embedded import start_embedded  # noqa: PLC0415 - only where it is used

    with start_embedded() as embedded:
        yield OpenDatabase(embedded.dsn, f"{source.origin} in {embedded.data_dir.parent}", embedded=True)
