"""What was released of the schema stays as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from released_schema import find_changes, read_files, read_record


def test_a_released_migration_is_never_changed() -> None:
    assert find_changes(read_record(), read_files()) == []


RELEASED = {"0001_first": "a", "0002_more": "b", "functions and views": "f"}


@pytest.mark.parametrize(
    ("present", "fault"),
    [
        (RELEASED, None),
        ({**RELEASED, "0003_next": "c"}, None),
        ({**RELEASED, "0003_next": "c", "functions and views": "g"}, None),
        ({**RELEASED, "0002_more": "x"}, "0002_more was released and has been changed"),
        ({**RELEASED, "0003_next": "c", "0002_more": "x"}, "0002_more was released and has been changed"),
        ({"0001_first": "a", "functions and views": "f"}, "0002_more was released and has been removed"),
        ({**RELEASED, "functions and views": "g"}, "no migration says that they are due"),
    ],
)
def test_what_counts_as_a_change(present: dict[str, str], fault: str | None) -> None:
    found = find_changes(RELEASED, present)
    assert (found == []) if fault is None else (len(found) == 1 and fault in found[0])


def test_before_the_first_release_everything_may_change() -> None:
    assert find_changes({}, RELEASED) == []
