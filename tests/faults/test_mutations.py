"""The list of mutations is up to date: ``faults/harness/mutations.py`` itself is run by hand, it takes an hour."""

from __future__ import annotations

import pytest

from faults.harness.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_a_mutation_changes_one_place_of_the_code_and_names_a_test(mutation: Mutation) -> None:
    assert (ROOT / "src/plait" / mutation.file).read_text().count(mutation.old) == 1
    path, _, name = mutation.test.partition("::")
    assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text() if name else (ROOT / path).exists()
