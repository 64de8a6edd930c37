"""Evaluating CEL expressions: all that the helper process needs.

Every worker process has a helper of its own once it meets an expression, so this imports nothing large: without
pydantic it is ready after a third of the CPU, with half of the memory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from plait.errors import ExpressionError
from plait.values.limits import MAX_DEPTH
from plait.wording import shorten

if TYPE_CHECKING:
    from cel import Program

SHOWN: Final = 120
"""Characters of an expression that a message shows."""

_MISSING_FUNCTION = re.compile(r"Undefined variable or function: '(.*)'\. Check")


def evaluate(text: str, /, **variables: Any) -> bool:
    """What the expression says about ``variables``, values as parsed from JSON.

    Compiled expressions are kept. Integers beyond 64 bits are compared as floats. Raises ``ExpressionError`` for
    anything that is wrong, with the expression or with the data.
    """
    try:
        if _is_too_deep(variables):
            raise ExpressionError(f"expression {shorten(text, SHOWN)}: the data is nested too deeply")
        value = compile_expression(text).execute(variables)
    except ExpressionError:
        raise
    except BaseException as failure:
        # A panic of the library, which is written in Rust, is no Exception.
        if not isinstance(failure, Exception) and type(failure).__name__ != "PanicException":
            raise
        raise ExpressionError(f"expression {shorten(text, SHOWN)}: {_explain_failure(failure)}") from failure
    if isinstance(value, bool):
        return value
    raise ExpressionError(f"expression {shorten(text, SHOWN)} gives {shorten(value)}, not true or false")


@lru_cache(maxsize=1024)
def compile_expression(text: str) -> Program:
    """The expression, ready to be executed. Raises what the library raises."""
    return _import_compiler()(text)


@cache
def _import_compiler() -> Callable[[str], Program]:
    """The library's ``compile``. Its package imports its command line as well, with two libraries for terminals, which
    takes 0.4 s of CPU and 9 MB in every helper process: that is left out."""
    name = "cel.cli"
    aside = ModuleType(name)
    sys.modules.setdefault(name, aside)
    import cel  # noqa: PLC0415 - few programs have expressions

    if sys.modules[name] is aside:  # who imports the command line from now on gets it
        del sys.modules[name]
        cel.__dict__.pop("cli", None)
    return cel.compile


def _is_too_deep(variables: Mapping[str, Any]) -> bool:
    """Whether the data is nested deeper than any payload can be. The library would overflow the stack on it, and
    that ends the process."""
    level: list[Any] = list(variables.values())
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for value in level
            if isinstance(value, (dict, list, tuple))
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def _explain_failure(failure: BaseException) -> str:
    if isinstance(failure, KeyError) and failure.args:
        return f"there is no {shorten(failure.args[0])}"
    text = str(failure)
    if found := _MISSING_FUNCTION.match(text):
        return f"there is no {found[1]} for values of these types"
    return text.split(". ")[0].strip() or type(failure).__name__
