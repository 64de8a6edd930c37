"""The shape of the code: imports point one way, importing is cheap, and the engine stays small."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "plait"
MODULES = {
    ".".join(["plait", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}


# Every room, floor by floor. A room imports rooms on lower floors only, whatever the import is for: running, the type
# checker, or one function. ARCHITECTURE.md has the same map, in the same order.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "wording", "ids", "version", "faultpoints"),
    ("durations", "graph", "values"),
    ("types", "settings", "pictures", "store"),
    ("embedded", "tracing", "maintenance"),
    ("engine",),
    ("features", "logs"),
    ("declaration",),
    ("worker",),
    ("client",),
    ("plait",),  # the package itself, which names what users import from it
    ("testing", "django"),
    ("server",),
    ("cli",),
)
FLOOR_BY_ROOM = {room: floor for floor, rooms in enumerate(FLOORS, 1) for room in rooms}


def find_room(module: str) -> str:
    """The room of a module: its folder or, where it lies beside the folders, itself."""
    parts = module.split(".")
    if len(parts) == 1:
        return "plait"
    return "cli" if parts[1] == "__main__" else parts[1]


@cache
def list_nodes(path: Path) -> list[ast.AST]:
    """Every node of a file's syntax. Kept: many tests look at all files."""
    return list(ast.walk(ast.parse(path.read_text())))


def iter_imports(path: Path) -> Iterator[str]:
    """The modules a file imports anywhere, for whatever purpose."""
    for node in list_nodes(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


@cache
def list_imports(package: str) -> set[tuple[str, str]]:
    """(importer, imported) for every module of a package."""
    return {
        (name, imported)
        for name, path in MODULES.items()
        if name == package or name.startswith(f"{package}.")
        for imported in iter_imports(path)
    }


def is_in(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_every_room_has_a_floor_and_every_floor_has_rooms() -> None:
    assert {find_room(module) for module in MODULES} == set(FLOOR_BY_ROOM)


def test_a_room_imports_only_rooms_on_lower_floors() -> None:
    wrong = [
        f"{importer} (floor {FLOOR_BY_ROOM[find_room(importer)]}) imports {imported}"
        for importer, imported in sorted(list_imports("plait"))
        if is_in(imported, "plait")
        and find_room(importer) != find_room(imported)
        and FLOOR_BY_ROOM[find_room(imported)] >= FLOOR_BY_ROOM[find_room(importer)]
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Those of one room are no exception."""
    imports: dict[str, set[str]] = {name: set() for name in MODULES}
    for importer, imported in list_imports("plait"):
        if imported in MODULES and imported != importer:
            imports[importer].add(imported)
    left = dict(imports)
    while free := [name for name, wanted in left.items() if not wanted & left.keys()]:
        for name in free:
            del left[name]
    in_a_circle = {name for name in left if any(name in left[other] for other in left)}
    assert in_a_circle == set()


def test_few_modules_lie_beside_the_folders() -> None:
    assert len([path for path in MODULES.values() if path.parent == SOURCE]) <= 10


def test_the_map_in_the_architecture_has_the_rooms_in_the_order_of_their_floors() -> None:
    text = (SOURCE.parents[1] / "ARCHITECTURE.md").read_text()
    block = text.partition("src/plait/\n")[2].partition("```")[0]
    named = re.findall(r"^(?: {3}\d| {2}\d\d| {4}) {2}(\w+)(?:/|\.py) ", block, re.M)
    assert named == [room for rooms in FLOORS for room in rooms if room != "plait"]
    tests = {folder for line in block.splitlines() for folder in line.partition("|")[2].strip().split(", ") if folder}
    assert tests == {folder for folder in tests if (SOURCE.parents[1] / "tests" / folder).is_dir()}


def test_nothing_imports_the_app_for_django() -> None:
    importers = {importer for importer, imported in list_imports("plait") if is_in(imported, "django", "plait.django")}
    assert {name for name in importers if not is_in(name, "plait.django")} == set()


def test_only_the_command_line_imports_the_server_and_only_when_it_serves() -> None:
    importers = {importer for importer, imported in list_imports("plait") if is_in(imported, "plait.server")}
    assert {name for name in importers if not is_in(name, "plait.server", "plait.cli", "plait.testing")} == set()
    lazily = {
        name
        for name in importers - {name for name in importers if is_in(name, "plait.server")}
        for node in ast.parse(MODULES[name].read_text()).body
        if isinstance(node, ast.ImportFrom) and node.module and is_in(node.module, "plait.server")
    }
    assert lazily == set(), "imported with the module, not where it is used"


def test_only_the_server_knows_the_web() -> None:
    web = ("fastapi", "starlette", "uvicorn")
    importers = {importer for importer, imported in list_imports("plait") if is_in(imported, *web)}
    assert {name for name in importers if not is_in(name, "plait.server")} == set()


def test_supervisors_and_workers_without_a_health_port_load_nothing_for_prometheus() -> None:
    use = "import plait.cli.worker, plait.worker.gateway, plait.worker.worker, plait.worker.session"
    assert run_python(f"import sys, plait; {use}; print('prometheus_client' in sys.modules)") == "False"


def test_the_graph_does_no_input_or_output_and_has_no_clock() -> None:
    pure = {"__future__", "collections", "dataclasses", "enum", "functools", "hashlib", "json", "typing", "unicodedata"}
    pure |= {"bisect", "cronsim", "datetime", "uuid", "zoneinfo"}
    pure |= {"heapq", "itertools", "math", "re", "difflib"}
    outside = {name.split(".")[0] for _, name in list_imports("plait.graph") if not is_in(name, "plait")}
    assert outside <= pure


def test_only_the_store_sends_sql() -> None:
    """Elsewhere the driver is imported for the names of its errors alone; transaction.py is the user's connection."""
    marks = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "NOTIFY ", "LISTEN ")
    for name, path in MODULES.items():
        if is_in(name, "plait.store", "plait.engine.transaction", "plait.embedded", "plait.cli"):
            continue
        texts = [
            node.value for node in list_nodes(path) if isinstance(node, ast.Constant) and isinstance(node.value, str)
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


@cache
def count_lines(path: Path) -> int:
    """Lines of code: without blank ones, comments, docstrings and imports, of which smaller modules have more."""
    source = path.read_text()
    if path.suffix == ".sql":
        statements = re.sub(r"^COMMENT ON .*?';$", "", source, flags=re.M | re.S)
        return sum(1 for line in statements.splitlines() if line.strip() and not line.strip().startswith("--"))
    aside = {
        line
        for node in list_nodes(path)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str))
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in silent
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - aside)


def test_the_engine_stays_small() -> None:
    """What a task meets between trigger and outcome: declarations, settings, the embedded server, commands, and what
    only those ask the store who watch or tidy up, aside."""
    engine = ["graph", "store", "worker", "maintenance", "engine", "client", "errors", "ids"]
    engine += ["features.refs", "declaration.runnable", "declaration.context"]
    others = tuple(
        f"{room}.{module}"
        for room, modules in {
            "worker": ("endpoint", "exposition", "gateway", "address", "health", "meter", "pace"),
            "store": ("catalog", "logs", "observation", "pace", "retention", "runs"),
            "maintenance": ("pruner",),
            "graph": ("triggers",),
        }.items()
        for module in modules
    )
    files = [
        path
        for name, path in MODULES.items()
        if is_in(name, *(f"plait.{part}" for part in engine)) and not is_in(name, *(f"plait.{part}" for part in others))
    ]
    statements = {name for path in files for name in re.findall(r'load_sql\("(\w+)"\)', path.read_text())}
    files += [
        path
        for path in (SOURCE / "store").rglob("*.sql")
        if path.parent.name != "views" and (path.parent.name != "sql" or path.stem in statements)
    ]
    assert sum(map(count_lines, files)) < 9700


def test_no_module_grows_beyond_what_is_read_in_one_sitting() -> None:
    assert {name: count_lines(path) for name, path in MODULES.items() if count_lines(path) > 350} == {}
