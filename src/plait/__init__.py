"""Plait: declarative, durable DAG workflows for Python, on PostgreSQL alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from plait.version import __version__ as __version__

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.declaration.conditions import ParentCondition, SleepCondition, UserEventCondition, or_
    from plait.declaration.context import Context
    from plait.declaration.dependencies import Depends
    from plait.declaration.runnable import WorkflowRunTriggerConfig
    from plait.declaration.task import Task
    from plait.declaration.workflow import Standalone, Workflow
    from plait.errors import (
        DefinitionError,
        FailedTaskRunExceptionGroup,
        InvalidInputError,
        NonRetryableException,
        PlaitError,
        RetryAfterException,
        RunCancelledError,
        TaskRunError,
    )
    from plait.features.activity import Activity, BusyTask, BusyWorker, Pace, QueueMetrics, SlowTask, TaskQueue
    from plait.features.cron import CronDetails, CronPreview
    from plait.features.event import BulkPushEventWithMetadata, Event, EventDetails
    from plait.features.filters import Filter
    from plait.features.logs import LogLine
    from plait.features.metrics import TaskCounts, TaskMetrics, TaskStat, TaskStatusStat
    from plait.features.refs import TaskRunRef, WorkflowRunRef
    from plait.features.run_control import BulkCancelReplayOpts, BulkResult
    from plait.features.run_search import RunFilter
    from plait.features.run_stats import HistogramBar, RunCount, RunCounts, RunStats
    from plait.features.run_views import AttemptDetails, ChildRun, RunDetails, RunSummary, TaskDetails
    from plait.features.scheduled import ScheduledBulkDelete, ScheduledBulkUpdate, ScheduledRun, ScheduledRunStatus
    from plait.features.shapes import ErrorDetails, Page, Payload
    from plait.features.versions import Change, TaskChange, VersionDiff
    from plait.features.workers import HeldTask, WorkerDetails, WorkerStatus, WorkerSummary
    from plait.features.workflow_stats import TaskStats, WorkflowStats
    from plait.features.workflows import (
        WorkflowCron,
        WorkflowDetails,
        WorkflowFilter,
        WorkflowSummary,
        WorkflowTask,
        WorkflowVersion,
    )
    from plait.types import (
        EmptyModel,
        Priority,
        TaskDefaults,
        TaskStatus,
        TriggerWorkflowOptions,
        WorkflowRunStatus,
    )
    from plait.types.crons import Cron
    from plait.types.filters import DefaultFilter
    from plait.worker.worker import Worker

__all__ = [
    "Activity",
    "AttemptDetails",
    "BulkCancelReplayOpts",
    "BulkPushEventWithMetadata",
    "BulkResult",
    "BusyTask",
    "BusyWorker",
    "Change",
    "ChildRun",
    "Context",
    "Cron",
    "CronDetails",
    "CronPreview",
    "DefaultFilter",
    "DefinitionError",
    "Depends",
    "EmptyModel",
    "ErrorDetails",
    "Event",
    "EventDetails",
    "FailedTaskRunExceptionGroup",
    "Filter",
    "HeldTask",
    "HistogramBar",
    "InvalidInputError",
    "LogLine",
    "NonRetryableException",
    "Pace",
    "Page",
    "ParentCondition",
    "Payload",
    "Plait",
    "PlaitError",
    "Priority",
    "QueueMetrics",
    "RetryAfterException",
    "RunCancelledError",
    "RunCount",
    "RunCounts",
    "RunDetails",
    "RunFilter",
    "RunStats",
    "RunSummary",
    "ScheduledBulkDelete",
    "ScheduledBulkUpdate",
    "ScheduledRun",
    "ScheduledRunStatus",
    "SleepCondition",
    "SlowTask",
    "Standalone",
    "Task",
    "TaskChange",
    "TaskCounts",
    "TaskDefaults",
    "TaskDetails",
    "TaskMetrics",
    "TaskQueue",
    "TaskRunError",
    "TaskRunRef",
    "TaskStat",
    "TaskStats",
    "TaskStatus",
    "TaskStatusStat",
    "TriggerWorkflowOptions",
    "UserEventCondition",
    "VersionDiff",
    "Worker",
    "WorkerDetails",
    "WorkerStatus",
    "WorkerSummary",
    "Workflow",
    "WorkflowCron",
    "WorkflowDetails",
    "WorkflowFilter",
    "WorkflowRunRef",
    "WorkflowRunStatus",
    "WorkflowRunTriggerConfig",
    "WorkflowStats",
    "WorkflowSummary",
    "WorkflowTask",
    "WorkflowVersion",
    "or_",
]

# Each name is imported when it is first asked for: `plait --help` and tools that only look at the version
# load none of it. A test compares this table with the imports above.
_MODULES = {
    "plait.client": ("Plait",),
    "plait.declaration.conditions": ("ParentCondition", "SleepCondition", "UserEventCondition", "or_"),
    "plait.declaration.context": ("Context",),
    "plait.types.crons": ("Cron",),
    "plait.declaration.dependencies": ("Depends",),
    "plait.errors": (
        "DefinitionError",
        "FailedTaskRunExceptionGroup",
        "InvalidInputError",
        "NonRetryableException",
        "PlaitError",
        "RetryAfterException",
        "RunCancelledError",
        "TaskRunError",
    ),
    "plait.types.filters": ("DefaultFilter",),
    "plait.features.activity": (
        "Activity",
        "BusyTask",
        "BusyWorker",
        "Pace",
        "QueueMetrics",
        "SlowTask",
        "TaskQueue",
    ),
    "plait.features.cron": (
        "CronDetails",
        "CronPreview",
    ),
    "plait.features.event": (
        "BulkPushEventWithMetadata",
        "Event",
        "EventDetails",
    ),
    "plait.features.filters": ("Filter",),
    "plait.features.logs": ("LogLine",),
    "plait.features.metrics": (
        "TaskCounts",
        "TaskMetrics",
        "TaskStat",
        "TaskStatusStat",
    ),
    "plait.features.run_control": (
        "BulkCancelReplayOpts",
        "BulkResult",
    ),
    "plait.features.run_search": ("RunFilter",),
    "plait.features.run_stats": (
        "HistogramBar",
        "RunCount",
        "RunCounts",
        "RunStats",
    ),
    "plait.features.run_views": (
        "AttemptDetails",
        "ChildRun",
        "RunDetails",
        "RunSummary",
        "TaskDetails",
    ),
    "plait.features.scheduled": (
        "ScheduledBulkDelete",
        "ScheduledBulkUpdate",
        "ScheduledRun",
        "ScheduledRunStatus",
    ),
    "plait.features.shapes": (
        "ErrorDetails",
        "Page",
        "Payload",
    ),
    "plait.features.versions": (
        "Change",
        "TaskChange",
        "VersionDiff",
    ),
    "plait.features.workers": (
        "HeldTask",
        "WorkerDetails",
        "WorkerStatus",
        "WorkerSummary",
    ),
    "plait.features.workflow_stats": (
        "TaskStats",
        "WorkflowStats",
    ),
    "plait.features.workflows": (
        "WorkflowCron",
        "WorkflowDetails",
        "WorkflowFilter",
        "WorkflowSummary",
        "WorkflowTask",
        "WorkflowVersion",
    ),
    "plait.features.refs": ("TaskRunRef", "WorkflowRunRef"),
    "plait.declaration.runnable": ("WorkflowRunTriggerConfig",),
    "plait.declaration.task": ("Task",),
    "plait.types": (
        "EmptyModel",
        "Priority",
        "TaskDefaults",
        "TaskStatus",
        "TriggerWorkflowOptions",
        "WorkflowRunStatus",
    ),
    "plait.worker.worker": ("Worker",),
    "plait.declaration.workflow": ("Standalone", "Workflow"),
}
_MODULE_BY_NAME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    module = _MODULE_BY_NAME.get(name)
    if module is None:
        raise AttributeError(f"module 'plait' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
