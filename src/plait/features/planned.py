"""What is to be run when its time comes: of a workflow whose code is at hand, or of one that is known by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from plait.engine.access import Access
from plait.engine.requests import RunRequest
from plait.errors import InvalidInputError
from plait.features.workflows import find_workflow
from plait.types import UNSET, check_priority
from plait.values.encoding import encode_metadata, encode_value
from plait.wording import shorten

_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that is to be started later, checked and encoded."""

    workflow: str
    version_id: int
    input: bytes
    metadata: str | None
    priority: int


async def plan_request(access: Access, request: RunRequest) -> PlannedRun:
    """What a workflow made of the arguments of its caller (engine's loop)."""
    version = await (await access.open_patiently()).versions.register(request.definition)
    return PlannedRun(request.definition.name, version.id, request.input, request.metadata, request.priority)


async def plan_by_name(
    access: Access, workflow_name: str, input: Any, additional_metadata: Mapping[str, Any] | None, priority: int | None
) -> PlannedRun:
    """Of a workflow that is declared here, or else known to the database: then the input cannot be validated, beyond
    being a JSON object (engine's loop). Raises ``NotFoundError`` or ``InvalidInputError``."""
    declared = access.declared.get(workflow_name)
    if declared is not None:
        return await plan_request(access, declared.plan_run(input, additional_metadata, priority))
    where = f"workflow {shorten(workflow_name)}"
    data = encode_value(
        {} if input is UNSET or input is None else input,
        _OBJECT,
        where=where,
        root="input",
        limit=access.payload_limit,
        error=InvalidInputError,
    )
    metadata = encode_metadata(additional_metadata, where=where)
    given = None if priority is None else check_priority(priority, f"{where}: priority", InvalidInputError)
    store = (await access.open_engine()).store
    row = await find_workflow(store, workflow_name)
    version = await store.read_version(row["id"])
    return PlannedRun(workflow_name, version.id, data, metadata, given or version.definition.default_priority)
