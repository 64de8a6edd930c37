"""Starting runs of a workflow later: once at a given time, or again and again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from plait.declaration.base import BaseWorkflow
from plait.engine.access import Declared
from plait.engine.requests import RunRequest
from plait.errors import InvalidInputError
from plait.features.cron import CronDetails, store_cron
from plait.features.scheduled import ScheduledRun, aio_store_scheduled, store_scheduled
from plait.types import UNSET, TriggerWorkflowOptions, Unset
from plait.types.crons import Cron, TimetableKeywords

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Unpack

TInput = TypeVar("TInput")


class Schedulable(BaseWorkflow[TInput], ABC, Generic[TInput]):
    """``schedule`` and ``create_cron``. Every input is validated before anything is stored: a bad one raises
    ``InvalidInputError`` or ``PayloadTooLargeError`` and leaves nothing behind."""

    @abstractmethod
    def _make_request(
        self,
        input: Any,
        options: TriggerWorkflowOptions | None,
        *,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: int | None = None,
        bulk: bool = False,
        later: bool = False,
    ) -> RunRequest: ...

    def schedule(
        self,
        run_at: datetime,
        input: TInput | Unset = UNSET,
        options: TriggerWorkflowOptions | None = None,
        *,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: int | None = None,
        connection: Any = None,
    ) -> ScheduledRun:
        """Start a run at ``run_at``, which must have a time zone; at once if that time has passed.

        It runs the version that is served then. ``plait.scheduled`` lists, moves and deletes runs that have not
        started. ``connection``: schedule inside the caller's own transaction (see ``run_no_wait``).
        """
        request = self._make_later_request(input, options, additional_metadata, priority)
        return store_scheduled(self._require_access(), request, run_at, connection)

    async def aio_schedule(
        self,
        run_at: datetime,
        input: TInput | Unset = UNSET,
        options: TriggerWorkflowOptions | None = None,
        *,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: int | None = None,
        connection: Any = None,
    ) -> ScheduledRun:
        """``schedule`` without blocking the loop."""
        request = self._make_later_request(input, options, additional_metadata, priority)
        return await aio_store_scheduled(self._require_access(), request, run_at, connection)

    def create_cron(
        self,
        cron_name: str,
        expression: str,
        input: TInput | Unset = UNSET,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: int | None = None,
        **timetable: Unpack[TimetableKeywords],
    ) -> CronDetails:
        """Start runs by a timetable from now on, until ``plait.cron.delete``. The arguments are those of ``Cron``.

        ``cron_name`` must be new among the crons of the workflow. A timetable that you know when you write the code
        belongs in ``on_crons``.
        """
        cron = Cron(expression, name=cron_name, **timetable)
        request = self._make_later_request(input, None, additional_metadata, priority)
        access = self._require_access()
        return access.portal.call(store_cron(access, request, cron))

    async def aio_create_cron(
        self,
        cron_name: str,
        expression: str,
        input: TInput | Unset = UNSET,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: int | None = None,
        **timetable: Unpack[TimetableKeywords],
    ) -> CronDetails:
        """``create_cron`` without blocking the loop."""
        cron = Cron(expression, name=cron_name, **timetable)
        request = self._make_later_request(input, None, additional_metadata, priority)
        access = self._require_access()
        return await access.portal.acall(store_cron(access, request, cron))

    def _make_later_request(
        self,
        input: Any,
        options: TriggerWorkflowOptions | None,
        additional_metadata: Mapping[str, Any] | None,
        priority: int | None,
    ) -> RunRequest:
        if options is not None and (options.idempotency_key is not None or options.child_key is not None):
            raise InvalidInputError(
                f"workflow {self.name!r}: a run that starts later takes no idempotency_key and no child_key: leave "
                f"them out"
            )
        return self._make_request(
            input, options, additional_metadata=additional_metadata, priority=priority, bulk=True, later=True
        )

    def _describe(self) -> Declared:
        return Declared(
            get_definition=lambda: self.definition,
            encode_input=self._encode_input,
            plan_run=lambda input, metadata, priority: self._make_later_request(input, None, metadata, priority),
            has_async_tasks=self._has_async_tasks,
        )
