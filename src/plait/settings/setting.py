"""One setting: what it is called everywhere, and how its value is found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from plait.errors import SettingError
from plait.settings.kinds import Kind
from plait.settings.sources import ProjectFile, read_project_file
from plait.wording import shorten

T = TypeVar("T")


class Place(StrEnum):
    """Where a value comes from; the first that has one decides."""

    ARGUMENT = "argument"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value, and where it was found: ``origin`` names the variable or the file."""

    value: T
    place: Place
    origin: str


class Setting(Generic[T]):
    """A setting of the table ``Settings``: reading the attribute of ``settings`` gives its value.

    Args:
        kind: how values are written.
        default: what counts where nobody says anything.
        help: a sentence for people.
        variables: names in the environment, the first one first; left out, ``PLAIT_`` and the name in capitals.
        argument: what gives it in code or on the command line, for people.
        in_file: whether ``[tool.plait]`` may hold it. Secrets have no place in a file that is shared.
        secret: the value is never shown.
        fallback: what happens by default, for people, where that is not a value.
    """

    def __init__(
        self,
        kind: Kind[Any],
        default: T,
        help: str,
        *,
        variables: tuple[str, ...] = (),
        argument: str = "",
        in_file: bool = True,
        secret: bool = False,
        fallback: str = "",
    ) -> None:
        self.kind = kind
        self.default = default
        self.help = help
        self.variables = variables
        self.argument = argument
        self.in_file = in_file
        self.secret = secret
        self.fallback = fallback
        self.name = ""
        self._table: Mapping[str, Any] = {}

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self._table = vars(owner)
        self.variables = self.variables or (f"PLAIT_{name.upper()}",)

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Setting[T] | T:
        return self if instance is None else self.read()

    def read(self, argument: T | None = None) -> T:
        """The value: ``argument`` unless it is None, else the environment's, the project's, the default.

        Raises ``SettingError`` for a value that does not fit, naming where it stands.
        """
        return self.find(argument).value

    def find(self, argument: T | None = None, *, option: str = "argument") -> Found[T]:
        """The value and where it comes from. ``option`` is the name of what gave ``argument``."""
        if argument is not None:
            return Found(argument, Place.ARGUMENT, option)
        for variable in self.variables:
            if text := os.environ.get(variable):
                return Found(self._read_text(text, variable), Place.ENVIRONMENT, variable)
        file = read_project_file()
        if file is not None:
            check_table(file, {name: one for name, one in self._table.items() if isinstance(one, Setting)})
            if self.name in file.table:
                return Found(self._read_entry(file), Place.FILE, str(file.path))
        return Found(self.default, Place.DEFAULT, "default")

    def _read_text(self, text: str, variable: str) -> T:
        try:
            value: T = self.kind.read_text(text, _get_folder())
        except ValueError:
            raise SettingError(
                f"{variable}={self._quote(text)} is wrong: {self.name} is {self.kind.describe()}. Write "
                f"{variable}={self.kind.example}, or unset it"
            ) from None
        return value

    def _read_entry(self, file: ProjectFile) -> T:
        entry = file.table[self.name]
        try:
            value: T = self.kind.read_value(entry, file.path.parent)
        except ValueError:
            raise SettingError(
                f"{file.path}: [tool.plait] {self.name} = {self._quote(entry)} is wrong: it is {self.kind.describe()}. "
                f"Write {self.name} = {self.kind.to_toml()}, or leave it out"
            ) from None
        return value

    def _quote(self, value: object) -> str:
        return "***" if self.secret else shorten(value)


def check_table(file: ProjectFile, table: Mapping[str, Setting[Any]]) -> None:
    """Raise ``SettingError`` when the file has a key that is no setting, or a secret one."""
    from plait.wording import suggest  # noqa: PLC0415 - brings difflib

    for key in file.table:
        setting = table.get(key)
        if setting is None:
            near = suggest(key.replace("-", "_"), [name for name, one in table.items() if one.in_file])
            raise SettingError(
                f"{file.path}: [tool.plait] has no setting {key!r}{near}. `plait config show` lists all settings"
            )
        if not setting.in_file:
            raise SettingError(
                f"{file.path}: [tool.plait] {key} is a secret, and files of a project are shared: remove it there and "
                f"set {setting.variables[0]} in the environment"
            )


def _get_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it is gone
        return Path("/")
