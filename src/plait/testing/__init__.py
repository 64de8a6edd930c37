"""Testing workflows: bodies without a database (``task.mock_run``), whole runs with time that can be skipped.

The pytest plugin (``plait.testing.plugin``) is loaded by itself and gives the fixture ``plait_test``. Nothing is
imported here before it is asked for: every pytest run of whoever has Plait installed comes by.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plait.declaration.mock import SKIPPED, make_context
    from plait.testing.clock import VirtualClock
    from plait.testing.harness import PlaitTest, StalledError

__all__ = ["SKIPPED", "PlaitTest", "StalledError", "VirtualClock", "make_context"]

_MODULE_BY_NAME = {
    "SKIPPED": "plait.declaration.mock",
    "PlaitTest": "plait.testing.harness",
    "StalledError": "plait.testing.harness",
    "VirtualClock": "plait.testing.clock",
    "make_context": "plait.declaration.mock",
}


def __getattr__(name: str) -> object:
    module = _MODULE_BY_NAME.get(name)
    if module is None:
        raise AttributeError(f"module 'plait.testing' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
