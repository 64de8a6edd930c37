"""Connections that do not each ask PostgreSQL about the same types.

The driver knows how to read an array only once it has asked what its elements are. It asks again in every connection,
by a query of the catalogues that takes longer than most of ours.
"""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import asyncpg

FIRST_OWN_OID = 16_384
"""Types with smaller numbers are PostgreSQL's own, the same in every database."""

_known: set[int] = set()
_answer: list[asyncpg.Record] = []
"""What was told about the types in ``_known``."""

_NOT_ASKED = SimpleNamespace(name="not asked")
"""In the place of the prepared statement that asked; one with a name has replaced none."""


class SharingConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that takes what another one of this process was told about PostgreSQL's own types."""

    async def _introspect_types(self, typeoids: Collection[int], timeout: float | None) -> Any:
        global _known, _answer
        if max(typeoids) >= FIRST_OWN_OID:
            return await super()._introspect_types(typeoids, timeout)
        if _known.issuperset(typeoids):
            return _answer, _NOT_ASKED
        wanted = _known.union(typeoids)
        answer, statement = await super()._introspect_types(wanted, timeout)
        _known, _answer = wanted, answer
        return answer, statement
