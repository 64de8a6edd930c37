"""The coverage of these tests, where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import is_hypothesis_test

from support import graph_coverage


@pytest.fixture(autouse=True)
def _coverage(request: pytest.FixtureRequest) -> Iterator[None]:
    """Not of made-up examples: what they cover is chance, and being measured makes them thrice as slow."""
    if is_hypothesis_test(request.function):
        yield
        return
    with graph_coverage.measure():
        yield
