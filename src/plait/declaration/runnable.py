"""Starting runs of a workflow and waiting for them, for ``Workflow`` and ``Standalone`` alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar, overload
from uuid import UUID

from plait.declaration.base import BaseWorkflow
from plait.declaration.schedulable import Schedulable
from plait.engine.current import current_attempt, refuse_to_block
from plait.engine.requests import RunRequest
from plait.errors import FailedTaskRunExceptionGroup, InvalidInputError, RunCancelledError
from plait.graph.triggers import RunTrigger
from plait.ids import new_run_id
from plait.tracing import find_tracing
from plait.types import (
    UNSET,
    TriggerWorkflowOptions,
    Unset,
    check_index_key,
    check_priority,
)
from plait.values.encoding import encode_metadata, merge_metadata
from plait.wording import shorten

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from plait.engine.waiter import RunOutcome

TInput = TypeVar("TInput")
TResult = TypeVar("TResult")
TRef = TypeVar("TRef")


class ItemKeywords(TypedDict, total=False):
    """The options of one run: ``additional_metadata`` (merged over the workflow's and the ``options``' own),
    ``priority`` (1 to 3), ``idempotency_key``, and, inside a task, ``child_key``: the key by which a task that runs
    again finds its child run, instead of starting another one. Without a key it finds child runs by the order of the
    calls.
    """

    child_key: str | None
    additional_metadata: Mapping[str, Any] | None
    priority: int | None
    idempotency_key: str | None


class RunKeywords(ItemKeywords, total=False):
    """The options of one trigger. ``connection`` (psycopg, SQLAlchemy, Django) starts the run inside the
    caller's own transaction: it exists once that commits."""

    connection: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRunTriggerConfig:
    """One item for ``run_many``, made by ``workflow.create_bulk_run_item``: checked and encoded, not yet a
    run.

    ``key`` is the caller's own label; Plait does not read it. An item used twice makes two runs.
    """

    workflow: BaseWorkflow[Any]
    input: bytes
    metadata: str | None
    priority: int
    idempotency_key: str | None = None
    child_key: str | None = None
    key: str | None = None

    @property
    def workflow_name(self) -> str:
        return self.workflow.name


class Runnable(Schedulable[TInput], ABC, Generic[TInput, TResult, TRef]):
    """The run methods. Those without ``aio_`` block, also when an event loop is running.

    Every input is validated and encoded before anything is sent: ``InvalidInputError`` or
    ``PayloadTooLargeError`` leaves no run behind. A method that returned has made its runs durable (with
    ``connection``: once it commits).
    """

    @abstractmethod
    def _make_ref(self, run_id: UUID) -> TRef: ...

    @abstractmethod
    def _extract(self, outcome: RunOutcome) -> TResult: ...

    @overload
    def run(
        self,
        input: TInput = ...,
        options: TriggerWorkflowOptions | None = None,
        *,
        wait_for_result: Literal[True] = True,
        **keywords: Unpack[RunKeywords],
    ) -> TResult: ...
    @overload
    def run(
        self,
        input: TInput = ...,
        options: TriggerWorkflowOptions | None = None,
        *,
        wait_for_result: Literal[False],
        **keywords: Unpack[RunKeywords],
    ) -> TRef: ...
    def run(
        self,
        input: Any = UNSET,
        options: TriggerWorkflowOptions | None = None,
        *,
        wait_for_result: bool = True,
        **keywords: Any,
    ) -> TResult | TRef:
        """Start a run and return its result, or a reference to it with ``wait_for_result=False``.

        Raises ``FailedTaskRunExceptionGroup`` or ``RunCancelledError`` when the run ends so.
        """
        if not wait_for_result:
            return self.run_no_wait(input, options, **keywords)
        request = self._request_to_wait_for(input, options, **keywords)
        return self._extract(self._run_to_end([request])[0])

    @overload
    async def aio_run(
        self,
        input: TInput = ...,
        options: TriggerWorkflowOptions | None = None,
        *,
        wait_for_result: Literal[True] = True,
        **keywords: Unpack[RunKeywords],
    ) -> TResult: ...
    @overload
    async def aio_run(
        self,
        input: TInput = ...,
        options: TriggerWorkflowOptions | None = None,
        *,
        wait_for_result: Literal[False],
        **keywords: Unpack[RunKeywords],
    ) -> TRef: ...
    async def aio_run(
        self,
        input: Any = UNSET,
        options: TriggerWorkflowOptions | None = None,
        *,
        wait_for_result: bool = True,
        **keywords: Any,
    ) -> TResult | TRef:
        """``run`` without blocking the loop."""
        if not wait_for_result:
            return await self.aio_run_no_wait(input, options, **keywords)
        request = self._request_to_wait_for(input, options, **keywords)
        return self._extract((await self._aio_run_to_end([request]))[0])

    def run_no_wait(
        self,
        input: TInput | Unset = UNSET,
        options: TriggerWorkflowOptions | None = None,
        **keywords: Unpack[RunKeywords],
    ) -> TRef:
        """Start a run and return a reference to it."""
        request, connection = self._split_request(input, options, **keywords)
        return self._make_ref(self._start([request], connection)[0])

    async def aio_run_no_wait(
        self,
        input: TInput | Unset = UNSET,
        options: TriggerWorkflowOptions | None = None,
        **keywords: Unpack[RunKeywords],
    ) -> TRef:
        """``run_no_wait`` without blocking the loop."""
        request, connection = self._split_request(input, options, **keywords)
        return self._make_ref((await self._aio_start([request], connection))[0])

    def create_bulk_run_item(
        self,
        input: TInput | Unset = UNSET,
        key: str | None = None,
        options: TriggerWorkflowOptions | None = None,
        **keywords: Unpack[ItemKeywords],
    ) -> WorkflowRunTriggerConfig:
        """One item for the ``run_many`` methods, its input validated. ``key`` is a label of your own."""
        request = self._make_request(input, options, bulk=True, **keywords)
        given_key = keywords.get("child_key")
        if given_key is None and options is not None:
            given_key = options.child_key
        return WorkflowRunTriggerConfig(
            workflow=self,
            input=request.input,
            metadata=request.metadata,
            priority=request.priority,
            idempotency_key=request.idempotency_key,
            child_key=check_index_key(given_key, f"workflow {self.name!r}: child_key"),
            key=key,
        )

    @overload
    def run_many(
        self,
        workflows: Sequence[WorkflowRunTriggerConfig],
        return_exceptions: Literal[False] = False,
        wait_for_result: Literal[True] = True,
    ) -> list[TResult]: ...
    @overload
    def run_many(
        self,
        workflows: Sequence[WorkflowRunTriggerConfig],
        return_exceptions: Literal[True],
        wait_for_result: Literal[True] = True,
    ) -> list[TResult | BaseException]: ...
    @overload
    def run_many(
        self,
        workflows: Sequence[WorkflowRunTriggerConfig],
        return_exceptions: bool = False,
        *,
        wait_for_result: Literal[False],
    ) -> list[TRef]: ...
    def run_many(
        self,
        workflows: Sequence[WorkflowRunTriggerConfig],
        return_exceptions: bool = False,
        wait_for_result: bool = True,
    ) -> Any:
        """Start many runs in bulk and return their results in order.

        Once all have ended, the first failure is raised; with ``return_exceptions``, failures are items of the list
        instead.
        """
        if not wait_for_result:
            return self.run_many_no_wait(workflows)
        return self._extract_all(self._run_to_end(self._make_requests(workflows)), return_exceptions)

    @overload
    async def aio_run_many(
        self,
        workflows: Sequence[WorkflowRunTriggerConfig],
        return_exceptions: Literal[False] = False,
        wait_for_result: Literal[True] = True,
    ) -> list[TResult]: ...
    @overload
    async def aio_run_many(
        self,
        workflows: Sequence[WorkflowRunTriggerConfig],
        return_exceptions: Literal[True],
        wait_for_result: Literal[True] = True,
    ) -> list[TResult | BaseException]: ...
    @overload
    async def aio_run_many(
        self,
        workflows: Sequence[WorkflowRunTriggerConfig],
        return_exceptions: bool = False,
        *,
        wait_for_result: Literal[False],
    ) -> list[TRef]: ...
    async def aio_run_many(
        self,
        workflows: Sequence[WorkflowRunTriggerConfig],
        return_exceptions: bool = False,
        wait_for_result: bool = True,
    ) -> Any:
        """``run_many`` without blocking the loop."""
        if not wait_for_result:
            return await self.aio_run_many_no_wait(workflows)
        return self._extract_all(await self._aio_run_to_end(self._make_requests(workflows)), return_exceptions)

    def run_many_no_wait(self, workflows: Sequence[WorkflowRunTriggerConfig], *, connection: Any = None) -> list[TRef]:
        """Start many runs in bulk and return a reference to each, in order."""
        run_ids = self._start(self._make_requests(workflows), connection)
        return [self._make_ref(run_id) for run_id in run_ids]

    async def aio_run_many_no_wait(
        self, workflows: Sequence[WorkflowRunTriggerConfig], *, connection: Any = None
    ) -> list[TRef]:
        """``run_many_no_wait`` without blocking the loop."""
        run_ids = await self._aio_start(self._make_requests(workflows), connection)
        return [self._make_ref(run_id) for run_id in run_ids]

    def _start(self, requests: list[RunRequest], connection: Any = None) -> list[UUID]:
        """The ids of the runs: those of the requests, or of earlier runs with the same idempotency key."""
        access = self._require_access()
        if not requests:
            return []
        if connection is not None:
            return access.start_in_transaction(requests, connection)
        return access.portal.call(access.start_runs(requests))

    async def _aio_start(self, requests: list[RunRequest], connection: Any = None) -> list[UUID]:
        access = self._require_access()
        if not requests:
            return []
        if connection is not None:
            return await access.aio_start_in_transaction(requests, connection)
        return await access.portal.acall(access.start_runs(requests))

    def _run_to_end(self, requests: list[RunRequest]) -> list[RunOutcome]:
        refuse_to_block(self._has_async_tasks(), "run()", "aio_run() or aio_run_many()")
        access = self._require_access()
        return access.portal.call(access.run_to_end(requests)) if requests else []

    async def _aio_run_to_end(self, requests: list[RunRequest]) -> list[RunOutcome]:
        access = self._require_access()
        return await access.portal.acall(access.run_to_end(requests)) if requests else []

    def _split_request(
        self, input: Any, options: TriggerWorkflowOptions | None, *, connection: Any = None, **keywords: Any
    ) -> tuple[RunRequest, Any]:
        return self._make_request(input, options, **keywords), connection

    def _request_to_wait_for(
        self, input: Any, options: TriggerWorkflowOptions | None, *, connection: Any = None, **keywords: Any
    ) -> RunRequest:
        if connection is not None:
            raise InvalidInputError(
                f"workflow {self.name!r}: a run started inside your own transaction cannot start before you commit, so "
                "waiting for it would never end: use run_no_wait(..., connection=...) and ask for the result after the "
                "commit"
            )
        return self._make_request(input, options, **keywords)

    def _make_request(
        self,
        input: Any,
        options: TriggerWorkflowOptions | None,
        *,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
        child_key: str | None = None,
        bulk: bool = False,
        later: bool = False,
    ) -> RunRequest:
        where = f"workflow {self.name!r}"
        options = options or TriggerWorkflowOptions()
        parent = current_attempt.get()
        default = self.default_priority if parent is None else max(self.default_priority, parent.attempt.run.priority)
        chosen = next(value for value in (priority, options.priority, default) if value is not None)
        key = options.idempotency_key if idempotency_key is None else idempotency_key
        inherited = None if parent is None else parent.list_inherited()
        layers = (inherited, self.default_additional_metadata, options.additional_metadata, additional_metadata)
        merged = merge_metadata(layers, where)
        tracing = find_tracing()
        if tracing is not None and not later:
            merged = tracing.carry(merged)
        data = self._encode_input(input)
        given_key = options.child_key if child_key is None else child_key
        return RunRequest(
            definition=self.definition,
            input=data,
            metadata=encode_metadata(merged, where=where),
            priority=check_priority(chosen, f"{where}: priority", InvalidInputError),
            run_id=new_run_id(),
            idempotency_key=check_index_key(key, f"{where}: idempotency_key"),
            trigger=None if bulk else self._link_to_parent(given_key, data),
        )

    def _link_to_parent(self, child_key: str | None, input: bytes) -> RunTrigger | None:
        """Inside a task: the link of a child run to it, under ``child_key`` or else the number of the call."""
        parent = current_attempt.get()
        key = check_index_key(child_key, f"workflow {self.name!r}: child_key")
        if parent is None:
            if key is not None:
                raise InvalidInputError(
                    f"workflow {self.name!r}: child_key {shorten(key)} was given outside of a task: it finds a child "
                    f"run again when its parent task runs again; use idempotency_key instead. (A thread that a task "
                    f"starts is outside too, unless it runs in contextvars.copy_context())"
                )
            return None
        return parent.link_child(self.name, key, input)

    def _make_requests(self, items: Sequence[WorkflowRunTriggerConfig]) -> list[RunRequest]:
        self.definition  # noqa: B018 - refuse a wrong graph before anything is sent
        for place, item in enumerate(items):
            if not isinstance(item, WorkflowRunTriggerConfig):
                raise InvalidInputError(
                    f"workflow {self.name!r}: item {place} is {shorten(item)}: make items with create_bulk_run_item"
                )
            if item.workflow is not self:
                raise InvalidInputError(
                    f"workflow {self.name!r}: item {place} was made by workflow {item.workflow_name!r}: pass it to "
                    "run_many of that one"
                )
        return [
            RunRequest(
                definition=self.definition,
                input=item.input,
                metadata=item.metadata,
                priority=item.priority,
                run_id=new_run_id(),
                idempotency_key=item.idempotency_key,
                trigger=self._link_to_parent(item.child_key, item.input),
            )
            for item in items
        ]

    def _extract_all(self, outcomes: Sequence[RunOutcome], return_exceptions: bool) -> list[Any]:
        results: list[Any] = []
        for outcome in outcomes:
            try:
                results.append(self._extract(outcome))
            except (FailedTaskRunExceptionGroup, RunCancelledError) as failure:
                if not return_exceptions:
                    raise
                results.append(failure)
        return results
