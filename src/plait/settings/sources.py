"""Where settings are written down: the environment, and ``[tool.plait]`` of the project's ``pyproject.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from plait.errors import SettingError
from plait.settings.project import find_project, is_trusted

FILE_NAME = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """What a project's file says. ``table`` is its ``[tool.plait]``; ``ignored`` says why the file was not read."""

    path: Path
    table: Mapping[str, Any]
    ignored: str = ""


def read_project_file() -> ProjectFile | None:
    """The file of the project that the current directory is in; None where there is none.

    A file that somebody else put into a shared folder is not read, since it could name the database to send things to.
    It is read again when it has changed. Raises ``SettingError`` if it has a ``[tool.plait]`` and cannot be read.
    """
    try:
        path = find_project() / FILE_NAME
        status = path.stat()
    except OSError:  # no such file, or the current directory is gone
        return None
    if not is_trusted(path):
        why = f"belongs to uid {status.st_uid}, not to this process or to the owner of its folder"
        return ProjectFile(path, {}, why)
    return _load(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _load(path: Path, _changed: int, _size: int) -> ProjectFile:
    try:
        data = path.read_bytes()
    except OSError as error:
        return ProjectFile(path, {}, f"cannot be read: {error.strerror or error}")
    if b"plait" not in data:
        return ProjectFile(path, {})
    import tomllib  # noqa: PLC0415 - most files do not speak of Plait

    try:
        tool = tomllib.loads(data.decode()).get("tool", {})
    except ValueError as error:
        raise SettingError(
            f"{path} is not valid TOML: {error}. Correct it, because its [tool.plait] may hold settings"
        ) from None
    table = tool.get("plait", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise SettingError(f"{path}: tool.plait is not a table: write [tool.plait] and a setting on each line below it")
    return ProjectFile(path, table)
