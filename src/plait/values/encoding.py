"""Values to bytes and back: what every input, output and metadata passes through.

A payload is JSON made by pydantic from the exact declared type. Two things are guaranteed: what was stored
can be read back as that type, and nothing was changed on the way without an error. Pydantic alone does not
promise this: it writes NaN as ``null``, integers and nestings that its own parser refuses, secrets as
asterisks, and fields that do not fit their type. The checks for that cost a few substring searches; only
when one hits is the value looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from plait.errors import InvalidInputError, InvalidValueError, PayloadTooLargeError
from plait.values.faults import find_fault, format_path, is_flat_and_clean
from plait.values.limits import MAX_DEPTH, MAX_DIGITS
from plait.wording import shorten

DEFAULT_PAYLOAD_LIMIT = 1024 * 1024
"""Bytes of one encoded input or output."""

METADATA_LIMIT = 64 * 1024
"""Bytes of the encoded metadata of one run."""

_ANY: TypeAdapter[Any] = TypeAdapter(Any)
_MAX_REPORTED = 5

_DIGITS_TO_ZERO = bytes(48 if 48 <= byte <= 57 else byte for byte in range(256))
_LONG_NUMBER = b"0" * (MAX_DIGITS + 1)
_REPLACEMENT_CHARACTER = "\ufffd".encode()
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def encode_value(
    value: Any,
    adapter: TypeAdapter[Any],
    *,
    where: str,
    root: str = "value",
    limit: int = DEFAULT_PAYLOAD_LIMIT,
    error: type[InvalidValueError] = InvalidValueError,
) -> bytes:
    """Validate ``value`` against the type of ``adapter`` and return it as JSON.

    Raises ``error`` when the value does not fit the type or cannot be stored, ``PayloadTooLargeError``
    above ``limit`` bytes. The message starts with ``where`` and names the field by a path that starts with
    ``root``, e.g. ``workflow 'W', task 't': output.items[3].price is NaN``.
    """
    try:
        validated = adapter.validator.validate_python(value)
    except ValidationError as failure:
        raise error(_describe_mismatch(failure, where, root)) from failure
    except RecursionError as failure:
        raise error(f"{where}: {root} is nested too deeply") from failure
    data = _dump(validated, adapter, where, root, error)
    if len(data) > limit:
        raise PayloadTooLargeError(
            f"{where}: {root} is {len(data):,} bytes of JSON, the limit is {limit:,}: store large data elsewhere and "
            "pass a reference to it"
        )
    if _has_odd_content(data) or _has_odd_shape(data):
        _refuse_fault(validated, adapter, where, root, error)
    # Validating a dict[str, ...] makes this of a lone surrogate in a key, without a word.
    if _REPLACEMENT_CHARACTER in data and (fault := find_fault(value, root, try_leaves=False)):
        raise error(f"{where}: {fault}")
    return data


def decode_value(
    data: bytes,
    adapter: TypeAdapter[Any],
    *,
    where: str,
    root: str = "value",
    error: type[InvalidValueError] = InvalidValueError,
) -> Any:
    """The inverse of ``encode_value``. Raises ``error``, naming the fields that do not fit the type.

    Fields are accepted by name and by alias: stored payloads use names, those from outside may use aliases.
    """
    try:
        return adapter.validator.validate_json(data, by_alias=True, by_name=True)
    except ValidationError as failure:
        raise error(_describe_mismatch(failure, where, root)) from failure


def decode_json(data: bytes) -> Any:
    """``data`` as plain Python values, integers exact. Raises ``InvalidValueError``."""
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError as failure:
        raise InvalidValueError(f"not valid JSON: {failure}") from failure


def merge_metadata(layers: Sequence[Mapping[str, Any] | None], where: str) -> Mapping[str, Any] | None:
    """The union of the mappings, later ones winning. Raises ``InvalidInputError``."""
    merged: dict[str, Any] = {}
    for layer in layers:
        if layer is None:
            continue
        if not isinstance(layer, Mapping):
            raise InvalidInputError(
                f"{where}: additional_metadata is {type(layer).__name__}, it must be a dict with string keys"
            )
        merged.update(layer)
    return merged


def encode_metadata(metadata: Mapping[str, Any] | None, *, where: str) -> str | None:
    """The text of a JSON object for a ``jsonb`` column; ``None`` when there is no metadata.

    Raises ``InvalidInputError`` for anything but a mapping with string keys and storable values, and above
    64 KiB.
    """
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise InvalidInputError(
            f"{where}: additional_metadata is {type(metadata).__name__}, it must be a dict with string keys"
        )
    for key in metadata:
        if not isinstance(key, str):
            raise InvalidInputError(f"{where}: additional_metadata has the key {shorten(key)}, keys must be strings")
    if not metadata:
        return None
    return encode_value(
        dict(metadata),
        _ANY,
        where=where,
        root="additional_metadata",
        limit=METADATA_LIMIT,
        error=InvalidInputError,
    ).decode()


def _dump(validated: Any, adapter: TypeAdapter[Any], where: str, root: str, error: type[InvalidValueError]) -> bytes:
    try:
        # "error": an instance whose fields were changed to a wrong type after validation could not be read
        # back.
        return adapter.serializer.to_json(validated, warnings="error")
    except (PydanticSerializationError, RecursionError, ValueError) as failure:
        reason = failure
    except Exception as failure:  # from a serializer or property of the user's own
        raise error(f"{where}: {root} cannot be stored: {type(failure).__name__}: {failure}") from failure
    _refuse_fault(validated, adapter, where, root, error, cause=reason)
    # No fault in any field: either a field does not fit its type, or pydantic warned about a harmless
    # difference.
    try:
        adapter.validator.validate_python(adapter.serializer.to_python(validated, warnings=False), by_name=True)
        return adapter.serializer.to_json(validated, warnings=False)
    except ValidationError as failure:
        raise error(_describe_mismatch(failure, where, root)) from failure
    except Exception as failure:
        raise error(f"{where}: {root} cannot be stored: {shorten(str(reason), 200)}") from failure


def _has_odd_content(data: bytes) -> bool:
    """Whether there may be a NaN or infinity (as value or key), a NUL or a masked secret."""
    text = str(data, "latin-1")  # searching a str is ten times faster than searching bytes, and the marks are ASCII
    return (
        "null" in text
        or "\\u0000" in text
        or "NaN" in text
        or "Infinity" in text
        or '"None":' in text
        or '"*****' in text
    )


def _has_odd_shape(data: bytes) -> bool:
    if len(data) > MAX_DIGITS and _LONG_NUMBER in data.translate(_DIGITS_TO_ZERO):
        return True
    return len(data) > 2 * MAX_DEPTH and _may_be_deep(data)


def _may_be_deep(data: bytes) -> bool:
    """Whether brackets may be nested deeper than ``MAX_DEPTH``; those inside strings can mislead it."""
    skeleton = data.translate(None, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        shorter = skeleton.replace(b"[]", b"").replace(b"{}", b"")
        if not shorter:
            return False
        if len(shorter) == len(skeleton):
            return True
        skeleton = shorter
    return True


def _refuse_fault(
    validated: Any,
    adapter: TypeAdapter[Any],
    where: str,
    root: str,
    error: type[InvalidValueError],
    cause: Exception | None = None,
) -> None:
    """Raise ``error`` when a field is found that cannot be stored."""
    try:
        tree = adapter.serializer.to_python(validated, warnings=False)
    except Exception:  # cyclic or too deep: look at the objects themselves
        tree = validated
    if cause is None and is_flat_and_clean(tree):
        return
    fault = find_fault(tree, root, try_leaves=cause is not None)
    if fault is not None:
        raise error(f"{where}: {fault}") from cause


def _describe_mismatch(failure: ValidationError, where: str, root: str) -> str:
    problems = failure.errors(include_url=False)
    lines = [
        f"{format_path(root, problem['loc'])}: {problem['msg']} (got {shorten(problem['input'])})"
        if problem["type"] != "missing"
        else f"{format_path(root, problem['loc'])} is missing"
        for problem in problems[:_MAX_REPORTED]
    ]
    if len(problems) > _MAX_REPORTED:
        lines.append(f"and {len(problems) - _MAX_REPORTED} more")
    return f"{where}: " + "; ".join(lines)
