"""Finding the field of a value that cannot be stored as JSON, and saying what is wrong with it.

Runs only when there is reason to suspect something, so it may be thorough; but it must survive any object.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic_core import to_json

from plait.values.limits import MAX_DEPTH, MAX_DIGITS

_TOO_LARGE = 10**MAX_DIGITS
_SHOWN_STEPS = 8

_INTEGER_TOO_LARGE = f"is an integer of more than {MAX_DIGITS} digits: pass it as a string in hexadecimal"
_NOT_STORABLE = "which cannot be stored"
_BYTES_NOT_TEXT = (
    "is bytes that are not valid UTF-8: encode binary data as base64 (pydantic.Base64Bytes), or store it elsewhere"
)
_SECRET = (
    "is a secret, which JSON would mask: pass a reference to it, or give the field a field_serializer that reveals it"
)

Step = int | str


class _Node(NamedTuple):
    value: Any
    parent: _Node | None
    step: Step
    depth: int


def format_path(root: str, steps: Iterable[Step]) -> str:
    """``("items", 3, "price")`` as ``output.items[3].price``; long paths keep their ends."""
    parts = [_format_step(step) for step in steps]
    if len(parts) > _SHOWN_STEPS:
        parts = [*parts[: _SHOWN_STEPS - 2], " … ", *parts[-2:]]
    return root + "".join(parts)


def is_flat_and_clean(value: Any) -> bool:
    """Quickly true for the usual case, a dict or list of harmless scalars. False means: look closer."""
    if type(value) is dict:
        members = [*value, *value.values()]
    elif type(value) is list:
        members = value
    else:
        members = [value]
    for member in members:
        kind = type(member)
        if kind is str:
            if "\x00" in member:
                return False
        elif kind is float:
            if not math.isfinite(member):
                return False
        elif kind is int:
            if member.bit_length() > MAX_DIGITS:
                return False
        elif member is not None and kind is not bool:
            return False
    return True


def find_fault(value: Any, root: str, *, try_leaves: bool) -> str | None:
    """The first field under ``value`` that JSON cannot hold, as ``"<path> is NaN, …"``; ``None`` when all
    is well.

    ``try_leaves`` also serialises every leaf of an unknown type by itself, to find the one that fails.
    """
    stack = [_Node(value, None, root, 0)]
    while stack:
        node = stack.pop()
        problem = _judge_leaf(node.value)
        if problem is None and (children := _open(node.value)) is not None:
            problem = _judge_container(node)
            if problem is None:
                found = _push_children(node, children)
                if isinstance(found, str):
                    return f"{_path_to(node, root)} {found}"
                stack.extend(found)
        elif problem is None and try_leaves:
            problem = _try_leaf(node.value)
        if problem is not None:
            return f"{_path_to(node, root)} {problem}"
    return None


def _push_children(node: _Node, children: Iterable[tuple[Any, Any]]) -> list[_Node] | str:
    """The nodes below ``node``, last first; or what is wrong with one of its keys."""
    found: list[_Node] = []
    try:
        for step, child in children:
            if not isinstance(step, (int, str)) or isinstance(step, bool):
                if _judge_leaf(step) is not None:
                    return f"has a key that {_judge_leaf(step)}"
                step = str(step)
            elif isinstance(step, str) and (problem := _judge_leaf(step)) is not None:
                return f"has a key that {problem}"
            found.append(_Node(child, node, step, node.depth + 1))
    except Exception as failure:  # a mapping or key of the user's own that raises
        return f"cannot be read: {type(failure).__name__}"
    found.reverse()
    return found


def _judge_leaf(value: Any) -> str | None:
    """What is wrong with a scalar; ``None`` for sound ones and for everything else."""
    if value is None:
        return None
    if isinstance(value, str):
        return _judge_text(value)
    if isinstance(value, float):
        return _judge_float(value)
    if isinstance(value, int):
        return _INTEGER_TOO_LARGE if abs(value) >= _TOO_LARGE else None
    if isinstance(value, (bytes, bytearray)):
        return None if _is_utf8(value) else _BYTES_NOT_TEXT
    return _SECRET if isinstance(value, (SecretStr, SecretBytes)) else None


def _judge_float(value: float) -> str | None:
    if math.isfinite(value):
        return None
    name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return f"is {name}, which JSON cannot hold: use None, or a string"


def _judge_text(value: str) -> str | None:
    if "\x00" in value:
        return f"holds a NUL character (U+0000), {_NOT_STORABLE}: remove it, or encode binary data as base64"
    if (surrogate := _find_surrogate(value)) is not None:
        return f"holds the lone surrogate U+{surrogate:04X}, {_NOT_STORABLE}: decode the text properly"
    return None


def _judge_container(node: _Node) -> str | None:
    parent = node.parent
    while parent is not None:
        if parent.value is node.value:
            return "contains itself, and JSON cannot hold a cycle"
        parent = parent.parent
    if node.depth >= MAX_DEPTH:
        return f"is nested more than {MAX_DEPTH} levels deep: flatten it"
    return None


def _open(value: Any) -> Iterator[tuple[Any, Any]] | None:
    """The steps and values one level below ``value``, ``None`` for a leaf."""
    if isinstance(value, Mapping):
        return iter(value.items())
    if isinstance(value, tuple) and (names := getattr(value, "_fields", None)):
        return zip(names, value, strict=False)
    if isinstance(value, (list, tuple, set, frozenset)):
        return enumerate(value)
    if isinstance(value, BaseModel):
        return iter({**value.__dict__, **(value.__pydantic_extra__ or {})}.items())
    if is_dataclass(value) and not isinstance(value, type):
        return iter([(field.name, getattr(value, field.name, None)) for field in fields(value)])
    return None


def _try_leaf(value: Any) -> str | None:
    if value is None or type(value) in (str, int, float, bool):
        return None
    try:
        to_json(value)
    except Exception as failure:
        hint = ": await it, or declare the task with async def" if hasattr(value, "__await__") else ""
        reason = "" if "unknown type" in str(failure) else f" ({type(failure).__name__})"
        return f"is {type(value).__name__}, which cannot be stored as JSON{reason}{hint}"
    return None


def _find_surrogate(text: str) -> int | None:
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError as failure:
        return ord(text[failure.start])
    return None


def _is_utf8(data: bytes | bytearray) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _path_to(node: _Node, root: str) -> str:
    steps: list[Step] = []
    current = node
    while current.parent is not None:
        steps.append(current.step)
        current = current.parent
    steps.reverse()
    return format_path(root, steps)


def _format_step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if step.isidentifier():
        return f".{step}"
    text = step if len(step) <= 40 else f"{step[:39]}…"
    return f"[{text!a}]"
