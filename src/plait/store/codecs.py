"""Connections that do not each ask PostgreSQL about the same types, and whose bytes are seen to move.

The driver knows how to read an array only once it has asked what its elements are. It asks again in every connection,
by a query of the catalogues that takes longer than most of ours.
"""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import asyncpg

from plait.store.silence import Wire

FIRST_OWN_OID = 16_384
"""Types with smaller numbers are PostgreSQL's own, the same in every database."""


class SharingConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that takes what another one of this process was told about PostgreSQL's own types."""

    _known: tuple[frozenset[int], list[asyncpg.Record], Any] = frozenset(), [], SimpleNamespace(name="not asked")
    """Types, what was told about them, and what stands for the statement that asked: it is not asked again."""
    shares_session = False
    """Whether it is one to a pooler in transaction mode: see ``plait.store.pooler``. (The driver's classes answer
    ``isinstance`` with yes.)"""

    def __init__(self, protocol: Any, transport: Any, loop: Any, *others: Any) -> None:
        super().__init__(protocol, transport, loop, *others)
        self.wire = Wire(transport, protocol, loop)

    async def _introspect_types(self, typeoids: Collection[int], timeout: float | None) -> Any:
        known, told, not_asked = self._known
        if max(typeoids) < FIRST_OWN_OID and not known.issuperset(typeoids):
            wanted = known.union(typeoids)
            told, asked = await super()._introspect_types(wanted, timeout)
            SharingConnection._known = wanted, told, not_asked
            return told, asked
        return (told, not_asked) if known.issuperset(typeoids) else await super()._introspect_types(typeoids, timeout)
