"""Values in place of what ``Depends`` would make."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from plait.declaration.code import TaskCode
from plait.declaration.dependencies import DependencyPlan
from plait.errors import DefinitionError
from plait.wording import shorten, suggest

R = TypeVar("R")


def replace_dependencies(code: TaskCode[R], given: Mapping[str | Callable[..., Any], Any]) -> TaskCode[R]:
    """A task's code with some of its dependencies replaced by values; what only those needed is not called either.

    Raises ``DefinitionError`` for a key that is neither a parameter of the task nor a function it depends on.
    """
    if not given:
        return code
    plan = code.plan or DependencyPlan((), (), ())
    by_name, by_step = _sort_keys(code, plan, given)
    values = {name: by_step[step] for name, step in plan.parameters if step in by_step}
    values.update(by_name)
    parameters = [(name, step) for name, step in plan.parameters if name not in values]
    replaced = copy.copy(code)
    replaced.fn = partial(code.fn, **values)
    replaced.plan = _prune(plan, parameters, by_step) if parameters else None
    return replaced


def _sort_keys(
    code: TaskCode[Any], plan: DependencyPlan, given: Mapping[str | Callable[..., Any], Any]
) -> tuple[dict[str, Any], dict[int, Any]]:
    """The given values by parameter of the task, and by step of the plan."""
    by_name: dict[str, Any] = {}
    by_step: dict[int, Any] = {}
    names = [name for name, _ in plan.parameters]
    for key, value in given.items():
        steps = [index for index, step in enumerate(plan.steps) if any(key is fn for fn in _unwrap(step.fn))]
        if isinstance(key, str) and key in names:
            by_name[key] = value
        elif steps:
            by_step.update(dict.fromkeys(steps, value))
        else:
            hint = suggest(key, names) if isinstance(key, str) else ""
            raise DefinitionError(
                f"{code.where}: dependencies has {shorten(key)}, which is neither a parameter with Depends "
                f"({', '.join(map(repr, names)) or 'none'}) nor a function that one depends on{hint}"
            )
    return by_name, by_step


def _unwrap(fn: Any) -> Iterator[Any]:
    while fn is not None:
        yield fn
        fn = getattr(fn, "__wrapped__", None)


def _prune(plan: DependencyPlan, parameters: list[tuple[str, int]], by_step: Mapping[int, Any]) -> DependencyPlan:
    """The steps that ``parameters`` still need, those of ``by_step`` replaced by their values."""
    needed = {step for _, step in parameters}
    for index in reversed(range(len(plan.steps))):  # a step comes after those it needs
        if index in needed:
            needed.update(step for _, step in plan.steps[index].arguments if step not in by_step)
    place = {index: new for new, index in enumerate(sorted(needed))}
    steps = []
    for index in sorted(needed):
        step = plan.steps[index]
        bound = {name: by_step[needs] for name, needs in step.arguments if needs in by_step}
        arguments = tuple((name, place[needs]) for name, needs in step.arguments if needs not in by_step)
        steps.append(replace(step, fn=partial(step.fn, **bound) if bound else step.fn, arguments=arguments))
    return replace(plan, steps=tuple(steps), parameters=tuple((name, place[step]) for name, step in parameters))
