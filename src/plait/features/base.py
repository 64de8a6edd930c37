"""The base of ``plait.runs``, ``plait.event`` and the like.

Methods are written once, as coroutines of the engine's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from plait.engine.access import Access

if TYPE_CHECKING:
    from plait.store.store import Store

P = ParamSpec("P")
R = TypeVar("R")
Client = TypeVar("Client", bound="FeatureClient")


class FeatureClient:
    """Questions and requests about one kind of thing. Every ``aio_`` method has a twin that blocks, made by
    ``sync_twin``; both work from any thread and, the ``aio_`` ones, from any event loop.
    """

    def __init__(self, access: Access, *, previews: bool = False) -> None:
        """``previews``: answer JSON that users wrote as text, and only the beginning of long ones."""
        self._access = access
        self._previews = previews

    async def _open_store(self) -> Store:
        return (await self._access.open_engine()).store


def on_engine(
    method: Callable[Concatenate[Client, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Client, P], Coroutine[Any, Any, R]]:
    """Have the body of an ``aio_`` method run on the engine's loop, whatever loop awaits it."""

    @wraps(method)
    async def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._access.portal.acall(method(self, *args, **kwargs))

    return call


def sync_twin(
    aio_method: Callable[Concatenate[Client, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Client, P], R]:
    """The same method for synchronous code: it blocks the calling thread until the engine has answered."""
    method: Callable[Concatenate[Client, P], Coroutine[Any, Any, R]] = aio_method.__wrapped__  # type: ignore[attr-defined]

    @wraps(method)
    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._access.portal.call(method(self, *args, **kwargs))

    call.__name__ = method.__name__.removeprefix("aio_")
    call.__qualname__ = method.__qualname__.replace(".aio_", ".")
    return call
