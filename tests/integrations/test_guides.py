"""What the guides show of the examples is in the examples; what they show as Python is run by ``tests/docs``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from integrations.conftest import EXAMPLES

GUIDES = EXAMPLES.parent / "docs" / "how-to"
EXCERPT = re.compile(r'^```(?!python|console)\w+ title="(?P<file>[^"]+)"\n(?P<code>.*?)^```$', re.M | re.S)

PAGES = [page for pattern in ("run-in-*", "run-on-k*", "run-with-*", "use-with-*") for page in GUIDES.glob(pattern)]
EXCERPTS = [
    pytest.param(match["file"], match["code"], id=f"{page.name} {match['file']} {number}")
    for page in sorted(PAGES)
    for number, match in enumerate(EXCERPT.finditer(page.read_text()))
]


@pytest.mark.parametrize(("file", "code"), EXCERPTS)
def test_an_excerpt_stands_in_its_file(file: str, code: str) -> None:
    paths = [path for folder in EXAMPLES.iterdir() if (path := folder / file).is_file()]
    assert paths, f"no example has a file {file}"
    assert any(code in path.read_text() for path in paths)


def test_there_are_excerpts_of_every_kind() -> None:
    kinds = {Path(str(one.values[0])).suffix for one in EXCERPTS}
    assert kinds >= {".py", ".yaml", ".service", ""}


@pytest.mark.parametrize("page", sorted(GUIDES.glob("*.md")), ids=lambda page: page.name)
def test_a_guide_is_read_in_one_sitting(page: Path) -> None:
    assert len(page.read_text().splitlines()) <= 200
