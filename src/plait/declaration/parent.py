"""A task as those see it that only look at it: what follows it, and what runs its body by itself."""

from __future__ import annotations

from typing import Protocol, TypeVar

from plait.declaration.code import TaskCode

R = TypeVar("R")


class Parent(Protocol[R]):
    """A task that others follow, with an output of type ``R``: every ``Task`` is one."""

    @property
    def name(self) -> str: ...

    @property
    def _code(self) -> TaskCode[R]: ...
