"""``plait.filters``: filters of events that are made at run time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from pydantic import TypeAdapter

from plait.errors import DefinitionError, InvalidInputError, NotFoundError
from plait.features.base import FeatureClient, on_engine, sync_twin
from plait.features.checks import check_limit, check_texts, parse_id
from plait.features.shapes import PREVIEW_BYTES, Answer, Id, Json, Page, make_page, show_json
from plait.features.workflows import find_workflow
from plait.ids import new_run_id
from plait.types.filters import FILTER_VARIABLES, check_event_text
from plait.values.encoding import METADATA_LIMIT, decode_json, encode_value
from plait.values.expressions import check_expression
from plait.wording import shorten

if TYPE_CHECKING:
    from asyncpg import Record

_FIRST_ID = UUID(int=0)
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Answer):
    """One filter: an event pushed with ``scope`` starts a run of the workflow if ``expression`` is true for it. The run
    gets ``payload`` as ``ctx.filter_payload``. ``declared``: in code, by ``default_filters``.
    """

    id: Id
    workflow: str
    scope: str
    expression: str
    payload: Json
    declared: bool
    created_at: datetime


class FiltersClient(FeatureClient):
    """Filters decide which events start a workflow, beyond ``on_events``.

    An event with a scope for which a workflow has filters starts one run for each of them that it satisfies; any other
    event that ``on_events`` names starts one run. Filters that are made here stay until they are deleted. Those that
    were declared with the workflow follow the code, so they cannot be changed here.
    """

    @on_engine
    async def aio_create(
        self, workflow_name: str, expression: str, scope: str, payload: Mapping[str, Any] | None = None
    ) -> Filter:
        """Make a filter; it applies to every event from now on.

        Args:
            workflow_name: a workflow that the database knows.
            expression: CEL over ``input`` (the event's payload), ``payload`` (the filter's own) and ``metadata`` (the
                event's), e.g. ``"input.amount > payload.limit"``.
            scope: it applies to events pushed with this scope.
            payload: a JSON object of at most 64 KiB.

        Raises ``InvalidInputError``, ``PayloadTooLargeError`` or ``NotFoundError``; then nothing is stored.
        """
        _check_expression(expression)
        _check_scope(scope)
        data = _encode_payload({} if payload is None else payload)
        store = await self._open_store()
        await find_workflow(store, workflow_name)
        row = await store.catalog.create_filter(new_run_id(), workflow_name, scope, expression, data)
        assert row is not None
        return self._build(row)

    create = sync_twin(aio_create)

    @on_engine
    async def aio_list(
        self,
        *,
        workflow_names: Sequence[str] | None = None,
        scopes: Sequence[str] | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Filter]:
        """A page of filters, declared ones included; ``after`` is the id of the last filter of the page before.

        Args:
            workflow_names, scopes: any of these.
            limit: 1 to 1000.
        """
        names, wanted = check_texts(workflow_names, "workflow_names"), check_texts(scopes, "scopes")
        place = _FIRST_ID if after is None else parse_id(after, "filter")
        store = await self._open_store()
        rows = await store.catalog.list_filters(place, names, wanted, check_limit(limit))
        return make_page([self._build(row) for row in rows], limit)

    list = sync_twin(aio_list)

    @on_engine
    async def aio_get(self, filter_id: str) -> Filter:
        """One filter. Raises ``NotFoundError``."""
        return await self._read(parse_id(filter_id, "filter"))

    get = sync_twin(aio_get)

    @on_engine
    async def aio_update(
        self,
        filter_id: str,
        *,
        expression: str | None = None,
        scope: str | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> Filter:
        """Change a filter; what is left out stays (``payload={}`` empties it).

        Raises as ``create`` does, and ``InvalidInputError`` for a filter that was declared in code.
        """
        if expression is None and scope is None and payload is None:
            raise InvalidInputError("nothing to change: give expression=, scope= or payload=")
        if expression is not None:
            _check_expression(expression)
        if scope is not None:
            _check_scope(scope)
        data = None if payload is None else _encode_payload(payload)
        store, key = await self._open_store(), parse_id(filter_id, "filter")
        row = await store.catalog.update_filter(key, expression, scope, data)
        if row is None:
            _refuse_declared(await self._read(key), "change")
        return self._build(row)

    update = sync_twin(aio_update)

    @on_engine
    async def aio_delete(self, filter_id: str) -> None:
        """Delete a filter. Raises ``NotFoundError``, and ``InvalidInputError`` for one that was declared in code."""
        store, key = await self._open_store(), parse_id(filter_id, "filter")
        if not await store.catalog.delete_filter(key):
            _refuse_declared(await self._read(key), "remove")

    delete = sync_twin(aio_delete)

    async def _read(self, key: UUID) -> Filter:
        row = await (await self._open_store()).catalog.read_filter(key)
        if row is None:
            raise NotFoundError(f"there is no filter {key}; `plait filters list` shows those there are")
        return self._build(row)

    def _build(self, row: Record) -> Filter:
        return Filter(
            id=str(row["id"]),
            workflow=row["workflow"],
            scope=row["scope"],
            expression=row["expression"],
            payload=show_json(row["payload"].encode(), self._previews, PREVIEW_BYTES),
            declared=row["declared"],
            created_at=row["created_at"],
        )


def _refuse_declared(found: Filter, verb: str) -> NoReturn:
    raise InvalidInputError(
        f"filter {found.id} was declared with workflow {found.workflow!r} and would come back with its "
        f"next worker: {verb} it there, in default_filters"
    )


def _check_expression(expression: str) -> None:
    try:
        check_expression(expression, variables=FILTER_VARIABLES, where="filter")
    except DefinitionError as failure:
        raise InvalidInputError(str(failure)) from failure


def _check_scope(scope: str) -> None:
    try:
        check_event_text(scope, "filter: scope")
    except DefinitionError as failure:
        raise InvalidInputError(str(failure)) from failure


def _encode_payload(payload: Mapping[str, Any]) -> str:
    """Canonical JSON text, as that of declared filters."""
    if not isinstance(payload, Mapping) or not all(isinstance(key, str) for key in payload):
        raise InvalidInputError(f"filter: payload is {shorten(payload)}: give a dict with string keys")
    # As any value: an adapter for dict[str, Any] would store a key with a lone surrogate as another key.
    data = encode_value(
        dict(payload), _ANY, where="filter", root="payload", limit=METADATA_LIMIT, error=InvalidInputError
    )
    return json.dumps(decode_json(data), sort_keys=True, separators=(",", ":"))
