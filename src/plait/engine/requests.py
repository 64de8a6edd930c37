"""What is asked of the engine, checked and encoded."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from plait.graph.definition import WorkflowDefinition
from plait.graph.triggers import RunTrigger


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run to be started. ``run_id`` makes repeating the request harmless."""

    definition: WorkflowDefinition
    input: bytes
    metadata: str | None
    priority: int
    run_id: UUID
    idempotency_key: str | None = None
    trigger: RunTrigger | None = None
