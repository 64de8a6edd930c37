"""What JSON may hold: no more than can be read back."""

from __future__ import annotations

MAX_DEPTH = 200
"""Nested containers that pydantic's JSON parser can read back."""

MAX_DIGITS = 4300
"""Digits of an integer that pydantic's JSON parser, and ``int()`` itself, can read back."""
