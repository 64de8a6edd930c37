"""The list of mutations fits the code, and names every fault test. ``make mutations`` tries them all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from faults.mutations import MUTATIONS
from faults.mutations.mutation import ROOT, Mutation

FOLDER = Path(__file__).parent

OF_THE_TESTS = {
    "tests/faults/test_mutations.py": "they are about the list itself",
}
"""Tests, or files of them, that no mutation of Plait can make red, and why."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_a_mutation_changes_one_place_of_the_code_and_names_its_tests(mutation: Mutation) -> None:
    assert (ROOT / "src/plait" / mutation.file).read_text().count(mutation.old) == 1
    for test in mutation.tests:
        path, _, name = test.partition("::")
        assert name.partition("[")[0] in _list_tests(ROOT / path), test


def test_every_fault_test_is_named_by_a_mutation() -> None:
    named = {test.partition("[")[0] for mutation in MUTATIONS for test in mutation.tests}
    tests = {
        f"{path.relative_to(ROOT)}::{name}"
        for path in FOLDER.glob("test_*.py")
        if str(path.relative_to(ROOT)) not in OF_THE_TESTS
        for name in _list_tests(path)
    }
    assert sorted(tests - named - set(OF_THE_TESTS)) == []


def _list_tests(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
