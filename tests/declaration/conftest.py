"""Helpers for tests of declarations: no database, no engine."""

from __future__ import annotations

import pytest

from plait.declare import Declarations


@pytest.fixture
def plait() -> Declarations:
    return Declarations()
