"""What is to be run when its time comes: of a workflow whose code is at hand, or of one that is known by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from plait.errors import InvalidInputError
from plait.features.workflows import find_workflow
from plait.types import UNSET, check_priority
from plait.values.encoding import encode_metadata, encode_value
from plait.wording import shorten

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.declaration.runnable import Runnable
    from plait.types import RunRequest

_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Order:
    """Runs that are to be started later, checked and encoded."""

    workflow: str
    version_id: int
    input: bytes
    metadata: str | None
    priority: int


async def order_by_request(plait: Plait, request: RunRequest) -> Order:
    """What a workflow made of the arguments of its caller (engine's loop)."""
    version = await (await plait.open_engine()).register(request.workflow)
    return Order(request.workflow.name, version.id, request.input, request.metadata, request.priority)


async def order_by_name(
    plait: Plait, workflow_name: str, input: Any, additional_metadata: Mapping[str, Any] | None, priority: int | None
) -> Order:
    """Of a workflow that is declared here, or else known to the database: then the input cannot be validated, beyond
    being a JSON object (engine's loop). Raises ``NotFoundError`` or ``InvalidInputError``."""
    declared: Runnable[Any, Any, Any] | None = plait.declared.get(workflow_name)  # type: ignore[assignment]
    if declared is not None:
        request = declared._make_later_request(input, None, additional_metadata, priority)
        return await order_by_request(plait, request)
    where = f"workflow {shorten(workflow_name)}"
    data = encode_value(
        {} if input is UNSET or input is None else input,
        _OBJECT,
        where=where,
        root="input",
        limit=plait.payload_limit,
        error=InvalidInputError,
    )
    metadata = encode_metadata(additional_metadata, where=where)
    given = None if priority is None else check_priority(priority, f"{where}: priority", InvalidInputError)
    store = (await plait.open_engine()).store
    row = await find_workflow(store, workflow_name)
    version = await store.read_version(row["id"])
    return Order(workflow_name, version.id, data, metadata, given or version.definition.default_priority)
