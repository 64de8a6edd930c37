"""The documentation's site can be built, its links lead somewhere, and what is generated is up to date."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import plait

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import links  # noqa: E402 - found by the path above
import reference  # noqa: E402

MAX_GUIDE_LINES = 200


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Warnings are errors."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_every_link_and_anchor_leads_somewhere_and_every_page_is_in_the_navigation() -> None:
    assert links.find_faults() == []


def test_the_link_checker_finds_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "README.md").write_text("[a](docs/there.md#second-heading) [b](docs/there.md#third) [c](gone.md)")
    (docs / "there.md").write_text(
        "# First\n\n## Second `heading`\n\n[out](../README.md)\n\n```\n[not](a-link.md)\n```\n"
    )
    (docs / "lost.md").write_text("# Lost")
    (tmp_path / "zensical.toml").write_text(
        '[project]\nnav = [{ "A" = "there.md" }, { "B" = [{ "C" = "missing.md" }] }]\n'
    )
    monkeypatch.setattr(links, "ROOT", tmp_path)
    monkeypatch.setattr(links, "DOCS", docs)
    assert links.find_faults() == [
        "zensical.toml: missing.md is in the navigation, but there is no such page",
        "docs/lost.md: is not in the navigation",
        "README.md: docs/there.md#third: no heading has that anchor",
        "README.md: gone.md leads nowhere",
        "docs/there.md: ../README.md leads out of docs/, where the site does not go",
    ]


def test_the_anchors_of_the_site_are_those_that_links_are_checked_against(site: Path) -> None:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        html = (site / page.relative_to(ROOT / "docs")).with_suffix(".html").read_text(encoding="utf-8")
        assert links.list_anchors(page) <= set(re.findall(r'<h[1-6] id="([^"]+)"', html)), page.name


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img|iframe)[^>]+src=\"?(https?:[^\s\">]+)|<link[^>]+href=\"?(https?:[^\s\">]+)")
    for page in site.rglob("*.html"):
        assert loaded.findall(page.read_text(encoding="utf-8")) == [], page.name


@pytest.mark.parametrize("name", list(reference.PAGES))
def test_the_reference_says_what_the_docstrings_say(name: str) -> None:
    page = ROOT / "docs" / "reference" / f"{name}.md"
    assert page.read_text(encoding="utf-8") == reference.render_page(name), "run tools/reference.py"


def test_every_public_name_is_in_the_reference() -> None:
    pages = "\n".join(
        (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8") for name in reference.PAGES
    )
    headings = set(re.findall(r"^## (\S+)$", pages, re.M))
    assert set(plait.__all__) - headings == set()


def test_a_guide_is_no_longer_than_two_hundred_lines() -> None:
    guides = [*(ROOT / "docs" / "how-to").glob("*.md"), *(ROOT / "docs" / "tutorial").glob("[1-9]-*.md")]
    lengths = {guide.name: len(guide.read_text(encoding="utf-8").splitlines()) for guide in guides}
    assert {name: length for name, length in lengths.items() if length > MAX_GUIDE_LINES} == {}
