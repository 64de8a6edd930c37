"""The ``py`` blocks of the page about notebooks are the cells of one: a kernel runs them, as Jupyter would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "use-in-a-notebook.md"


def test_the_cells_of_the_page_run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("PLAIT_DATABASE_URL", raising=False)
    text = PAGE.read_text(encoding="utf-8")
    assert "```python" not in text, "a cell awaits: it is no script"
    cells = re.findall(r"^```py\n(.*?)^```$", text, re.M | re.S)
    again = cells[0]  # "can be run again and again"
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in (again, *cells)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()

    shown = [merge(cell.outputs) for cell in notebook.cells[1:]]
    assert "Workflow Letters" in shown[0]["text/html"]
    assert shown[1]["text/html"].count("Completed") == 2
    assert shown[1]["text/plain"] == "'sent: Dear Ada,'"
    assert "Letters  COMPLETED" in shown[2]["text/html"]
    assert shown[3]["text/plain"] == "{'write': 'Dear Ada,', 'send': 'sent: Dear Ada,'}"
    assert shown[5]["text/plain"] == "{'write': 'Dear Ada,', 'send': 'sent: Dear Ada,'}"


def merge(outputs: list[Any]) -> dict[str, str]:
    """What a cell shows, by type; of several outputs of a type the last."""
    return {kind: data for output in outputs for kind, data in output.get("data", {}).items()}
