"""CEL expressions: what is refused at the declaration, and that nothing but one error comes out at run time."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.errors import DefinitionError, ExpressionError
from plait.values import evaluation
from plait.values.expressions import FUNCTIONS, MAX_EXPRESSION_LENGTH, METHODS, TYPES, check_expression, evaluate
from plait.values.limits import MAX_DEPTH


def check(text: Any, *variables: str) -> None:
    check_expression(text, variables=variables or ("input",), where="workflow 'W', task 't': skip_if")


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "input.ok",
        "input.n > 4.5 && input.kind in ['a', 'b']",
        "input.items.exists(item, item.ok) || input.items.all(x, x.n > 1)",
        "input.rows . filter ( row , row.ok ).size() > 3",
        "has(input.user.name) && input.user.name.startsWith('Z')",
        "type(input.v) == string && size(input) > 0",
        "timestamp(input.at) > timestamp('2026-01-01T00:00:00Z')",
        "input.text == 'nope(1) and foo.bar(2)' // calls(nothing)",
        r"input.text.matches(r'\d+\(') || input.text == 'it\'s nope('",
        '''input.text == """ " nope( ' """ ''',
        "input.text == '.int(' && int(input.n) == 1",
        "input.n == int('1') // not input.n.int(",
        "optional.of(input.a).hasValue()",
        "input.map == 1",
    ],
)
def test_an_expression_over_what_it_may_use_is_accepted(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "expression is None: give a str with a CEL expression"),
        (b"true", "expression is b'true': give a str"),
        ("", "expression is empty: leave it out, or write e.g. 'input.ok'"),
        (" \n", "expression is empty"),
        ("x" * (MAX_EXPRESSION_LENGTH + 1), "has 10,001 characters: shorten it to at most 10,000"),
        ("input.n >", "is not valid CEL: line 1, column 10: mismatched input '<EOF>'"),
        ("input.ok and true", "is not valid CEL: line 1, column 10: mismatched input 'and'"),
        ("input.n = 1", "is not valid CEL: line 1, column 9"),
        ("input.\U0001f600", "is not valid CEL: line 1"),
        ("'\ud800' == input", "expression holds the lone surrogate U+D800"),
        ("input == 'a\x00'", "expression holds a NUL character"),
        ("(" * 500 + "true" + ")" * 500, "is not valid CEL"),
        ("inptu.ok", "uses 'inptu', which does not exist (did you mean 'input'?): it can use 'input'"),
        ("output.n > 1", "uses 'output', which does not exist"),
        ("ok", "uses 'ok', which does not exist: it can use 'input'"),
        ("input.items.exists(x, y.ok)", "uses 'y', which does not exist"),
        ("input.text == '.map(y, 1)' && y", "uses 'y', which does not exist"),
        ("now() > timestamp(input.at)", "calls now, which does not exist"),
        ("input.name.startswith('a')", "calls startswith, which does not exist (did you mean 'startsWith'?)"),
        ("matches(input.name, 'a')", "calls matches as a function: write x.matches(...)"),
        ("input.n.int() == 1", "calls int as a method: write int(x)"),
        ("input.items.exists(x, y, x.ok && y.ok)", "uses"),
        ("exists(input.items)", "calls exists in a way that is not known: write list.exists(x, x > 1)"),
        ("'yes'", "looks at no data and can never be true or false: expression \"'yes'\" gives 'yes'"),
        ("1", "gives 1, not true or false"),
        ("null", "gives None, not true or false"),
        ("1 / 0 == 1", "can never be true or false: expression '1 / 0 == 1': division by zero"),
    ],
)
def test_an_expression_that_can_never_work_is_refused_where_it_is_declared(text: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(problem)) as caught:
        check(text)
    assert str(caught.value).startswith("workflow 'W', task 't': skip_if: expression")


EXAMPLES = [
    *("size([1]) == 1", "string(1) == '1'", "int('1') == 1", "uint(1) == 1u", "double(1) == 1.0", "bytes('a') == b'a'"),
    *("duration('1s') < duration('1h')", "timestamp('2026-01-01T00:00:00Z') == timestamp('2026-01-01T01:00:00+01:00')"),
    *("type(1) == int", "dyn(1) == 1", "'abc'.contains('b')", "'abc'.startsWith('a')", "'abc'.endsWith('c')"),
    *("'abc'.matches('^a')", "'abc'.size() == 3", "optional.none().or(optional.of(1)).value() == 1"),
    *("optional.none().orValue(1) == 1", "optional.ofNonZeroValue(1).hasValue()"),
    *(
        f"timestamp('2026-01-01T00:00:00Z').get{part}() >= 0"
        for part in ("Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "FullYear", "Hours")
    ),
    *(
        f"timestamp('2026-01-01T00:00:00Z').get{part}() >= 0"
        for part in ("Milliseconds", "Minutes", "Month", "Seconds")
    ),
    *(f"(type(1) == {name}) == {str(name == 'int').lower()}" for name in sorted(TYPES - {"optional"})),
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_library_knows_what_the_check_lets_pass(text: str) -> None:
    check(text)
    assert evaluate(text)


def test_everything_the_check_lets_pass_was_tried() -> None:
    text = " ".join(EXAMPLES)
    assert {name for name in FUNCTIONS if not re.search(rf"(?<!\.)\b{name}\(", text)} == set()
    assert {name for name in METHODS if f".{name}(" not in text} == set()


@pytest.mark.parametrize(
    ("text", "data", "value"),
    [
        ("input.n > 4.5", {"n": 5}, True),
        ("input.n == 9223372036854775807", {"n": 2**63 - 1}, True),
        ("input.n > 9223372036854775807", {"n": 2**64}, True),
        ("input.n == null", {"n": None}, True),
        ("input == null", None, True),
        ("input.n == 1", {"n": True}, False),
        ("input.n != input.n", {"n": math.nan}, True),
        ("has(input.n)", {}, False),
        ("has(input.n) && input.n.deeper.still", {}, False),
        ("input['a-b'] == 'Zoë'", {"a-b": "Zoë"}, True),
        ("input.items.exists(item, item.n > 1)", {"items": [{"n": 1}, {"n": 2}]}, True),
        ("input", True, True),
    ],
)
def test_an_expression_is_evaluated_on_data(text: str, data: Any, value: bool) -> None:
    check(text)
    assert evaluate(text, input=data) is value


def nest(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("text", "data", "problem"),
    [
        ("input.n > 1", {}, "expression 'input.n > 1': there is no 'n'"),
        ("input.n > 1", {"n": "2"}, "No such overload"),
        ("input.n > 1", None, "No such overload"),
        ("input[5] == 1", [1], "index out of bounds: 5"),
        ("input.n", {"n": 1}, "expression 'input.n' gives 1, not true or false"),
        ("input.n", {"n": None}, "gives None, not true or false"),
        ("size(input) > 1", 7, "there is no size for values of these types"),
        ("input.n / 0 == 1", {"n": 1}, "division by zero"),
        ("input.n + 1 > 0", {"n": 2**63 - 1}, "Arithmetic overflow"),
        ("input.n > 0", {"n": 10**400}, "Conversion Error"),
        ("input.n < 1", {"n": math.nan}, "No such overload"),
        ("input.t.matches('(')", {"t": "a"}, "not a valid regex"),
        ("'a'.matches(input.t)", {"t": "a{1000}{1000}{1000}"}, "not a valid regex"),
        ("timestamp(input.t) == timestamp(input.t)", {"t": "yesterday"}, "Function 'timestamp' error"),
        ("input.t == 'a'", {"t": "\ud800"}, "Conversion Error"),
        ("input.t == 'a'", {"t": object()}, "Conversion Error"),
        ("input.t == 'a'", {None: 1}, "Conversion Error"),
        ("input.t == 'a'", {"t": nest(100_000)}, "the data is nested too deeply"),
        ("inptu.ok", {}, "there is no inptu"),
        ("1 +", {}, "Failed to parse"),
    ],
)
def test_whatever_is_wrong_is_an_expression_error(text: str, data: Any, problem: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(problem)):
        evaluate(text, input=data)


def test_data_as_deep_as_a_payload_can_be_is_looked_at() -> None:
    assert evaluate("size(input) == 1", input=nest(MAX_DEPTH))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
)
PIECES = [
    *("input", ".a", ".b", "[0]", "['a']", "(", ")", "==", "!=", "<", "&&", "||", "!", "?", ":", "+", "-", "*", "/"),
    *("%", "in", "1", "-1", "2.5", "'x'", "null", "true", "[]", "{}", "size(", "has(", ".all(x,", "x"),
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map(" ".join), json_values)
def test_nothing_but_an_expression_error_comes_out(text: str, data: Any) -> None:
    with suppress(ExpressionError):
        assert isinstance(evaluate(text, input=data), bool)
    with suppress(DefinitionError):
        check(text)


class PanicException(BaseException):
    """What the bridge to Rust raises when the library panics; it cannot be imported from anywhere."""


@pytest.mark.parametrize(("raised", "expected"), [(PanicException, ExpressionError), (KeyboardInterrupt,) * 2])
def test_a_panic_of_the_library_is_an_expression_error_and_an_interrupt_is_not(
    monkeypatch: pytest.MonkeyPatch, raised: type[BaseException], expected: type[BaseException]
) -> None:
    class Program:
        def execute(self, variables: object) -> object:
            raise raised("index out of bounds")

    monkeypatch.setattr(evaluation, "compile_expression", lambda text: Program())
    with pytest.raises(expected):
        evaluate("input.ok", input={})


def test_a_compiled_expression_is_kept() -> None:
    evaluate("input.n == 12345", input={"n": 1})
    before = evaluation.compile_expression.cache_info()
    evaluate("input.n == 12345", input={"n": 2})
    after = evaluation.compile_expression.cache_info()
    assert (after.hits - before.hits, after.misses - before.misses) == (1, 0)


DECLARE = """
import sys
from plait import DefaultFilter, ParentCondition, Plait, SleepCondition, UserEventCondition, or_
plait = Plait()
flow = plait.workflow(name='w', on_events=['user:*'])
@flow.task()
def a(input, ctx): ...
@flow.task(
    parents=[a],
    wait_for=[or_(SleepCondition('5s'), UserEventCondition('paid'{more}))],
    skip_if=ParentCondition(a),
)
def b(input, ctx): ...
flow.definition
print('cel' in sys.modules, 'prompt_toolkit' in sys.modules)
import cel.cli  # who wants that gets it
"""


@pytest.mark.parametrize(("more", "loaded"), [("", "False False"), (", 'input.ok'", "True False")])
def test_the_library_is_loaded_by_the_first_expression_and_by_nothing_else(more: str, loaded: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DECLARE.replace("{more}", more)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == loaded
