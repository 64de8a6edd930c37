"""What changed between two versions of a workflow. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from plait.graph.conditions import describe_groups
from plait.graph.definition import WorkflowDefinition
from plait.server.models.catalog import Change, TaskChange

_PLAIN = (
    "retries",
    "backoff_factor",
    "backoff_max_seconds",
    "backoff_jitter",
    "execution_timeout",
    "schedule_timeout",
)
_CONDITIONS = ("wait_for", "skip_if", "cancel_if")


def compare_definitions(before: WorkflowDefinition, after: WorkflowDefinition) -> tuple[list[Change], list[TaskChange]]:
    """Changes of the workflow itself, and of its tasks by name: in the order of the new graph, removed ones last."""
    workflow = list(_compare(_describe_workflow(before), _describe_workflow(after)))
    old, new = _describe_tasks(before), _describe_tasks(after)
    tasks = []
    for name, options in new.items():
        if name not in old:
            tasks.append(TaskChange(task=name, what="added", changes=list(_compare({}, options))))
        elif changes := list(_compare(old[name], options)):
            tasks.append(TaskChange(task=name, what="changed", changes=changes))
    tasks += [TaskChange(task=name, what="removed", changes=[]) for name in old if name not in new]
    return workflow, tasks


def _compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for field in dict.fromkeys([*before, *after]):
        old, new = before.get(field), after.get(field)
        if old != new:
            yield Change(field=field, before=_say(old), after=_say(new))


def _say(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _describe_workflow(definition: WorkflowDefinition) -> dict[str, Any]:
    return {
        "description": definition.description,
        "default_priority": definition.default_priority,
        "input_schema": definition.input_schema,
        "on_events": list(definition.on_events) or None,
        "crons": [f"{cron.name}: {cron.expression} {cron.timezone}" for cron in definition.crons] or None,
        "filters": [f"{one.scope}: {one.expression}" for one in definition.filters] or None,
    }


def _describe_tasks(definition: WorkflowDefinition) -> dict[str, dict[str, Any]]:
    tasks = {}
    for index, task in enumerate(definition.tasks):
        options: dict[str, Any] = {
            "kind": task.kind.value,
            "parents": [definition.tasks[parent].name for parent in task.parents] or None,
        }
        options |= {name: getattr(task, name) for name in _PLAIN}
        for name in _CONDITIONS:
            groups = getattr(task, name)
            options[name] = describe_groups(definition, index, groups) if groups else None
        tasks[task.name] = options
    return tasks
