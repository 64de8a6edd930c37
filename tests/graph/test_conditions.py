"""Conditions: their logic against an independent oracle, their text, and event keys."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.errors import DefinitionError, InvalidValueError
from plait.graph.conditions import (
    MAX_EVENT_KEY_LENGTH,
    check_event_template,
    describe_condition,
    describe_groups,
    describe_seconds,
    evaluate_groups,
    list_holding,
    list_hopeless,
    list_open,
    matches_pattern,
    render_event_key,
)
from plait.graph.definition import Condition, ConditionKind, TaskDefinition, WorkflowDefinition

A, B, C, D, E, F = (Condition(kind=ConditionKind.EVENT, event_key=key) for key in "abcdef")

truths = st.sampled_from([True, False, None])


@st.composite
def judged_groups(draw: st.DrawFn) -> tuple[tuple[tuple[Condition, ...], ...], list[bool | None], int]:
    sizes = draw(st.lists(st.integers(1, 3), max_size=3))
    first = draw(st.integers(0, 2))
    numbers = itertools.count()
    groups = tuple(
        tuple(Condition(kind=ConditionKind.EVENT, event_key=str(next(numbers))) for _ in range(size)) for size in sizes
    )
    return groups, draw(st.lists(truths, min_size=first + sum(sizes), max_size=first + sum(sizes))), first


def iter_futures(truth: list[bool | None]) -> itertools.product[tuple[bool, ...]]:
    """Every way in which what is open may turn out."""
    return itertools.product(*([value] if value is not None else [False, True] for value in truth))  # type: ignore[arg-type]


def hold(groups: tuple[tuple[Condition, ...], ...], future: tuple[bool, ...], first: int) -> bool:
    """Two-valued CNF, condition by condition."""
    values = iter(future[first:])
    return all([any([next(values) for _ in group]) for group in groups])


@given(judged_groups())
def test_a_list_is_decided_exactly_when_no_future_can_change_it(judged: Any) -> None:
    groups, truth, first = judged
    outcomes = {hold(groups, future, first) for future in iter_futures(truth)}
    assert evaluate_groups(groups, truth, first) is (outcomes.pop() if len(outcomes) == 1 else None)


@given(judged_groups())
def test_a_condition_is_waited_for_exactly_when_it_can_make_the_difference(judged: Any) -> None:
    groups, truth, first = judged
    total = first + sum(map(len, groups))
    matters = {
        number
        for number in range(first, total)
        for future in (iter_futures(truth) if truth[number] is None else ())
        if hold(groups, future, first)
        != hold(groups, (*future[:number], not future[number], *future[number + 1 :]), first)
    }
    assert list_open(groups, truth, first) == tuple(sorted(matters))


def test_no_groups_hold() -> None:
    assert evaluate_groups((), [], 0) is True
    assert list_open((), [], 0) == ()


def test_what_holds_is_one_condition_of_each_group_that_holds() -> None:
    groups = ((A, B), (C,), (D, E, F))
    assert list_holding(groups, [None, True, False, True, True, None], 0) == (B, D)


def test_what_is_hopeless_are_the_groups_without_any_chance() -> None:
    groups = ((A, B), (C,), (D, E))
    assert list_hopeless(groups, [False, False, False, False, None], 0) == ((A, B), (C,))


DEFINITION = WorkflowDefinition("w", (TaskDefinition(name="extract"), TaskDefinition(name="load", parents=(0,))))


@pytest.mark.parametrize(
    ("task", "condition", "text"),
    [
        (1, Condition(kind=ConditionKind.SLEEP, seconds=30.0), "30 s after its parents"),
        (0, Condition(kind=ConditionKind.SLEEP, seconds=0.25), "0.25 s after the run started"),
        (1, A, "event 'a'"),
        (
            1,
            Condition(kind=ConditionKind.EVENT, event_key="user:approved", expression="input.ok"),
            "event 'user:approved' where input.ok",
        ),
        (
            1,
            Condition(kind=ConditionKind.EVENT, event_key="paid", scope="{input.shop}", expression="input.ok"),
            "event 'paid' in scope '{input.shop}' where input.ok",
        ),
        (1, Condition(kind=ConditionKind.PARENT, parent=0), "parent 'extract' completed"),
        (
            1,
            Condition(kind=ConditionKind.PARENT, parent=0, expression=" output.n\n  > 3 "),
            "parent 'extract': output.n > 3",
        ),
    ],
)
def test_a_condition_is_described_for_people(task: int, condition: Condition, text: str) -> None:
    assert describe_condition(DEFINITION, task, condition) == text


def test_a_long_expression_is_cut_in_a_description() -> None:
    condition = Condition(kind=ConditionKind.EVENT, event_key="a", expression="x" * 500)
    assert describe_condition(DEFINITION, 1, condition) == f"event 'a' where {'x' * 119}…"


def test_groups_are_described_with_and_and_or() -> None:
    assert describe_groups(DEFINITION, 1, ((A,),)) == "event 'a'"
    assert describe_groups(DEFINITION, 1, ((A, B),)) == "event 'a' or event 'b'"
    assert describe_groups(DEFINITION, 1, ((A,), (B, C))) == "event 'a' and (event 'b' or event 'c')"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.001, "0.001 s"),
        (60, "60 s"),
        (90.5, "90.5 s"),
        (100, "100 s"),
        (120, "2 min"),
        (301, "301 s"),
        (5_400, "1 h 30 min"),
        (129_600, "1 d 12 h"),
        (1_000_000.5, "1,000,000.5 s"),
    ],
)
def test_a_duration_is_described_without_loss(seconds: float, text: str) -> None:
    assert describe_seconds(seconds) == text


# --- event keys ------------------------------------------------------------------------------------------------------

INPUT = {"id": 7, "shop": {"name": "Zoë", "open": True}, "items": [{"sku": "x-1"}, {"sku": "y-2"}], "none": None}
METADATA = {"tenant": "acme", "price": 1.5}


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("user:approved", "user:approved"),
        ("order:{input.id}", "order:7"),
        ("{input.shop.name}/{input.shop.open}", "Zoë/true"),
        ("{input.items.1.sku}", "y-2"),
        ("{metadata.tenant}:{metadata.price}", "acme:1.5"),
        ("{{input.id}} is {input.id}", "{input.id} is 7"),
    ],
)
def test_placeholders_are_filled_in(template: str, key: str) -> None:
    check_event_template(template, "event_key")
    assert render_event_key(template, input=INPUT, metadata=METADATA) == key


def test_the_whole_input_can_stand_in_a_key_when_it_is_a_scalar() -> None:
    assert render_event_key("n:{input}", input=False, metadata={}) == "n:false"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{input.nope}", "'{input.nope}' is not there: there is no 'nope'"),
        ("{input.id.deeper}", "'{input.id.deeper}' is not there: there is no 'deeper'"),
        ("{input.items.2.sku}", "'{input.items.2.sku}' is not there: there is no '2'"),
        ("{input.items.-1.sku}", "there is no '-1'"),
        ("{input.items.²}", "there is no '²'"),
        ("{input.items." + "9" * 5000 + "}", "there is no '9999"),
        ("{input.none}", "'{input.none}' is None: only a text, a number or a boolean"),
        ("{input.shop}", "'{input.shop}' is {'name': 'Zoë', 'open': True}: only a text"),
        ("{input.items}", "only a text"),
        ("{input.huge}", "only a text"),
        ("{input.empty}", "becomes '', which is empty"),
        ("{input.long}", "which is 501 characters long, more than 500"),
        ("{metadata.input}", "there is no 'input'"),
    ],
)
def test_a_placeholder_that_cannot_be_filled_in_is_named(template: str, problem: str) -> None:
    check_event_template(template, "event_key")
    given = {**INPUT, "huge": 10**5000, "empty": "", "long": "x" * (MAX_EVENT_KEY_LENGTH + 1)}
    with pytest.raises(InvalidValueError, match=re.escape(problem)):
        render_event_key(template, input=given, metadata=METADATA)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("a:{input.id", "has a lone '{' at position 2: write '{{' for the character"),
        ("a:}b", "has a lone '}' at position 2"),
        ("{}", "holds '{}': a placeholder is {input.field} or {metadata.field}"),
        ("{user.id}", "holds '{user.id}'"),
        ("{inputs}", "holds '{inputs}'"),
        ("{metadata}", "holds '{metadata}'"),
        ("{input..id}", "holds '{input..id}'"),
        ("{input.id }", "holds '{input.id }'"),
        ("{input.id:>8}{0}", "holds '{0}'"),
    ],
)
def test_a_template_that_can_never_be_filled_in_is_refused(template: str, problem: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(problem)) as caught:
        check_event_template(template, "task 't': event_key")
    assert str(caught.value).startswith("task 't': event_key ")


@given(st.text(max_size=20), st.text(max_size=8))
def test_a_checked_template_is_filled_in_or_refused_with_the_one_error(template: str, value: str) -> None:
    try:
        check_event_template(template, "event_key")
    except DefinitionError:
        return
    try:
        render_event_key(template, input={"a": value}, metadata={})
    except InvalidValueError:
        return


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab*", max_size=10))
def test_a_star_stands_for_any_characters(pattern: str, key: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), key, re.DOTALL) is not None
    assert matches_pattern(pattern, key) is expected


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("user:*", "user:created", True),
        ("user:*", "user:", True),
        ("user:*", "users:created", False),
        ("user.created", "userXcreated", False),
        ("*", "a\nb", True),
        ("a*a", "a", False),
        ("*:created:*", "user:created:eu", True),
        ("*:created:*", "created", False),
    ],
)
def test_patterns_by_example(pattern: str, key: str, matches: bool) -> None:
    assert matches_pattern(pattern, key) is matches


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    assert not matches_pattern("*a" * 5_000 + "b", "a" * 100_000)
