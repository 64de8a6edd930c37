"""SQL as it stands in files: statements in ``store/sql``, one a file, and pieces that several of them share."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_INCLUDE = re.compile(r"^ *-- Include (\w+(?:/\w+)*\.sql)\.\n", re.M)


@cache
def load_sql(name: str) -> str:
    """The text of one statement file of ``store/sql``."""
    return read_sql(f"sql/{name}.sql")


def read_sql(path: str) -> str:
    """A file below ``store``. A line ``-- Include folder/name.sql.`` in it stands for that other file."""
    text = files("plait.store").joinpath(path).read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda line: read_sql(line[1]), text)


def list_sql(folder: str) -> list[str]:
    """The SQL files of a folder below ``store``, as paths for ``read_sql``, in order of their names."""
    names = (file.name for file in files("plait.store").joinpath(folder).iterdir())
    return [f"{folder}/{name}" for name in sorted(names) if name.endswith(".sql")]
