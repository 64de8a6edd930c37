"""Checks every link and anchor in the README and in docs/, and that every page has its place in the navigation.

.venv/bin/python tools/links.py          prints what is wrong, one a line; exit code 1 if anything is
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)\s*$", re.M | re.S)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_DEFINED = re.compile(r"^\[[^\]]+\]:\s*(\S+)", re.M)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.M)
_THEMES = ("only-light", "only-dark")  # of pictures: the site shows the one that fits
_ELSEWHERE = re.compile(r"^(https?|mailto):")


def find_faults() -> list[str]:
    """Everything that is wrong, as ``page: what``."""
    pages = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    return [*_check_navigation(), *(f"{page.relative_to(ROOT)}: {fault}" for page in pages for fault in _check(page))]


def _check(page: Path) -> Iterator[str]:
    for link in _list_links(page):
        if _ELSEWHERE.match(link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"{link} leads nowhere"
        elif DOCS in page.parents and DOCS not in target.parents and target != DOCS:
            yield f"{link} leads out of docs/, where the site does not go"
        elif anchor and anchor not in _THEMES and (target.suffix != ".md" or anchor not in list_anchors(target)):
            yield f"{link}: no heading has that anchor"


def _check_navigation() -> Iterator[str]:
    configuration = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    listed = list(_list_pages(configuration["project"]["nav"]))
    there = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    yield from (
        f"zensical.toml: {page} is in the navigation, but there is no such page" for page in listed if page not in there
    )
    yield from (f"docs/{page}: is not in the navigation" for page in sorted(there - set(listed)))
    yield from (f"zensical.toml: {page} is in the navigation twice" for page in set(listed) if listed.count(page) > 1)


def _list_pages(entries: list[object]) -> Iterator[str]:
    for entry in entries:
        assert isinstance(entry, dict)
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from _list_pages(value)


def _list_links(page: Path) -> list[str]:
    prose = _CODE.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
    return _LINK.findall(prose) + _DEFINED.findall(prose)


@cache
def list_anchors(page: Path) -> frozenset[str]:
    """The anchors that the headings of a page get: on the site, and the same on the usual hosts of repositories."""
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found: list[str] = []
    for heading in _HEADING.findall(prose):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", words).strip().lower())
        found.append(anchor)
    return frozenset(found)


if __name__ == "__main__":
    faults = find_faults()
    print("\n".join(faults))
    sys.exit(1 if faults else 0)
