"""What completion shows on the objects that users hold is what the reference documents, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import plait as package
from plait import EmptyModel, Plait
from plait.testing import make_context

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"

plait = Plait()
flow = plait.workflow(name="flow")


@flow.task()
def step(input: EmptyModel, ctx: package.Context) -> int:
    return 1


@plait.task()
def alone(input: EmptyModel, ctx: package.Context) -> int:
    return 1


RUN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
OBJECTS: dict[str, Any] = {
    "Plait": plait,
    "Workflow": flow,
    "Standalone": alone,
    "Task": step,
    "Context": make_context(step),
    "Worker": plait.worker("w", workflows=[flow]),
    "WorkflowRunRef": plait.runs.get_run_ref(RUN_ID),
    **{
        f"plait.{name}": getattr(plait, name)
        for name in ("runs", "event", "cron", "scheduled", "filters", "workflows", "workers", "metrics")
    },
}


def read_sections() -> dict[str, str]:
    """The sections of the reference by their headings."""
    found: dict[str, str] = {}
    for path in sorted(REFERENCE.glob("*.md")):
        for section in re.split(r"^## ", path.read_text(), flags=re.M)[1:]:
            heading, _, text = section.partition("\n")
            found[heading] = text
    return found


SECTIONS = read_sections()


def is_documented(kind: str, name: str) -> bool:
    """By a heading of its own, as the twin of one, or by its name in the opening of the section."""
    section = SECTIONS[kind]
    if re.search(rf"^### {re.escape(kind)}\.{name}$", section, re.M) or f"To await: `{name}`." in section:
        return True
    told = [line for line in section.splitlines() if line.startswith("As in [")]
    return f"`{name}`" in section.partition("\n### ")[0] or any(f"`{name}`" in line for line in told)


@pytest.mark.parametrize("kind", OBJECTS)
def test_only_documented_names_are_public(kind: str) -> None:
    """``slot_released`` is of ``make_context``'s own context."""
    names = {name for name in dir(OBJECTS[kind]) if not name.startswith("_")} - {"slot_released"}
    documented = {name for name in names if any(is_documented(kind, one) for one in (name, name.removeprefix("aio_")))}
    assert names - documented == set()


def test_every_name_of_the_package_is_documented() -> None:
    headings = set(SECTIONS) | {heading.rpartition(".")[2] for heading in SECTIONS}
    assert {name for name in package.__all__ if name not in headings} == set()
