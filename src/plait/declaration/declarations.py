"""Declaring workflows on a ``Plait``. Nothing here connects to anything or reads the environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pydantic import TypeAdapter

from plait.declaration.base import BaseWorkflow, WorkflowKeywords
from plait.declaration.options import TaskKeywords, read_options
from plait.declaration.signatures import name_function
from plait.declaration.workflow import Standalone, StandaloneDecorator, Workflow
from plait.engine.access import Access
from plait.errors import DefinitionError
from plait.types import EmptyModel
from plait.wording import shorten

if TYPE_CHECKING:
    from typing_extensions import Unpack

    class StandaloneKeywords(WorkflowKeywords, TaskKeywords, total=False):
        """The options of a standalone task: those of a workflow and those of a task."""


TInput = TypeVar("TInput")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the user's code something was declared."""

    file: str
    line: int
    code: CodeType

    @classmethod
    def of(cls, frame: FrameType) -> _Place:
        return cls(frame.f_code.co_filename, frame.f_lineno, frame.f_code)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def is_reload_of(self, other: _Place) -> bool:
        """The same line, compiled anew: a reloaded module, as opposed to a loop that passes here twice."""
        return (self.file, self.line) == (other.file, other.line) and self.code is not other.code


class Declarations:
    """The part of ``Plait`` that declares. ``declared`` holds every workflow bound to it, by name."""

    def __init__(self, access: Access | None = None) -> None:
        self._access = Access() if access is None else access
        self.declared: dict[str, BaseWorkflow[Any]] = {}
        self._places: dict[str, _Place] = {}

    @property
    def payload_limit(self) -> int:
        """Bytes of one input or output at most; 1 MiB unless set. Larger ones raise ``PayloadTooLargeError``."""
        return self._access.payload_limit

    @payload_limit.setter
    def payload_limit(self, limit: int) -> None:
        self._access.payload_limit = limit

    @overload
    def workflow(
        self, *, name: str, input_validator: None = None, **options: Unpack[WorkflowKeywords]
    ) -> Workflow[EmptyModel]: ...
    @overload
    def workflow(
        self,
        *,
        name: str,
        input_validator: type[TInput] | TypeAdapter[TInput],
        **options: Unpack[WorkflowKeywords],
    ) -> Workflow[TInput]: ...
    def workflow(self, *, name: str, input_validator: Any = None, **options: Any) -> Workflow[Any]:
        """Declare a workflow; its tasks are declared on what this returns.

        Without ``input_validator`` the input is an ``EmptyModel``, which keeps whatever fields it is given.
        Raises ``DefinitionError``, also for a second workflow of the same name.
        """
        workflow: Workflow[Any] = Workflow(name, input_validator=input_validator, **options)
        self._bind(workflow, _Place.of(sys._getframe(1)))
        return workflow

    @overload
    def task(
        self, *, name: str | None = None, input_validator: None = None, **options: Unpack[StandaloneKeywords]
    ) -> StandaloneDecorator[EmptyModel]: ...
    @overload
    def task(
        self,
        *,
        name: str | None = None,
        input_validator: type[TInput] | TypeAdapter[TInput],
        **options: Unpack[StandaloneKeywords],
    ) -> StandaloneDecorator[TInput]: ...
    def task(self, name: str | None = None, *, input_validator: Any = None, **options: Any) -> StandaloneDecorator[Any]:
        """Declare a task that stands alone: a workflow of one task, named like it, whose result is the
        task's output.

        Takes the options of a workflow and those of a task. Raises ``DefinitionError``.
        """
        if callable(name):
            raise DefinitionError(f"write @plait.task() with parentheses above {name_function(name)}")
        workflow_options, task_options = _split_options(options)
        where = f"plait.task {name!r}" if name else "plait.task"
        read = read_options(task_options, where, WorkflowKeywords.__annotations__)

        def declare(fn: Callable[..., Any], frame: FrameType) -> Standalone[Any, Any]:
            standalone: Standalone[Any, Any] = Standalone(
                fn,
                name=name,
                options=read,
                local_names=frame.f_locals,
                input_validator=input_validator,
                **workflow_options,
            )
            self._bind(standalone, _Place.of(frame))
            return standalone

        return StandaloneDecorator(declare)

    def include(self, *workflows: BaseWorkflow[Any]) -> None:
        """Take over workflows that were declared without a ``Plait``. Including one twice changes nothing.

        Raises ``DefinitionError`` when one belongs to another ``Plait`` or its name is taken.
        """
        place = _Place.of(sys._getframe(1))
        for workflow in workflows:
            if not isinstance(workflow, BaseWorkflow):
                raise DefinitionError(f"plait.include({shorten(workflow)}): give workflows or standalone tasks")
            self._bind(workflow, place)

    def _bind(self, workflow: BaseWorkflow[Any], place: _Place) -> None:
        earlier = self.declared.get(workflow.name)
        if earlier is workflow:
            return
        if earlier is not None:
            first = self._places[workflow.name]
            if not (place.is_reload_of(first) or _is_interactive()):
                raise DefinitionError(
                    f"workflow {workflow.name!r} is already declared at {first}: give one of the two another name"
                )
        workflow._bind(self, self._access)
        self.declared[workflow.name] = workflow
        self._access.declared[workflow.name] = workflow._describe()
        self._places[workflow.name] = place


def _is_interactive() -> bool:
    """In a notebook or at a prompt, declaring again replaces: people run a cell many times."""
    return hasattr(sys, "ps1")


def _split_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    of_workflow = {key: options[key] for key in options if key in WorkflowKeywords.__annotations__}
    return of_workflow, {key: options[key] for key in options if key not in of_workflow}
