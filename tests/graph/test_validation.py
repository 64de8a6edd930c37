"""A graph of drafts becomes a definition, or an error that says what is wrong with it."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.errors import DefinitionError
from plait.graph.definition import (
    Condition,
    ConditionKind,
    CronDefinition,
    FilterDefinition,
    TaskDefinition,
    TaskKind,
    WorkflowDefinition,
)
from plait.graph.validation import MAX_NAME_LENGTH, MAX_TASKS, DraftTask, build_definition, check_name


def draft(name: str, *parents: str, kind: TaskKind = TaskKind.TASK, retries: int = 0) -> DraftTask:
    return DraftTask(TaskDefinition(name=name, kind=kind, retries=retries), parents)


def build(*drafts: DraftTask, name: str = "W") -> WorkflowDefinition:
    return build_definition(name, drafts)


def names(definition: WorkflowDefinition, indices: Iterable[int] | None = None) -> list[str]:
    chosen = range(len(definition.tasks)) if indices is None else indices
    return [definition.tasks[index].name for index in chosen]


@st.composite
def graphs(draw: st.DrawFn) -> list[DraftTask]:
    """Acyclic graphs whose tasks are declared in any order, parents possibly after children."""
    count = draw(st.integers(1, 25))
    parents = [
        draw(st.lists(st.integers(0, index - 1), unique=True, max_size=4)) if index else [] for index in range(count)
    ]
    order = draw(st.permutations(range(count)))
    return [draft(f"t{index}", *(f"t{parent}" for parent in parents[index])) for index in order]


def first_topological_order(drafts: Sequence[DraftTask]) -> list[str]:
    """Oracle: again and again the first declared task whose parents all stand already."""
    placed: list[str] = []
    while len(placed) < len(drafts):
        placed.append(
            next(d.task.name for d in drafts if d.task.name not in placed and all(p in placed for p in d.parents))
        )
    return placed


@given(graphs())
def test_tasks_stand_in_the_first_topological_order(drafts: list[DraftTask]) -> None:
    assert names(build(*drafts)) == first_topological_order(drafts)


@given(graphs())
def test_every_task_keeps_exactly_its_parents(drafts: list[DraftTask]) -> None:
    definition = build(*drafts)
    for one in drafts:
        task = definition.tasks[definition.index_by_name[one.task.name]]
        assert sorted(names(definition, task.parents)) == sorted(one.parents)
        assert list(task.parents) == sorted(task.parents)


@given(graphs(), st.booleans(), st.booleans())
def test_hooks_follow_the_sinks_and_stand_last(drafts: list[DraftTask], success: bool, failure: bool) -> None:
    hooks = [draft("good", kind=TaskKind.ON_SUCCESS)] * success + [draft("bad", kind=TaskKind.ON_FAILURE)] * failure
    definition = build(*hooks, *drafts)
    used = {parent for one in drafts for parent in one.parents}
    sinks = sorted(one.task.name for one in drafts if one.task.name not in used)
    first, *rest = [task for task in definition.tasks if task.kind is not TaskKind.TASK] or [None]
    if first is not None:
        assert sorted(names(definition, first.parents)) == sinks
    if rest:
        assert names(definition, rest[0].parents) == ["good"]
    assert names(definition)[len(drafts) :] == ["good"] * success + ["bad"] * failure


def test_a_hook_for_failures_follows_the_one_for_successes() -> None:
    hooks = [draft("bad", kind=TaskKind.ON_FAILURE), draft("good", kind=TaskKind.ON_SUCCESS)]
    definition = build(*hooks, draft("a"), draft("b"))
    assert [names(definition, task.parents) for task in definition.tasks] == [[], [], ["a", "b"], ["good"]]


@given(graphs(), st.data())
def test_a_back_edge_is_reported_as_a_path_that_exists(drafts: list[DraftTask], data: st.DataObject) -> None:
    parents = {one.task.name: set(one.parents) for one in drafts}
    start = data.draw(st.sampled_from(sorted(parents)))
    ancestors, stack = {start}, [start]
    while stack:
        found = parents[stack.pop()] - ancestors
        ancestors |= found
        stack.extend(found)
    top = data.draw(st.sampled_from(sorted(ancestors)))
    if start in parents[top]:
        return
    parents[top].add(start)
    with pytest.raises(DefinitionError) as caught:
        build(*(draft(one.task.name, *sorted(parents[one.task.name])) for one in drafts))
    text = str(caught.value).split("cycle: ")[1].split(". Remove")[0]
    path = [step.strip("'") for step in text.split(" → ")]
    assert path[0] == path[-1]
    assert all(earlier in parents[later] for earlier, later in pairwise(path))


def test_options_of_a_task_are_kept() -> None:
    assert build(draft("a", retries=7)).tasks[0].retries == 7


def test_equal_drafts_give_equal_digests() -> None:
    assert build(draft("a"), draft("b", "a")).digest == build(draft("a"), draft("b", "a")).digest


class CountedName(str):
    """A name that counts how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        CountedName.compared += 1
        return str.__eq__(self, other)


def count_steps(tasks: int) -> int:
    """Function calls and comparisons of names that building a chain takes which was declared backwards."""
    name = [CountedName(f"t{index}") for index in range(tasks)]
    drafts = [draft(name[0]), *(draft(name[index], name[index - 1]) for index in range(1, tasks))]
    calls = itertools.count()
    CountedName.compared = 0
    sys.setprofile(lambda _frame, event, _argument: next(calls) if event.endswith("call") else None)
    try:
        definition = build(*reversed(drafts))
    finally:
        sys.setprofile(None)
    assert names(definition)[-1] == f"t{tasks - 1}"
    return next(calls) + CountedName.compared


def test_ten_thousand_tasks_in_a_chain_declared_backwards_take_no_recursion_and_ten_times_the_steps_of_a_thousand() -> (
    None
):
    assert count_steps(10_000) < 15 * count_steps(1_000)


def test_a_cycle_of_ten_thousand_tasks_is_found() -> None:
    with pytest.raises(DefinitionError, match="has a cycle"):
        build(*(draft(f"t{index}", f"t{(index + 1) % 10_000}") for index in range(10_000)))


@pytest.mark.parametrize(
    ("drafts", "message"),
    [
        ([], "workflow 'W' has no tasks: declare at least one"),
        ([draft("f", kind=TaskKind.ON_FAILURE)], "workflow 'W' has no tasks"),
        ([draft("a"), draft("a")], "workflow 'W' has two tasks named 'a'"),
        ([draft("a"), draft("a", kind=TaskKind.ON_FAILURE)], "has two tasks named 'a'"),
        ([draft("extract"), draft("b", "extrct")], r"'extrct' is not a task .* \(did you mean 'extract'\?\)"),
        ([draft("a"), draft("b", "zzzzzz")], "task 'b': parent 'zzzzzz' is not a task of this workflow$"),
        ([draft("a"), draft("b", "a", "a")], "task 'b': parent 'a' is listed twice"),
        ([draft("a", "a")], "has a cycle: 'a' → 'a'"),
        ([draft("a", "c"), draft("b", "a"), draft("c", "b")], "has a cycle: 'a' → 'b' → 'c' → 'a'. Remove"),
        ([draft("a", "f"), draft("f", kind=TaskKind.ON_FAILURE)], "parent 'f' is a hook, which no task can"),
        (
            [draft("a"), draft("f", "a", kind=TaskKind.ON_FAILURE)],
            "task 'f': an on_failure task has no parents",
        ),
        (
            [draft("a"), draft("f", kind=TaskKind.ON_SUCCESS), draft("g", kind=TaskKind.ON_SUCCESS)],
            "has two on_success tasks, 'f' and 'g': keep one",
        ),
    ],
)
def test_a_wrong_graph_is_refused_with_a_reason(drafts: list[DraftTask], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        build(*drafts)


def test_more_tasks_than_an_index_can_count_are_refused() -> None:
    with pytest.raises(DefinitionError, match=r"has 32001 tasks, more than the 32000 that are possible"):
        build(*(draft(f"t{index}") for index in range(MAX_TASKS + 1)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is empty: give it a name"),
        ("   ", "is empty"),
        (" a", "begins or ends with white space"),
        ("x" * (MAX_NAME_LENGTH + 1), "has 201 characters: shorten it to at most 200"),
        ("a\x00b", r"character U\+0000 at position 1"),
        ("a\x1b[31m", r"character U\+001B"),
        ("a\nb", r"character U\+000A"),
        ("a\ud800", r"character U\+D800"),
        ("a\u202egpj", r"character U\+202E"),
        ("a\u200bb", r"character U\+200B"),
        ("a\u2028b", r"character U\+2028"),
        (b"a", "a name must be a str, not bytes"),
        (None, "is None: a name must be a str, not NoneType"),
    ],
)
def test_a_name_that_cannot_be_stored_shown_or_told_apart_is_refused(name: object, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        check_name(name, "workflow name")


@pytest.mark.parametrize("name", ["a", "x" * 200, "Übersicht – Größe", "<script>", "処理", "a b", "a/b:c"])
def test_any_visible_name_is_accepted(name: str) -> None:
    assert build(draft(name), name=name).index_by_name == {name: 0}


def test_the_name_of_a_task_is_checked_like_that_of_its_workflow() -> None:
    with pytest.raises(DefinitionError, match="workflow 'W': task name is empty"):
        build(draft(""))


def test_conditions_name_parents_by_their_index_in_the_sorted_graph() -> None:
    """In the draft they name them by their place among the task's own parents, in the order these were given."""
    slow = Condition(kind=ConditionKind.SLEEP, seconds=5.0)
    first, second = (Condition(kind=ConditionKind.PARENT, parent=place, expression="output.ok") for place in (0, 1))
    task = TaskDefinition(name="join", wait_for=((slow, first),), skip_if=((second,),), cancel_if=((first,), (second,)))
    definition = build(draft("a"), DraftTask(task, ("c", "b")), draft("b"), draft("c", "b"))
    joined = definition.tasks[definition.index_by_name["join"]]
    c, b = (replace(first, parent=definition.index_by_name[name]) for name in "cb")
    assert (b.parent, c.parent, joined.parents) == (1, 2, (1, 2))
    assert (joined.wait_for, joined.skip_if, joined.cancel_if) == (((slow, c),), ((b,),), ((c,), (b,)))


@pytest.mark.parametrize("kind", [TaskKind.ON_SUCCESS, TaskKind.ON_FAILURE])
@pytest.mark.parametrize("option", ["wait_for", "skip_if", "cancel_if"])
def test_a_hook_cannot_have_conditions(kind: TaskKind, option: str) -> None:
    condition = Condition(kind=ConditionKind.SLEEP, seconds=5.0)
    hook = TaskDefinition(name="h", kind=kind, **{option: ((condition,),)})  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=f"workflow 'W', task 'h': an {kind.value} task cannot have conditions"):
        build(draft("a"), DraftTask(hook))


def test_events_filters_and_crons_are_passed_on() -> None:
    one_filter = FilterDefinition(expression="true", scope="s", payload="{}")
    cron = CronDefinition(name="nightly", expression="0 3 * * *")
    definition = build_definition("W", [draft("a")], on_events=["user:*"], filters=[one_filter], crons=[cron])
    assert (definition.on_events, definition.filters, definition.crons) == (("user:*",), (one_filter,), (cron,))
