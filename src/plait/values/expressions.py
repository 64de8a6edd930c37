"""CEL expressions, checked where they are declared.

The language is Google's Common Expression Language (https://cel.dev), by the library ``common-expression-language``,
which is imported when there is an expression, not before. It knows no types before it runs, so the check finds wrong
syntax, unknown names and constants; a missing field or a wrong type shows when the expression meets the data (see
``evaluation``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from plait.errors import DefinitionError, ExpressionError
from plait.values.evaluation import SHOWN, compile_expression, evaluate
from plait.values.faults import find_fault
from plait.wording import shorten, suggest

if TYPE_CHECKING:
    from cel import Program

MAX_EXPRESSION_LENGTH: Final = 10_000

# The library cannot list what it knows. A test evaluates an example of each.
FUNCTIONS: Final = frozenset(
    {"bytes", "double", "duration", "dyn", "int", "size", "string", "timestamp", "type", "uint"},
)
METHODS: Final = frozenset(
    {"contains", "endsWith", "matches", "size", "startsWith"}
    | {"getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds"}
    | {"getMinutes", "getMonth", "getSeconds"}
    | {"hasValue", "none", "of", "ofNonZeroValue", "or", "orValue", "value"}
)
TYPES: Final = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "optional", "string", "type", "uint"}
)
_MACROS: Final = {"has": "has(input.field)"} | {
    name: f"list.{name}(x, x > 1)" for name in ("all", "exists", "exists_one", "existsOne", "filter", "map")
}

_LITERAL = re.compile(
    r"""(?:(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*'))"""
    r"""|\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
    r"""|//[^\n]*""",
    re.DOTALL,
)
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|existsOne|filter|map)\s*\(\s*([A-Za-z_]\w*)\s*,")
_CALL = re.compile(r"(\.\s*)?\b([A-Za-z_]\w*)\s*\(")
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")


def check_expression(text: str, *, variables: Collection[str], where: str) -> None:
    """Raise ``DefinitionError`` for an expression that can never be evaluated to a boolean, as far as can be told.

    ``variables`` are the names it may use. ``where`` opens the message, e.g. ``"workflow 'W', task 't': skip_if"``.
    """
    if not isinstance(text, str):
        raise DefinitionError(f"{where}: expression is {shorten(text)}: give a str with a CEL expression")
    if not text.strip():
        raise DefinitionError(f"{where}: expression is empty: leave it out, or write e.g. '{min(variables)}.ok'")
    if len(text) > MAX_EXPRESSION_LENGTH:
        raise DefinitionError(
            f"{where}: expression {shorten(text)} has {len(text):,} characters: shorten it to at most "
            f"{MAX_EXPRESSION_LENGTH:,}"
        )
    if fault := find_fault(text, "expression", try_leaves=False):
        raise DefinitionError(f"{where}: {fault}")
    where = f"{where}: expression {shorten(text, SHOWN)}"
    try:
        program = compile_expression(text)
    except Exception as failure:
        raise DefinitionError(f"{where} is not valid CEL: {_explain_syntax(failure)}") from failure
    bare = _LITERAL.sub('""', text)
    used = _list_variables(program, bare)
    for problem in (*_find_unknown_variables(used, variables), *_find_unknown_functions(program, bare)):
        raise DefinitionError(f"{where} {problem}")
    if not used:
        _check_constant(text, where)


def _list_variables(program: Program, bare: str) -> list[str]:
    """The names an expression takes from outside: without those of types, and those that macros bind."""
    bound = set(_BOUND.findall(bare))
    return [name for name in program.variables() if name not in bound and name not in TYPES]


def _find_unknown_variables(used: Collection[str], variables: Collection[str]) -> Iterator[str]:
    allowed = ", ".join(map(repr, sorted(variables)))
    for name in used:
        if name not in variables:
            yield f"uses {name!r}, which does not exist{suggest(name, variables)}: it can use {allowed}"


def _find_unknown_functions(program: Program, bare: str) -> Iterator[str]:
    called = set(program.functions())  # without the macros that were understood
    for dot, name in _CALL.findall(bare):
        if name not in called or name in (METHODS if dot else FUNCTIONS):
            continue
        if name in FUNCTIONS:
            yield f"calls {name} as a method: write {name}(x)"
        elif name in METHODS:
            yield f"calls {name} as a function: write x.{name}(...)"
        elif name in _MACROS:
            yield f"calls {name} in a way that is not known: write {_MACROS[name]}"
        else:
            yield f"calls {name}, which does not exist{suggest(name, FUNCTIONS | METHODS | set(_MACROS))}"


def _check_constant(text: str, where: str) -> None:
    """An expression that looks at nothing says the same for ever: that must at least be a boolean."""
    try:
        evaluate(text)
    except ExpressionError as failure:
        raise DefinitionError(f"{where} looks at no data and can never be true or false: {failure}") from failure


def _explain_syntax(failure: Exception) -> str:
    found = _SYNTAX.search(str(failure))
    if found is None:
        return shorten(str(failure), SHOWN)
    line, column, problem = found.groups()
    return f"line {line}, column {column}: {problem.split(' expecting {')[0]}"
