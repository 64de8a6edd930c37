"""Checks of what the feature clients are asked with. All raise ``InvalidInputError`` before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from plait.errors import InvalidInputError
from plait.types import check_index_key
from plait.wording import shorten

MAX_PAGE = 1000


def check_limit(limit: object, *, most: int = MAX_PAGE) -> int:
    """``limit`` as a number of rows."""
    if isinstance(limit, int) and not isinstance(limit, bool) and 1 <= limit <= most:
        return limit
    raise InvalidInputError(f"limit={shorten(limit)} must be between 1 and {most}")


def check_texts(texts: Sequence[str] | None, where: str) -> list[str] | None:
    """Names or scopes to choose by; ``None`` for all. An empty list chooses nothing."""
    if texts is None:
        return None
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise InvalidInputError(f"{where} is {shorten(texts)}: give a list of str")
    return [check_text(text, where) for text in texts]


def check_text(text: object, where: str) -> str:
    """One name or scope."""
    checked = check_index_key(text, where)
    if checked is None:
        raise InvalidInputError(f"{where} is None: give a str that is not empty")
    return checked


def parse_id(text: object, what: str) -> UUID:
    """The id of a ``what``, such as ``worker``, from its text."""
    try:
        return text if isinstance(text, UUID) else UUID(text)  # type: ignore[arg-type]
    except (ValueError, AttributeError, TypeError):
        raise InvalidInputError(
            f"{shorten(text)} is not a valid {what} id; {what} ids look like 0198c0de-7abc-7def-8123-456789abcdef"
        ) from None
