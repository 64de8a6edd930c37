"""Helpers for tests of declarations: no database, no engine."""

from __future__ import annotations

import pytest

from plait.declaration.declarations import Declarations


@pytest.fixture
def plait() -> Declarations:
    return Declarations()
