"""What users install: the built wheel, in an empty environment, on every Python that this machine has."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from terminal import compare, run_in_terminal  # noqa: E402 - found by the path above
from walk import TUTORIAL, Walk, make_environment  # noqa: E402

UV = find_uv_bin()
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MAX_DISTRIBUTIONS = 40
MAX_MEGABYTES = 120
WALK_SECONDS = 900
NETWORK = re.compile(r"SSL_|UV_|PIP_|REQUESTS_CA|(HTTPS?|ALL|NO)_PROXY$", re.I)


def run_uv(*arguments: object, folder: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(
        [UV, *map(str, arguments)], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"uv {arguments}:\n{done.stdout}{done.stderr}"
    return done.stdout


def build(source: Path, target: Path) -> dict[str, Path]:
    """The sdist, and the wheel that is built from it."""
    run_uv("build", "--quiet", "--no-config", "--out-dir", target, source, SOURCE_DATE_EPOCH="1700000000")
    return {path.suffix: path for path in target.iterdir() if path.suffix in (".whl", ".gz")}


def copy_source(source: Path, target: Path) -> Path:
    """What the package is built from, with new times."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source / "src", target / "src", ignore=ignored, copy_function=shutil.copy)
    for name in ("CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", ".gitignore"):
        shutil.copy(source / name, target / name)
    return target


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_source(ROOT, tmp_path_factory.mktemp("source"))
    for name in ("tests", "docs", "dashboard", "examples"):  # what else lies in the repository
        (folder / name).mkdir()
        (folder / name / "file.py").write_text("")
    return folder


@pytest.fixture(scope="session")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(source, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def wheel(built: dict[str, Path]) -> Path:
    return built[".whl"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the account of the embedded PostgreSQL may enter, as a home is. (pytest's own is closed, and closed
    again by every other pytest that starts.)"""
    with tempfile.TemporaryDirectory(prefix="plait-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def make_venv(python: str, folder: Path) -> Path:
    """An empty virtual environment; its folder of programs."""
    run_uv("venv", "--quiet", "--no-config", "--no-project", "--python", python, folder, folder=folder.parent)
    return folder / "bin"


def give_pip(programs: Path, wheel: Path) -> dict[str, str]:
    """A ``pip`` that is quick, and knows by ``plait`` this wheel; its environment."""
    pip = programs / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{UV}" pip "$@"\n')
    pip.chmod(0o755)
    constraint = programs.parent / "constraint.txt"
    constraint.write_text(f"plait @ {wheel.as_uri()}\n")
    network = {name: value for name, value in os.environ.items() if NETWORK.match(name)}
    cache = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    return {**network, "UV_CONSTRAINT": str(constraint), "UV_CACHE_DIR": cache}


def test_building_twice_gives_the_same_bytes(source: Path, built: dict[str, Path], tmp_path: Path) -> None:
    again = build(copy_source(source, tmp_path / "elsewhere"), tmp_path / "dist")
    assert {path.name for path in again.values()} == {path.name for path in built.values()}
    for suffix, path in built.items():
        assert again[suffix].read_bytes() == path.read_bytes(), f"{path.name} differs"


def test_the_wheel_holds_the_code_the_dashboard_the_sql_and_the_license(source: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    files = (path for path in (source / "src" / "plait").rglob("*") if path.is_file())
    wanted = {str(path.relative_to(source / "src")) for path in files}
    assert {name for name in names if not re.match(r"plait-[\d.]+\.dist-info/", name)} == wanted
    assert {"plait/py.typed", "plait/server/static/index.html", "plait/store/sql/claim_tasks.sql"} <= wanted
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata


def test_the_sdist_holds_what_builds_the_wheel_and_no_tests(built: dict[str, Path]) -> None:
    with tarfile.open(built[".gz"]) as archive:
        tops = {name.split("/")[1] for name in archive.getnames()}
    assert tops == {"src", "CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "PKG-INFO", ".gitignore"}


def test_it_starts_without_being_installed(wheel: Path, tmp_path: Path) -> None:
    shown = run_uv(
        "tool", "run", "--no-config", "--python", sys.executable, "--from", wheel, "plait", "--help", folder=tmp_path
    )
    assert "Durable DAG workflows" in shown


@pytest.mark.long
def test_the_tutorial_word_for_word_from_an_empty_folder(
    wheel: Path, open_folder: Path, record_property: pytest.RecordProperty
) -> None:
    signal.alarm(WALK_SECONDS)  # the usual deadline is for single tests; this is an hour of a reader's
    programs = make_venv(sys.executable, open_folder / "venv")
    folder = open_folder / "invoices"
    folder.mkdir()
    environment = {**make_environment(folder, programs), **give_pip(programs, wheel)}
    first, *others = TUTORIAL
    try:
        with Walk(folder, environment) as walk:
            walk.read(first)
            check_size(programs.parent, record_property)
            assert walk.staying is not None
            check_dashboard(walk.staying.output)
            for page in others:
                walk.read(page)
    finally:
        run_in_terminal("plait db stop", folder, environment)


def check_dashboard(output: str) -> None:
    [address] = re.findall(r"^dashboard (http://\S+)$", output, re.M)
    with urllib.request.urlopen(address, timeout=10) as answer:
        page = answer.read().decode()
    assets = re.findall(r'(?:src|href)="\.?/?(assets/[^"]+)"', page)
    assert assets
    for asset in assets:
        with urllib.request.urlopen(address + asset, timeout=10) as answer:
            assert answer.status == 200
    with urllib.request.urlopen(address + "api/v1/runs", timeout=10) as answer:
        assert b"Invoice" in answer.read()


def check_size(venv: Path, record_property: pytest.RecordProperty) -> None:
    [packages] = venv.glob("lib/python*/site-packages")
    distributions = sorted(path.name.split("-")[0] for path in packages.glob("*.dist-info"))
    sizes = {path.name: measure(path) for path in packages.iterdir()}
    total = sum(sizes.values()) / 1e6
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:8]
    record_property("distributions", len(distributions))
    record_property("megabytes", round(total, 1))
    print(
        f"{len(distributions)} distributions, {total:.0f} MB:", *(f"{name} {size / 1e6:.0f}" for name, size in largest)
    )
    assert len(distributions) <= MAX_DISTRIBUTIONS, distributions
    assert total <= MAX_MEGABYTES, largest


def measure(path: Path) -> int:
    files: Iterator[Path] = path.rglob("*") if path.is_dir() else iter([path])
    return sum(file.lstat().st_size for file in files if "__pycache__" not in file.parts)


@pytest.mark.parametrize("version", [v for v in PYTHONS if v != f"{sys.version_info[0]}.{sys.version_info[1]}"])
def test_the_first_workflow_runs_on_other_pythons(version: str, wheel: Path, open_folder: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here: THE WHEEL WAS NOT TRIED ON IT")
    programs = make_venv(python, open_folder / "venv")
    run_uv("pip", "install", "--quiet", "--no-config", "--python", programs / "python", wheel, folder=open_folder)
    page = TUTORIAL[0].read_text(encoding="utf-8")
    code = re.search(r'^```python title="invoices.py"\n(.*?)^```$', page, re.M | re.S)
    talk = re.search(r"^```console\n\$ (plait run .*?)\n(.*?)^```$", page, re.M | re.S)
    assert code
    assert talk
    folder = open_folder / "invoices"
    folder.mkdir()
    (folder / "invoices.py").write_text(code[1], encoding="utf-8")
    environment = make_environment(folder, programs)
    try:
        shown, status = run_in_terminal(talk[1], folder, environment)
        assert status == 0, shown
        assert compare(talk[2], shown), shown
    finally:
        run_in_terminal("plait db stop", folder, environment)


def find_python(version: str) -> str | None:
    """One that starts: on the PATH, or where pyenv and uv keep theirs."""
    homes = (Path.home() / ".pyenv" / "versions", Path.home() / ".local" / "share" / "uv" / "python")
    kept = [str(path) for home in homes for path in home.glob(f"*{version}*/bin/python{version}")]
    for candidate in (shutil.which(f"python{version}"), *kept):
        if candidate is not None:
            done = subprocess.run([candidate, "-c", "import sys, ssl, sqlite3"], capture_output=True)
            if done.returncode == 0:
                return candidate
    return None
