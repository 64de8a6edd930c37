"""The options of a task: checked at declaration, and filled in from the workflow's defaults."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from plait.declaration.conditions import Conditions, read_conditions
from plait.declaration.parent import Parent
from plait.errors import DefinitionError
from plait.graph.definition import ConditionGroups, TaskDefinition, TaskKind
from plait.types import UNSET, Duration, TaskDefaults, Unset, parse_duration
from plait.wording import shorten, suggest

MAX_RETRIES = 1_000
_TEN_YEARS = 10 * 366 * 86_400.0


class TaskKeywords(TypedDict, total=False):
    """The options of a task, as keywords. What is left out comes from the workflow's ``task_defaults``.

    ``retries`` (0): attempts after the first. Before retry k it waits ``min(backoff_max_seconds,
    backoff_factor ** k)`` seconds, with full jitter if ``backoff_jitter``; not at all without a factor.
    ``execution_timeout`` (60 s) bounds one attempt, ``schedule_timeout`` (none) the time until a worker
    takes it.

    ``wait_for``, ``skip_if`` and ``cancel_if`` take a condition or a list of them, all of which must hold
    (``or_(...)`` for alternatives). Once its parents are done, the task waits until ``wait_for`` holds; if
    meanwhile ``skip_if`` or ``cancel_if`` holds, it is skipped or cancelled instead. Where several hold at
    once: skip, cancel, run. A ``wait_for`` that can never hold any more skips the task.
    """

    retries: int
    backoff_factor: float | None
    backoff_max_seconds: float | None
    backoff_jitter: bool
    execution_timeout: Duration
    schedule_timeout: Duration | None
    wait_for: Conditions | None
    skip_if: Conditions | None
    cancel_if: Conditions | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """What was given at the declaration, unchecked. ``UNSET`` falls back to the workflow's default."""

    retries: int | Unset = UNSET
    backoff_factor: float | Unset | None = UNSET
    backoff_max_seconds: float | Unset | None = UNSET
    backoff_jitter: bool | Unset = UNSET
    execution_timeout: Duration | Unset = UNSET
    schedule_timeout: Duration | Unset | None = UNSET
    wait_for: Conditions | None = None
    skip_if: Conditions | None = None
    cancel_if: Conditions | None = None


def read_options(given: Mapping[str, Any], where: str, others: Iterable[str] = ()) -> TaskOptions:
    """The options given as keywords. Raises ``DefinitionError`` for one that does not exist; ``others`` exist too,
    and were taken out before."""
    known = [field.name for field in fields(TaskOptions)]
    refuse_unknown(given, [*known, *others], f"{where}: there is no task option")
    return TaskOptions(**given)


def refuse_unknown(given: Iterable[str], known: Collection[str], problem: str) -> None:
    """Raise ``DefinitionError``, with a message that begins with ``problem``, for a name that is not ``known``."""
    for name in given:
        if name not in known:
            hint = suggest(name, known)
            raise DefinitionError(f"{problem} {name!r}{hint}; the options are {', '.join(known)}")


def define_task(
    name: str,
    kind: TaskKind,
    options: TaskOptions,
    defaults: TaskDefaults,
    where: str,
    parents: Sequence[Parent[Any]] = (),
) -> TaskDefinition:
    """The checked definition of a task, as ``DraftTask`` takes it: without parents, and with conditions that
    name parents by their place in ``parents``. Raises ``DefinitionError``."""
    given = {field.name: _choose(options, defaults, field.name) for field in fields(defaults)}
    factor = _check_positive(given["backoff_factor"], f"{where}: backoff_factor")
    if factor is None:
        _refuse_useless_backoff(options, where)
    execution = given["execution_timeout"]
    schedule = given["schedule_timeout"]
    return TaskDefinition(
        name=name,
        kind=kind,
        retries=_check_retries(given["retries"], where),
        backoff_factor=factor,
        backoff_max_seconds=_check_positive(given["backoff_max_seconds"], f"{where}: backoff_max_seconds"),
        backoff_jitter=_check_jitter(given["backoff_jitter"], where),
        execution_timeout=parse_duration(
            "60s" if execution is UNSET else execution, where=f"{where}: execution_timeout"
        ),
        schedule_timeout=(
            None
            if schedule is UNSET or schedule is None
            else parse_duration(schedule, where=f"{where}: schedule_timeout")
        ),
        wait_for=_read_conditions("wait_for", options, kind, parents, where),
        skip_if=_read_conditions("skip_if", options, kind, parents, where),
        cancel_if=_read_conditions("cancel_if", options, kind, parents, where),
    )


def check_defaults(defaults: object, where: str) -> TaskDefaults:
    """``task_defaults`` as given, each field checked. Raises ``DefinitionError``."""
    if defaults is None:
        return TaskDefaults()
    if not isinstance(defaults, TaskDefaults):
        raise DefinitionError(f"{where}: task_defaults is {shorten(defaults)}: give a TaskDefaults(...)")
    define_task("defaults", TaskKind.TASK, TaskOptions(), defaults, f"{where}, task_defaults")
    return defaults


def _choose(options: TaskOptions, defaults: TaskDefaults, name: str) -> Any:
    value = getattr(options, name)
    if value is not UNSET:
        return value
    default = getattr(defaults, name)
    return UNSET if default is None else default


def _read_conditions(
    option: str, options: TaskOptions, kind: TaskKind, parents: Sequence[Parent[Any]], where: str
) -> ConditionGroups:
    given = getattr(options, option)
    if given and kind is not TaskKind.TASK:
        raise DefinitionError(
            f"{where}: an {kind.value} task cannot have conditions, it follows the whole run: remove {option}"
        )
    return read_conditions(given, parents, f"{where}: {option}")


def _check_retries(value: Any, where: str) -> int:
    if value is UNSET:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise DefinitionError(f"{where}: retries is {shorten(value)}: give a whole number, 0 for no retry")
    if not 0 <= value <= MAX_RETRIES:
        raise DefinitionError(f"{where}: retries is {shorten(value)}: give a number from 0 to {MAX_RETRIES:,}")
    return value


def _check_positive(value: Any, where: str) -> float | None:
    if value is UNSET or value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise DefinitionError(f"{where} is {shorten(value)}: give a number greater than zero")
    if not (math.isfinite(value) and 0 < value <= _TEN_YEARS):
        raise DefinitionError(f"{where} is {shorten(value)}: give a finite number greater than zero")
    return float(value)


def _check_jitter(value: Any, where: str) -> bool:
    if value is UNSET:
        return False
    if not isinstance(value, bool):
        raise DefinitionError(f"{where}: backoff_jitter is {shorten(value)}: give True or False")
    return value


def _refuse_useless_backoff(options: TaskOptions, where: str) -> None:
    for name in ("backoff_max_seconds", "backoff_jitter"):
        value = getattr(options, name)
        if value is not UNSET and value is not None and value is not False:
            raise DefinitionError(
                f"{where}: {name} is {shorten(value)}, but without a backoff_factor retries do not wait: set "
                f"backoff_factor, e.g. 2.0"
            )
