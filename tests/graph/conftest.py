"""Two busy cores: a slow example is no failure. And the coverage of these tests, where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from support import graph_coverage

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _coverage(request: pytest.FixtureRequest) -> Iterator[None]:
    """Thousands of examples against an oracle add nothing to it but time."""
    if request.path.stem == "test_cron_oracle":
        yield
        return
    with graph_coverage.measure():
        yield
