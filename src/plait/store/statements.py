"""The statements: one file each in ``store/sql``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def load_sql(name: str) -> str:
    """The text of one statement file of ``store/sql``."""
    return files("plait.store").joinpath("sql", f"{name}.sql").read_text()
