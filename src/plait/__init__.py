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
    from plait.features.refs import TaskRunRef, WorkflowRunRef
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
    "Context",
    "Cron",
    "DefaultFilter",
    "DefinitionError",
    "Depends",
    "EmptyModel",
    "FailedTaskRunExceptionGroup",
    "InvalidInputError",
    "NonRetryableException",
    "ParentCondition",
    "Plait",
    "PlaitError",
    "Priority",
    "RetryAfterException",
    "RunCancelledError",
    "SleepCondition",
    "Standalone",
    "Task",
    "TaskDefaults",
    "TaskRunError",
    "TaskRunRef",
    "TaskStatus",
    "TriggerWorkflowOptions",
    "UserEventCondition",
    "Worker",
    "Workflow",
    "WorkflowRunRef",
    "WorkflowRunStatus",
    "WorkflowRunTriggerConfig",
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
