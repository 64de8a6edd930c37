"""What a statement looks at, as the server tells: the plans of all that it executes, in its functions too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg

SETTINGS = """
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_analyze = on;
SET auto_explain.log_timing = off;
SET auto_explain.log_format = json;
SET auto_explain.log_level = notice;
"""
REMOVED = (
    "Rows Removed by Filter",
    "Rows Removed by Join Filter",
    "Rows Removed by Index Recheck",
    "Rows Removed by Conflict Filter",
)


@dataclass
class Look:
    """What one call looked at."""

    plans: list[dict[str, Any]] = field(default_factory=list)

    @property
    def visited(self) -> float:
        """Rows of tables, index entries, elements of arrays and rows of sub-selects that its scans and joins went
        through, whether they passed or not."""
        return sum(count_visited(node) for plan in self.plans for node in iter_nodes(plan["Plan"]))

    def explain(self, lines: int = 40) -> str:
        """The nodes that looked at the most, with the statement that each is in."""
        worst = [
            (count_visited(node), node, plan["Query Text"]) for plan in self.plans for node in iter_nodes(plan["Plan"])
        ]
        worst.sort(key=lambda found: -found[0])
        return "\n".join(
            f"{visited:12,.0f} {describe(node)} in: {sql.strip()[:70]!r}" for visited, node, sql in worst[:lines]
        )


def iter_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all below it."""
    yield node
    for below in node.get("Plans", ()):
        yield from iter_nodes(below)


def count_visited(node: dict[str, Any]) -> float:
    """Rows that came out of a scan and those that a scan or a join threw away."""
    rows: float = sum(node.get(reason, 0) for reason in REMOVED)
    if node["Node Type"].endswith("Scan"):
        rows += node["Actual Rows"]
    return rows * node["Actual Loops"]


def describe(node: dict[str, Any]) -> str:
    """What a node is about, in one line."""
    about = [node["Node Type"]]
    about += [str(node[key]) for key in ("Index Name", "Relation Name", "CTE Name", "Function Name") if key in node]
    about += [f"{key}: {node[key]}" for key in ("Index Cond", "Filter", "Join Filter", "Hash Cond") if key in node]
    return " ".join(about)


class Observer:
    """A connection whose every call is explained. Nothing that it does stays."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self._look = Look()

    async def open(self) -> Observer:
        """Have the server explain what this connection asks for; the role must be a superuser."""
        await self.connection.execute(SETTINGS)
        self.connection.add_log_listener(self._take)
        return self

    def _take(self, _connection: object, message: Any) -> None:
        _, found, plan = message.message.partition("plan:\n")
        if found:
            self._look.plans.append(json.loads(plan))

    async def call(self, sql: str, *arguments: Any) -> Look:
        """What this statement looks at, in a transaction that is given up."""
        statement = await self.connection.prepare(sql)
        transaction = self.connection.transaction()
        await transaction.start()
        self._look = Look()
        try:
            await statement.fetch(*arguments)
        finally:
            look, self._look = self._look, Look()
            await transaction.rollback()
        return look
