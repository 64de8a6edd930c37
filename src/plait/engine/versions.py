"""Which workflow versions the database knows."""

from __future__ import annotations

from plait.engine.repeat import repeat
from plait.graph.attempt import StoredVersion
from plait.graph.definition import WorkflowDefinition
from plait.store.store import Store


class Versions:
    """The stored versions of definitions, each stored at its first use and remembered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: dict[str, StoredVersion] = {}

    def find(self, definition: WorkflowDefinition) -> StoredVersion | None:
        """The stored version of a definition, if it was used here before."""
        return self._found.get(definition.digest)

    async def register(self, definition: WorkflowDefinition) -> StoredVersion:
        """The stored version of a definition."""
        version = self._found.get(definition.digest)
        if version is None:
            version = await repeat(self._store.register_version, definition)
            self._found[definition.digest] = version
        return version

    def forget(self) -> None:
        """Store all again at their next use: the database does not know one that it knew."""
        self._found.clear()
