"""Writes docs/reference/ from the docstrings of the public names.

    .venv/bin/python tools/reference.py            write the pages
    .venv/bin/python tools/reference.py --check    say which are not what the docstrings give; exit code 1 if any

The pages are committed: they are read on a repository's site too, and every link into them is checked like any other.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from plait.features.shapes import Answer
from plait.types import Unset

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
WIDTH = 80
MADE_BY_PLAIT = frozenset({"Context", "Task", "TaskRunRef", "Worker", "WorkflowRunRef"})

# page: its title, what it begins with, and what stands on it as module:name, or module:name=the name to show.
PAGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "plait": (
        "Plait",
        "Where everything begins: declare on it, make workers of it, ask it. `from plait import Plait`. Its attributes "
        "`runs`, `event`, `cron`, `scheduled`, `filters`, `workflows`, `workers` and `metrics` have "
        "[a page of their own](features.md).",
        (
            "plait:Plait",
            "plait:Worker",
            "plait.server:mount",
            "plait.server:create_app",
            "plait.server:Role",
            "plait.server:Account",
            "plait.server:hash_secret",
            "plait.tracing:PlaitInstrumentor",
            "plait.logs:TaskLogFilter",
            "plait.logs:describe_current_task",
        ),
    ),
    "workflows": (
        "Workflows and tasks",
        "What `plait.workflow(...)` and `plait.task(...)` give, how runs are started, and what stands for a run.",
        (
            "plait:Workflow",
            "plait:Standalone",
            "plait:Task",
            "plait:Depends",
            "plait:WorkflowRunRef",
            "plait:TaskRunRef",
            "plait.declaration.base:WorkflowKeywords",
            "plait.declaration.options:TaskKeywords",
            "plait:TaskDefaults",
            "plait.declaration.runnable:RunKeywords",
            "plait.declaration.runnable:ItemKeywords",
            "plait:TriggerWorkflowOptions",
            "plait:WorkflowRunTriggerConfig",
        ),
    ),
    "context": (
        "Context",
        "The second argument of every task. `from plait import Context`.",
        ("plait:Context",),
    ),
    "conditions": (
        "Conditions and crons",
        "What a task can wait for, and what starts a workflow by itself.",
        (
            "plait:SleepCondition",
            "plait:UserEventCondition",
            "plait:ParentCondition",
            "plait:or_",
            "plait:Cron",
            "plait:DefaultFilter",
        ),
    ),
    "features": (
        "Runs, events and the rest",
        "The attributes of a `Plait` for questions and requests. Every method has a form that blocks and one, "
        "with `aio_` in front, for `await`.",
        (
            "plait.features.runs:RunsClient=plait.runs",
            "plait.features.event:EventClient=plait.event",
            "plait.features.cron:CronClient=plait.cron",
            "plait.features.scheduled:ScheduledClient=plait.scheduled",
            "plait.features.filters:FiltersClient=plait.filters",
            "plait.features.workflows:WorkflowsClient=plait.workflows",
            "plait.features.workers:WorkersClient=plait.workers",
            "plait.features.metrics:MetricsClient=plait.metrics",
        ),
    ),
    "answers": (
        "Answers",
        "What questions are answered with, and what some of them are asked with. All are imported from `plait`. REST "
        "and `-o json` give the same keys: see [the vocabulary](vocabulary.md).",
        (
            "plait:RunSummary",
            "plait:RunDetails",
            "plait:TaskDetails",
            "plait:AttemptDetails",
            "plait:ErrorDetails",
            "plait:ChildRun",
            "plait:RunFilter",
            "plait:RunCount",
            "plait:RunStats",
            "plait:RunCounts",
            "plait:HistogramBar",
            "plait:LogLine",
            "plait:BulkCancelReplayOpts",
            "plait:BulkResult",
            "plait:Event",
            "plait:EventDetails",
            "plait:BulkPushEventWithMetadata",
            "plait:CronDetails",
            "plait:CronPreview",
            "plait:ScheduledRun",
            "plait:ScheduledRunStatus",
            "plait:ScheduledBulkUpdate",
            "plait:ScheduledBulkDelete",
            "plait:Filter",
            "plait:WorkflowSummary",
            "plait:WorkflowDetails",
            "plait:WorkflowTask",
            "plait:WorkflowCron",
            "plait:WorkflowFilter",
            "plait:WorkflowVersion",
            "plait:VersionDiff",
            "plait:TaskChange",
            "plait:Change",
            "plait:WorkflowStats",
            "plait:TaskStats",
            "plait:WorkerSummary",
            "plait:WorkerDetails",
            "plait:WorkerStatus",
            "plait:HeldTask",
            "plait:QueueMetrics",
            "plait:TaskQueue",
            "plait:TaskMetrics",
            "plait:TaskCounts",
            "plait:TaskStat",
            "plait:TaskStatusStat",
            "plait:Activity",
            "plait:Pace",
            "plait:BusyWorker",
            "plait:BusyTask",
            "plait:SlowTask",
            "plait:Page",
            "plait:Payload",
        ),
    ),
    "vocabulary": (
        "Vocabulary",
        "One word for one thing: an answer has the same keys in Python, in REST (`/api/v1`) and on the command line "
        "(`-o json`, `-o yaml`).\n\n"
        "- `name` is a thing's own name; `workflow` and `task` are the names of others.\n"
        "- `id` is a thing's own id; `run_id`, `worker_id`, `version_id`, `trigger_id` are ids of others.\n"
        "- `…_at` is a moment, ISO 8601 with a zone; `…_ms` milliseconds; `attempt` and `index` are numbers.\n"
        "- A `…Details` has every key of its summary, and more.\n"
        "- A list is a `Page`: `items`, `next` (pass it as `before` or `after`; null: that was all) and `cut`.\n"
        "- JSON that users wrote is a value in Python and on the command line. In REST it is text, since browsers lose "
        "long integers: `input`, `output` and `payload` are a `Payload`, with `text`, `size` and `truncated`; "
        "`metadata`, `labels` and `input_schema` are a string.\n"
        "- What users declare and call keeps the words of Hatchet: `additional_metadata=`, `workflow_name=`, "
        "`ref.workflow_run_id`, `ctx.attempt_number`, and the attributes of `TaskRunError`.",
        (),
    ),
    "types": (
        "Values and types",
        "The small things that declarations and results are made of.",
        ("plait:EmptyModel", "plait:Priority", "plait:WorkflowRunStatus", "plait:TaskStatus"),
    ),
    "errors": (
        "Errors",
        "What Plait raises, by who has to act: the author of a workflow, the operator, or whoever asked for a result. "
        "All but the two that tasks raise themselves are a `PlaitError`.",
        ("plait.errors:*",),
    ),
    "testing": (
        "Testing",
        "See [Test my workflow](../how-to/test-my-workflow.md). The fixture `plait_test` is a `PlaitTest`.",
        (
            "plait.testing:PlaitTest",
            "plait.testing:VirtualClock",
            "plait.testing:make_context",
            "plait.testing:StalledError",
        ),
    ),
}


def main(arguments: list[str]) -> int:
    """Write all pages, or compare them."""
    stale = []
    for name in PAGES:
        path = FOLDER / f"{name}.md"
        text = render_page(name)
        if arguments == ["--check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(path.relative_to(ROOT))
        else:
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path} is not what the docstrings give: run {Path(__file__).relative_to(ROOT)}")
    return 1 if stale else 0


def render_page(name: str) -> str:
    """A page as Markdown."""
    title, opening, targets = PAGES[name]
    parts = [f"# {title}", opening]
    told: dict[Any, str] = {}
    for target in targets:
        for shown, thing in _find(target):
            parts.extend(_render(shown, thing, told))
    if name == "vocabulary":
        parts.append(render_vocabulary())
    parts.append("*Written by `tools/reference.py` from the docstrings.*")
    return "\n\n".join(part for part in parts if part) + "\n"


def render_vocabulary() -> str:
    """Every key of the answers with its type, and which have it."""
    where: dict[tuple[str, str], list[str]] = {}
    for target in PAGES["answers"][2]:
        for name, thing in _find(target):
            if inspect.isclass(thing) and issubclass(thing, Answer):
                for field in dataclasses.fields(thing):
                    where.setdefault((field.name, _shorten(field.type)), []).append(name)
    rows = []
    for (key, kind), names in sorted(where.items()):
        links = ", ".join(f"[{one}](answers.md#{one.lower()})" for one in names)
        rows.append(f"| `{key}` | `{kind.replace('|', chr(92) + '|')}` | {links} |")
    return "\n".join(["| Key | Type | In |", "|---|---|---|", *rows])


def _find(target: str) -> Iterator[tuple[str, Any]]:
    module_name, _, name = target.partition(":")
    module = import_module(module_name)
    if name != "*":
        name, _, shown = name.partition("=")
        yield shown or name, getattr(module, name)
        return
    for found, thing in vars(module).items():
        if inspect.isclass(thing) and thing.__module__ == module_name and not found.startswith("_"):
            yield found, thing


def _render(name: str, thing: Any, told: dict[Any, str]) -> Iterator[str]:
    """The section of one class or function. ``told``: which members stand on this page already, and of what."""
    yield f"## {name}"
    if not inspect.isclass(thing):
        yield from _render_callable(name, thing)
        return
    yield "" if "." in name else _fence(_write_class(name, thing))
    yield _write_doc(thing.__doc__) if thing.__dict__.get("__doc__") and not _is_made_up(thing) else ""
    if _is_keywords(thing) or issubclass(thing, enum.Enum):
        return
    shared: dict[str, list[str]] = {}
    for member, value in _list_members(thing):
        if (owner := told.setdefault(value, name)) != name:
            shared.setdefault(owner, []).append(f"`{member}`")
        elif isinstance(value, property):
            yield from _render_property(f"{name}.{member}", value)
        else:
            yield f"### {name}.{member}"
            twin = inspect.getattr_static(thing, f"aio_{member}", None)
            yield from _render_callable(member, value, has_twin=twin is not None)
    for owner, members in shared.items():
        yield f"As in [{owner}](#{owner.lower()}): {', '.join(members)}."


def _render_property(name: str, value: property) -> Iterator[str]:
    assert value.fget is not None
    annotation = str(value.fget.__annotations__.get("return", ""))
    yield f"### {name}"
    yield _fence(f"{name.rpartition('.')[2]}: {annotation}")
    yield _write_doc(value.__doc__)


def _render_callable(name: str, value: Any, *, has_twin: bool = False) -> Iterator[str]:
    function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
    forms = typing.get_overloads(function) or [function]
    yield _fence("\n".join(_write_signature(name, form) for form in forms))
    yield _write_doc(function.__doc__)
    if has_twin:
        yield f"To await: `aio_{name}`."


def _list_members(owner: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties, the class's own first, then those of Plait's bases. An ``aio_`` twin is told with
    the method it belongs to."""
    seen: dict[str, Any] = {}
    for base in owner.__mro__:
        if base.__module__.startswith("plait"):
            for name, value in vars(base).items():
                seen.setdefault(name, value)
    for name, value in seen.items():
        if name.startswith("_") or (name.startswith("aio_") and name.removeprefix("aio_") in seen):
            continue
        if isinstance(value, property) or type(value).__name__ == "cached_property":
            yield name, value if isinstance(value, property) else property(value.func)
        elif inspect.isfunction(value) or isinstance(value, (classmethod, staticmethod)):
            yield name, value


def _write_class(name: str, thing: type) -> str:
    if issubclass(thing, enum.Enum):
        return "\n".join([f"class {name}", *(f"    {member.name} = {member.value!r}" for member in thing)])
    if _is_keywords(thing):
        lines = [f"    {field}: {_shorten(annotation)}" for field, annotation in _list_keywords(thing).items()]
        return "\n".join([f"class {name}", *lines])
    if issubclass(thing, BaseException) and "__init__" not in vars(thing):
        bases = ", ".join(base.__name__ for base in thing.__bases__)
        return f"class {name}({bases})"
    if name in MADE_BY_PLAIT:
        return f"class {name}"
    init = thing.__init__
    is_own = inspect.isfunction(init) and (init.__module__.startswith("plait") or dataclasses.is_dataclass(thing))
    if not is_own:
        return f"class {name}"
    forms = typing.get_overloads(init) or [init]
    return "\n".join(_write_signature(f"class {name}", form, returns=False) for form in forms[:1])


def _is_keywords(thing: type) -> bool:
    return typing.is_typeddict(thing)


def _list_keywords(thing: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in [*reversed(getattr(thing, "__orig_bases__", ())), thing]:
        if typing.is_typeddict(base):
            found.update(base.__annotations__)
    return found


def _is_made_up(thing: type) -> bool:
    """Whether the docstring is only the signature that ``dataclass`` writes where there is none."""
    return dataclasses.is_dataclass(thing) and (thing.__doc__ or "").startswith(f"{thing.__name__}(")


def _write_signature(name: str, function: Any, *, returns: bool = True) -> str:
    signature = inspect.signature(function)
    parameters = [_write_parameter(parameter) for parameter in signature.parameters.values()]
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        parameters.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    parameters = [parameter for parameter in parameters if parameter.partition(":")[0] not in ("self", "cls")]
    annotation = signature.return_annotation
    result = "" if not returns or annotation is inspect.Signature.empty else f" -> {_shorten(annotation)}"
    prefix = "async " if inspect.iscoroutinefunction(function) and name.startswith("aio_") else ""
    line = f"{prefix}{name}({', '.join(parameters)}){result}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{prefix}{name}(", *(f"    {parameter}," for parameter in parameters), f"){result}"])


def _write_parameter(parameter: inspect.Parameter) -> str:
    text = str(parameter.replace(annotation=inspect.Parameter.empty, default=inspect.Parameter.empty))
    if parameter.annotation is not inspect.Parameter.empty:
        text += f": {_shorten(parameter.annotation)}"
    if parameter.default is inspect.Parameter.empty:
        return text
    default = "..." if "factory" in repr(parameter.default) or parameter.default is ... else _show(parameter.default)
    return f"{text} = {default}" if ":" in text else f"{text}={default}"


def _show(value: object) -> str:
    return str(value) if isinstance(value, enum.Enum) and not isinstance(value, Unset) else repr(value)


def _shorten(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", None)
    if text is None:
        text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return re.sub(r"\b(?:builtins|typing|collections\.abc|plait(?:\.\w+)*)\.", "", text)


def _fence(code: str) -> str:
    return f"```py\n{code}\n```"


def _write_doc(text: str | None) -> str:
    """A docstring as Markdown: double backticks become single ones, the arguments a list."""
    if not text:
        return ""
    told = re.sub(r"``(.+?)``", r"`\1`", inspect.cleandoc(text), flags=re.S)
    told = re.sub(r"^Args:\n(?=    )", "", told, flags=re.M)
    told = re.sub(r"^    (\w+): ", r"- `\1`: ", told, flags=re.M)
    return re.sub(r"^        (?=\S)", "  ", told, flags=re.M)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
