"""Named points at which a test can kill, freeze, cut off or fail this process.

``reach("claim committed")`` does nothing, and costs one call, unless a test has installed an action in this process.
Nothing is read from the environment, so nobody outside can switch it on.
"""

from __future__ import annotations

from collections.abc import Callable

_action: Callable[[str], None] | None = None


def reach(point: str) -> None:
    """Say that the process is at ``point``. Raises what the installed action raises."""
    if _action is not None:
        _action(point)


def install(action: Callable[[str], None] | None) -> None:
    """Have ``action`` called at every point that is reached from now on, on the thread that reaches it."""
    global _action
    _action = action
