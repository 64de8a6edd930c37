"""The notebook of the examples, run cell by cell in a kernel, as Jupyter does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook" / "plait.ipynb"


@pytest.fixture
def outputs(database_url: str, monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """What each code cell showed."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("PLAIT_DATABASE_URL", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook_draws_the_workflow_and_each_run_as_it_ended(outputs: list[list[Any]]) -> None:
    declared, watched, result, failed, later, closed = outputs
    assert "<svg" in declared[0].data["image/svg+xml"]
    assert "<svg" in declared[0].data["text/html"]

    assert len(watched) == 1, "one output, updated in its place"
    assert watched[0].output_type == "display_data"
    assert "DescribeText  COMPLETED" in watched[0].data["text/plain"]
    assert watched[0].data["text/html"].count("Completed") == 4

    assert "29,4" in result[0].data["text/plain"] or "words, the longest of which is" in result[0].data["text/plain"]

    assert "FAILED" in failed[0].data["text/plain"]
    assert "read: FileNotFoundError" in failed[0].data["text/html"]
    assert failed[0].data["text/html"].count("Cancelled") == 3

    assert later[0].data["text/html"].count("Completed") == 4
    assert closed == []


def test_the_notebook_is_stored_without_outputs() -> None:
    """Times and ids would change with every run."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
