"""What was released of the schema, by checksums: a migration that was released is never changed.

.venv/bin/python tools/released_schema.py    at a release: notes every migration, and the functions and views

A change of a function or view after that needs a migration, which tells databases that something is due.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from plait.store import schema  # noqa: E402 - found by the path above

RECORD = ROOT / "tests" / "store" / "released_schema.json"
STORE = ROOT / "src" / "plait" / "store"


def digest(texts: Iterable[str]) -> str:
    """The checksum of texts, in their order."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def read_files(store: Path = STORE) -> dict[str, str]:
    """The checksums of all migrations by name, and of the functions and views as they go with the latest."""
    found = {
        path.stem: digest([path.read_text(encoding="utf-8")]) for path in sorted((store / "migrations").glob("*.sql"))
    }
    return {**found, "functions and views": digest(schema.list_routines())}


def find_changes(released: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """What was released and is not the same any more, in words."""
    migrations = {name for name in released if name[:4].isdigit()}
    faults = [
        f"the migration {name} was released and has been {'changed' if name in present else 'removed'}: put it back, "
        "and write another one"
        for name in sorted(migrations)
        if present.get(name) != released[name]
    ]
    routines = "functions and views"
    is_due = {name for name in present if name[:4].isdigit()} > migrations
    if released and not is_due and present[routines] != released[routines]:
        faults.append("functions or views have changed since the last release, and no migration says that they are due")
    return faults


def read_record() -> dict[str, Any]:
    """What was released; empty before the first release."""
    record: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return record


def main() -> int:
    faults = find_changes(read_record(), read_files())
    if faults:
        print("\n".join(faults))
        return 1
    RECORD.write_text(json.dumps(read_files(), indent=2) + "\n", encoding="utf-8")
    print(f"noted {', '.join(read_files())} in {RECORD.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
