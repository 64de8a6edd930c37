"""What a workflow is before any run: name, input type, tasks, and the definition they add up to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from pydantic import TypeAdapter

from plait.declaration.inputs import InputType
from plait.declaration.options import check_defaults
from plait.declaration.task import Task
from plait.errors import DefinitionError, InvalidInputError, PlaitError
from plait.graph.definition import TaskKind, WorkflowDefinition
from plait.graph.validation import build_definition, check_name
from plait.types import UNSET, TaskDefaults, Unset, check_priority
from plait.types.crons import Cron, define_crons, read_crons
from plait.types.filters import DefaultFilter, read_event_patterns, read_filters
from plait.values.encoding import DEFAULT_PAYLOAD_LIMIT, encode_metadata
from plait.values.faults import find_fault
from plait.wording import shorten

if TYPE_CHECKING:
    from plait.engine.access import Access, Declared
    from plait.pictures.model import Graph

TInput = TypeVar("TInput")

MAX_DESCRIPTION_LENGTH = 10_000


class WorkflowKeywords(TypedDict, total=False):
    """The options of a workflow, as keywords.

    ``default_priority`` (1) and ``default_additional_metadata`` apply to runs that do not give their own;
    ``task_defaults`` to the options that its tasks leave out. An event whose key fits one of ``on_events`` starts a run
    with the event's payload as its input; ``*`` stands for any characters, as in ``"user:*"``. ``default_filters``
    choose among these events. ``on_crons`` are timetables, as expressions or ``Cron(...)``, by which runs start with
    ``cron_input``.
    """

    description: str | None
    default_priority: int | None
    task_defaults: TaskDefaults | None
    default_additional_metadata: Mapping[str, Any] | None
    on_events: Sequence[str] | None
    default_filters: Sequence[DefaultFilter] | None
    on_crons: Sequence[str | Cron] | None
    cron_input: Any


class BaseWorkflow(ABC, Generic[TInput]):
    """The declaration shared by ``Workflow`` and ``Standalone``.

    Attributes: ``name``, ``description``, ``tasks`` in the order of their declaration, ``task_by_name``,
    ``default_priority``, ``default_additional_metadata``, ``task_defaults``, ``on_events``, ``filters``,
    ``crons``, ``cron_input``, ``input_adapter``, and ``client``, the ``Plait`` it is bound to.
    """

    def __init__(
        self,
        name: str,
        *,
        description: str | None = None,
        input_validator: type[TInput] | TypeAdapter[TInput] | None = None,
        default_priority: int | None = None,
        task_defaults: TaskDefaults | None = None,
        default_additional_metadata: Mapping[str, Any] | None = None,
        on_events: Sequence[str] | None = None,
        default_filters: Sequence[DefaultFilter] | None = None,
        on_crons: Sequence[str | Cron] | None = None,
        cron_input: TInput | Mapping[str, Any] | Unset | None = UNSET,
    ) -> None:
        check_name(name, "workflow name")
        where = f"workflow {name!r}"
        self.name = name
        self.description = _check_description(description, where)
        self.default_priority = check_priority(
            1 if default_priority is None else default_priority, f"{where}: default_priority", DefinitionError
        )
        self.task_defaults = check_defaults(task_defaults, where)
        self.default_additional_metadata = _check_metadata(default_additional_metadata, where)
        self.on_events = read_event_patterns(on_events, where)
        self.filters = read_filters(default_filters, where)
        if self.filters and not self.on_events:
            raise DefinitionError(f"{where} has default_filters, but no event starts it: set on_events")
        self.crons = read_crons(on_crons, where)
        self.cron_input = UNSET if cron_input is None else cron_input
        if self.cron_input is not UNSET and not self.crons:
            raise DefinitionError(f"{where} has a cron_input, but no cron starts it: set on_crons")
        self._input: InputType[TInput] = InputType(input_validator, where)
        self.tasks: list[Task[TInput, Any]] = []
        self.task_by_name: dict[str, Task[TInput, Any]] = {}
        self._client: object | None = None
        self._access: Access | None = None
        self._definition: WorkflowDefinition | None = None

    @abstractmethod
    def _describe(self) -> Declared:
        """What callers get who know only the name of this workflow."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @property
    def definition(self) -> WorkflowDefinition:
        """The checked graph. The first look at it freezes the workflow: no task can be added afterwards.

        Raises ``DefinitionError``.
        """
        if self._definition is None:
            for task in self.tasks:
                task._code.prepare()
            self._definition = build_definition(
                self.name,
                [task._draft() for task in self.tasks],
                description=self.description,
                default_priority=self.default_priority,
                input_schema=self._input.make_schema(),
                on_events=self.on_events,
                filters=self.filters,
                crons=define_crons(
                    self.crons,
                    self.cron_input,
                    self._encode_input,
                    encode_metadata(self.default_additional_metadata, where=f"workflow {self.name!r}"),
                    f"workflow {self.name!r}",
                ),
            )
            # Remembered: for 10,000 tasks that takes a while, and the engine's loop would stand still meanwhile.
            _ = self._definition.digest
        return self._definition

    def to_mermaid(self, direction: str = "LR", *, fold: int = 12) -> str:
        """The graph as a Mermaid flowchart, from left to right (``LR``) or from top to bottom (``TB``).

        ``fold`` or more tasks with the same place in the graph are drawn as one; 0 draws all of them. Tasks can still
        be added afterwards. Raises ``DefinitionError`` for a wrong graph, ``InvalidInputError`` for a wrong argument.
        """
        from plait.pictures.mermaid import draw_mermaid  # noqa: PLC0415 - only for those who look

        return draw_mermaid(self._build_graph(fold), title=f"Workflow {self.name}", direction=direction)

    def to_svg(self, direction: str = "LR", *, theme: str = "auto", fold: int = 12) -> str:
        """The graph as an SVG that stands on its own, with a transparent background.

        ``theme`` is ``light``, ``dark`` or ``auto``, which follows the reader's system. The other arguments are those
        of ``to_mermaid``.
        """
        from plait.pictures.model import describe_graph  # noqa: PLC0415 - see to_mermaid
        from plait.pictures.svg import draw_svg  # noqa: PLC0415

        graph = self._build_graph(fold)
        label = f"Workflow {self.name}"
        return draw_svg(graph, label=label, description=describe_graph(graph), direction=direction, theme=theme)

    def _repr_svg_(self) -> str | None:
        """What notebooks show: the graph, or nothing if it is wrong or too large."""
        from plait.pictures.model import FOLD_FROM, MOST_SHOWN  # noqa: PLC0415 - see to_mermaid

        try:
            return self.to_svg() if len(self._build_graph(FOLD_FROM).boxes) <= MOST_SHOWN else None
        except DefinitionError:
            return None

    def _repr_html_(self) -> str | None:
        picture = self._repr_svg_()
        return None if picture is None else f'<div style="overflow-x:auto">{picture}</div>'

    def _build_graph(self, fold: int) -> Graph:
        """The graph as it is declared so far. Does not freeze it, as ``definition`` would."""
        from plait.pictures.model import Graph, build_graph, read_definition  # noqa: PLC0415 - see to_mermaid

        if not isinstance(fold, int) or isinstance(fold, bool) or fold < 0:
            raise InvalidInputError(
                f"workflow {self.name!r}: fold is {shorten(fold)}: give a number of tasks, 0 for none"
            )
        if not self.tasks:
            return Graph((), ())
        definition = self._definition or build_definition(self.name, [task._draft() for task in self.tasks])
        return build_graph(read_definition(definition), fold=fold)

    @property
    def input_adapter(self) -> TypeAdapter[TInput]:
        """Validates the input."""
        return self._input.adapter

    @property
    def client(self) -> Any:
        """The ``Plait`` it belongs to; None before ``plait.include``."""
        return self._client

    def _bind(self, client: object, access: Access) -> None:
        """Make ``client`` the one that runs this workflow. Raises ``DefinitionError`` if it has another."""
        if self._client is not None and self._client is not client:
            raise DefinitionError(
                f"workflow {self.name!r} already belongs to another Plait: declare it once per Plait, in a function "
                f"that takes the Plait, if you need it in both"
            )
        self._client = client
        self._access = access

    def _has_async_tasks(self) -> bool:
        return any(task.is_async for task in self.tasks)

    def _encode_input(self, input: Any = UNSET) -> bytes:
        limit = DEFAULT_PAYLOAD_LIMIT if self._access is None else self._access.payload_limit
        return self._input.encode(input, limit)

    def _add(self, task: Task[TInput, Any]) -> None:
        where = f"workflow {self.name!r}"
        if self._definition is not None:
            raise DefinitionError(
                f"{where}: task {task.name!r} comes too late, the workflow was already run or served: declare all "
                "tasks first"
            )
        if task.name in self.task_by_name:
            raise DefinitionError(f"{where} already has a task named {task.name!r}: pass another name=")
        if task.kind is not TaskKind.TASK:
            for other in self.tasks:
                if other.kind is task.kind:
                    raise DefinitionError(
                        f"{where} already has an {task.kind.value} task, {other.name!r}: do both things in one"
                    )
        self.tasks.append(task)
        self.task_by_name[task.name] = task

    def _require_access(self) -> Access:
        if self._access is None:
            raise DefinitionError(
                f"workflow {self.name!r} belongs to no Plait, so it cannot run: declare it with plait.workflow(...), "
                f"or call plait.include(...) with it first"
            )
        self.definition  # noqa: B018 - refuse a wrong graph before anything is sent
        return self._access


def get_input_type(workflow: BaseWorkflow[TInput]) -> InputType[TInput]:
    """What a workflow takes as its input."""
    return workflow._input


def _check_description(description: object, where: str) -> str | None:
    if description is None:
        return None
    if not isinstance(description, str):
        raise DefinitionError(f"{where}: description is {shorten(description)}: give a str")
    if len(description) > MAX_DESCRIPTION_LENGTH:
        raise DefinitionError(
            f"{where}: description has {len(description):,} characters: shorten it to {MAX_DESCRIPTION_LENGTH:,}"
        )
    if fault := find_fault(description, "description", try_leaves=False):
        raise DefinitionError(f"{where}: {fault}")
    return description


def _check_metadata(metadata: Mapping[str, Any] | None, where: str) -> dict[str, Any]:
    try:
        encode_metadata(metadata, where=f"{where}, default_additional_metadata")
    except PlaitError as failure:
        raise DefinitionError(str(failure)) from failure
    return dict(metadata or {})
