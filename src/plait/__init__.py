"""Plait: declarative, durable DAG workflows for Python, on PostgreSQL alone."""

from plait.client import Plait
from plait.context import Context
from plait.dependencies import Depends
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
from plait.refs import TaskRunRef, WorkflowRunRef
from plait.task import Task
from plait.types import EmptyModel, Priority, TaskDefaults, TaskStatus, TriggerWorkflowOptions, WorkflowRunStatus
from plait.worker.worker import Worker
from plait.workflow import Standalone, Workflow

__version__ = "0.1.0"

__all__ = [
    "Context",
    "DefinitionError",
    "Depends",
    "EmptyModel",
    "FailedTaskRunExceptionGroup",
    "InvalidInputError",
    "NonRetryableException",
    "Plait",
    "PlaitError",
    "Priority",
    "RetryAfterException",
    "RunCancelledError",
    "Standalone",
    "Task",
    "TaskDefaults",
    "TaskRunError",
    "TaskRunRef",
    "TaskStatus",
    "TriggerWorkflowOptions",
    "Worker",
    "Workflow",
    "WorkflowRunRef",
    "WorkflowRunStatus",
]
