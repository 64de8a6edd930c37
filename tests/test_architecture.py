"""The shape of the code: imports point one way, importing is cheap, and the engine stays small."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "plait"
MODULES = {
    ".".join(["plait", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}


def iter_imports(path: Path) -> Iterator[tuple[str, bool]]:
    """The modules a file imports anywhere, and whether that is for the type checker only."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for child in block.body
        for node in ast.walk(child)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in typing_only
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module, id(node) in typing_only


def list_imports(package: str, *, typing: bool = False) -> set[tuple[str, str]]:
    """(importer, imported) for every module of a package."""
    return {
        (name, imported)
        for name, path in MODULES.items()
        if name == package or name.startswith(f"{package}.")
        for imported, typing_only in iter_imports(path)
        if typing or not typing_only
    }


def is_in(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


# Package, and what of Plait it may import, itself aside.
ALLOWED = {
    "plait.graph": ("plait.errors", "plait.wording"),
    "plait.pictures": ("plait.errors", "plait.graph", "plait.wording"),
    "plait.errors": (),
    "plait.ids": (),
    "plait.wording": (),
    "plait.durations": ("plait.errors", "plait.wording"),
    "plait.project": (),
    "plait.settings": ("plait.durations", "plait.errors", "plait.project", "plait.wording"),
    "plait.portal": ("plait.errors",),
    "plait.embedded": ("plait.errors", "plait.project", "plait.settings"),
    "plait.triggers": (),
    "plait.expressions": ("plait.errors", "plait.value_faults", "plait.wording"),
    "plait.store": ("plait.errors", "plait.graph", "plait.ids", "plait.triggers"),
    "plait.maintenance": (
        "plait.errors",
        "plait.expressions",
        "plait.graph",
        "plait.ids",
        "plait.store",
        "plait.triggers",
    ),
}


@pytest.mark.parametrize("package", ALLOWED)
def test_a_lower_package_imports_only_what_lies_below_it(package: str) -> None:
    wrong = {
        (importer, imported)
        for importer, imported in list_imports(package, typing=True)
        if is_in(imported, "plait") and not is_in(imported, package, *ALLOWED[package])
    }
    assert wrong == set()


def test_nothing_imports_the_command_line() -> None:
    wrong = {
        (importer, imported)
        for importer, imported in list_imports("plait", typing=True)
        if is_in(imported, "plait.cli") and not is_in(importer, "plait.cli", "plait.__main__")
    }
    assert wrong == set()


def test_nothing_imports_the_app_for_django() -> None:
    importers = {
        importer
        for importer, imported in list_imports("plait", typing=True)
        if is_in(imported, "django", "plait.django")
    }
    assert {name for name in importers if not is_in(name, "plait.django")} == set()


def test_only_the_command_line_imports_the_server_and_only_when_it_serves() -> None:
    importers = {
        importer for importer, imported in list_imports("plait", typing=True) if is_in(imported, "plait.server")
    }
    assert {name for name in importers if not is_in(name, "plait.server", "plait.cli", "plait.testing")} == set()
    lazily = {
        name
        for name in importers - {name for name in importers if is_in(name, "plait.server")}
        for node in ast.parse(MODULES[name].read_text()).body
        if isinstance(node, ast.ImportFrom) and node.module and is_in(node.module, "plait.server")
    }
    assert lazily == set(), "imported with the module, not where it is used"


def test_only_the_server_knows_the_web() -> None:
    web = ("fastapi", "starlette", "uvicorn", "prometheus_client")
    importers = {importer for importer, imported in list_imports("plait", typing=True) if is_in(imported, *web)}
    assert {name for name in importers if not is_in(name, "plait.server")} == set()


def test_declarations_do_not_know_the_worker_or_the_store() -> None:
    """What users write and call can be imported and tested without an engine."""
    declaring = ("task", "task_options", "workflow", "workflow_base", "declare", "dependencies", "values", "types")
    declaring += ("conditions", "event_filters", "expressions", "triggers")
    wrong = {
        (importer, imported)
        for module in declaring
        for importer, imported in list_imports(f"plait.{module}")
        if is_in(imported, "plait.worker", "plait.store", "plait.maintenance", "plait.engine", "plait.cli")
    }
    assert wrong == set()


def test_the_graph_does_no_input_or_output_and_has_no_clock() -> None:
    pure = {"__future__", "collections", "dataclasses", "enum", "functools", "hashlib", "json", "typing", "unicodedata"}
    pure |= {"bisect", "cronsim", "datetime", "zoneinfo"}
    pure |= {"heapq", "itertools", "math", "re", "difflib"}
    outside = {name.split(".")[0] for _, name in list_imports("plait.graph") if not is_in(name, "plait")}
    assert outside <= pure


def test_only_the_store_sends_sql() -> None:
    """Elsewhere the driver is imported for the names of its errors alone; transaction.py is the user's connection."""
    marks = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "NOTIFY ", "LISTEN ")
    for name, path in MODULES.items():
        if is_in(name, "plait.store", "plait.transaction", "plait.embedded", "plait.cli"):
            continue
        texts = [
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert not [text for text in texts if text.lstrip().startswith(marks)], name
        source = path.read_text()
        for word in ("asyncpg.connect", "asyncpg.create_pool", "from asyncpg import connect"):
            assert word not in source, name


def test_every_statement_file_is_used_and_says_what_it_does() -> None:
    store = "".join(path.read_text() for path in (SOURCE / "store").glob("*.py"))
    for path in sorted((SOURCE / "store" / "sql").glob("*.sql")):
        assert f'load_sql("{path.stem}")' in store, f"{path.name} is not used"
        assert path.read_text().startswith("-- "), f"{path.name} has no header"


HEAVY = (
    "asyncpg",
    "click",
    "rich",
    "fastapi",
    "starlette",
    "uvicorn",
    "prometheus_client",
    "sqlalchemy",
    "psycopg",
    "django",
    "cel",
    "opentelemetry",
)


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_plait_pulls_in_no_driver_terminal_web_or_expression_library() -> None:
    use = (
        "from plait import Context, Plait\n"
        "plait = Plait()\n"
        "flow = plait.workflow(name='w')\n"
        "@flow.task()\n"
        "def t(input, ctx: Context): ...\n"
        "flow.definition\n"
    )
    loaded = run_python(f"{use}\nimport sys; print(' '.join({{name.split('.')[0] for name in sys.modules}}))").split()
    assert sorted(set(loaded) & set(HEAVY)) == []


def test_importing_plait_starts_nothing() -> None:
    code = (
        "import threading, socket, os, plait; from plait import *; p = plait.Plait(); "
        "print(threading.active_count(), len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else 0)"
    )
    threads, descriptors = map(int, run_python(code).split())
    assert threads == 1
    assert descriptors <= 5


@pytest.mark.parametrize(
    ("imports", "most"), [("import plait", 50), ("from plait import Context, EmptyModel, Plait", 350)]
)
def test_importing_plait_stays_cheap(imports: str, most: int) -> None:
    """Counted in modules, most of them Python's own and pydantic's; seconds would depend on the machine."""
    code = f"import sys; before = set(sys.modules); {imports}; print(len(set(sys.modules) - before))"
    assert int(run_python(code)) <= most


def count_lines(path: Path) -> int:
    """Lines of code: without blank ones, comments and docstrings, which are welcome."""
    source = path.read_text()
    if path.suffix == ".sql":
        return sum(1 for line in source.splitlines() if line.strip() and not line.strip().startswith("--"))
    texts = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in silent
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - texts)


def test_the_engine_stays_below_eight_thousand_lines() -> None:
    """What a task meets between trigger and outcome: declarations, settings, the embedded server, commands, and what
    only those ask the store who watch or tidy up, aside."""
    engine = ["graph", "store", "worker", "maintenance", "engine", "client", "refs", "results", "runs", "running"]
    engine += ["context", "portal", "transaction", "errors", "ids"]
    others = ("store.catalog", "store.dashboard", "store.observation", "store.retention", "maintenance.pruner")
    files = [
        path
        for name, path in MODULES.items()
        if is_in(name, *(f"plait.{part}" for part in engine)) and not is_in(name, *(f"plait.{part}" for part in others))
    ]
    statements = {name for path in files for name in re.findall(r'load_sql\("(\w+)"\)', path.read_text())}
    files += [
        path for path in (SOURCE / "store").rglob("*.sql") if path.stem in statements or "migrations" in path.parts
    ]
    assert sum(map(count_lines, files)) < 8000


def test_no_module_grows_beyond_what_is_read_in_one_sitting() -> None:
    assert {name: count_lines(path) for name, path in MODULES.items() if count_lines(path) > 350} == {}
