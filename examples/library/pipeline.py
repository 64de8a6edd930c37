"""A folder of texts, compared: one child run for each text, a join, then a person's approval or three days.

    list_texts ── describe_texts ── compare ── publish      publish waits: approved, or three days later; or rejected
                     │
                     └── for each text a run of:   check ──┬── words ─────┬── write_card
                                                           └── trigrams ──┘

Run it on the texts of ``examples/documents``, one of which arrives broken and is repaired::

    python examples/library/pipeline.py [FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from comparison import Card, WordCount, count_trigrams, count_words, find_title, render_table
from pydantic import BaseModel, DirectoryPath, Field, ValidationError, field_validator

from plait import (
    Context,
    FailedTaskRunExceptionGroup,
    NonRetryableException,
    Plait,
    SleepCondition,
    UserEventCondition,
    WorkflowRunRef,
    WorkflowRunStatus,
    or_,
)

HERE = Path(__file__).resolve().parent
SAMPLE_TEXTS = HERE.parent / "documents" / "texts"

plait = Plait()


# One text: the child workflow


class Text(BaseModel):
    """The input of a child run: a text, and the file that its card goes to."""

    path: Path
    card: Path


text = plait.workflow(name="DescribeText", input_validator=Text, description="Describe one text")


@text.task(retries=2, backoff_factor=2)
def check(input: Text, ctx: Context) -> str:
    """The title. A text without any word has not arrived whole, which no retry helps against."""
    title = find_title(read_text(input))
    if title is None:
        raise NonRetryableException(f"{input.path.name} holds no text")
    return title


@text.task(parents=[check])
def words(input: Text, ctx: Context) -> WordCount:
    return count_words(read_text(input))


@text.task(parents=[check])
def trigrams(input: Text, ctx: Context) -> dict[str, int]:
    return count_trigrams(read_text(input))


@text.task(parents=[check, words, trigrams])
def write_card(input: Text, ctx: Context) -> Path:
    """Store what is known. Between runs too goes the place of big data, not the data."""
    title, counted, found = ctx.task_output(check), ctx.task_output(words), ctx.task_output(trigrams)
    card = Card(name=input.path.name, title=title, words=counted, trigrams=found)
    write_file(input.card, card.model_dump_json())
    return input.card


def read_text(input: Text) -> str:
    return input.path.read_text(encoding="utf-8", errors="replace")


# All texts: the parent workflow


class Library(BaseModel):
    """The input: a folder of texts, the name that people approve it by, and the folder for the results."""

    name: str = Field(pattern=r"^[\w. -]+$")
    folder: DirectoryPath
    pattern: str = "*.txt"
    out: Path = HERE / "out"

    @field_validator("folder", "out")
    @classmethod
    def _make_absolute(cls, path: Path) -> Path:
        return path.resolve()  # the worker may run in another folder


library = plait.workflow(name="CompareLibrary", input_validator=Library, description="Compare the texts of a folder")


@library.task()
def list_texts(input: Library, ctx: Context) -> list[Path]:
    paths = sorted(path for path in input.folder.glob(input.pattern) if path.is_file())
    if not paths:
        raise NonRetryableException(f"{input.folder} holds no {input.pattern}")
    return paths


@library.task(parents=[list_texts], execution_timeout="1h")
async def describe_texts(input: Library, ctx: Context) -> list[Path]:
    """Start a child run for each text and wait for all.

    However often this task runs, after a failure, a replay, the death of its worker: by its ``child_key`` it finds the
    child run of each text again. Those that completed are not repeated.
    """
    items = []
    for path in ctx.task_output(list_texts):
        name = path.relative_to(input.folder).as_posix()
        one = Text(path=path, card=input.out / f"{input.name}-cards" / f"{name}.json")
        items.append(text.create_bulk_run_item(one, child_key=name))
    ctx.release_slot()  # waiting takes no place from the children
    results = await text.aio_run_many(items)
    return [Path(outputs["write_card"]) for outputs in results]


@library.task(parents=[describe_texts])
def compare(input: Library, ctx: Context) -> Path:
    """Write the draft: each text beside the one that is most like it."""
    cards = [Card.model_validate_json(path.read_bytes()) for path in ctx.task_output(describe_texts)]
    draft = input.out / f"{input.name}-draft.md"
    write_file(draft, render_table(input.name, cards))
    return draft


@library.task(
    parents=[compare],
    wait_for=[
        or_(UserEventCondition("library:approved:{input.name}", "input.by != ''", "approval"), SleepCondition("3d"))
    ],
    skip_if=[UserEventCondition("library:rejected:{input.name}")],
)
def publish(input: Library, ctx: Context) -> Path:
    """Publish the draft, and say who approved it. Until then this task holds neither a slot nor a process."""
    approval = ctx.trigger_data.get("approval")
    note = f"Approved by {approval['by']}." if approval else "Nobody objected for three days."
    page = input.out / f"{input.name}.md"
    write_file(page, f"{ctx.task_output(compare).read_text(encoding='utf-8')}\n{note}\n")
    return page


def write_file(path: Path, content: str) -> None:
    """Write a whole file or nothing, so that a task that runs again never leaves half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
    os.replace(temporary, path)


# The story, from end to end


async def run_once(input: Library, broken: Path | None) -> str:
    """Start a worker in this process and a run; repair what is broken, replay, approve. Returns the run's id."""
    worker = plait.worker("library", slots=8)
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.aio_start())
        ref = await library.aio_run_no_wait(input)
        try:
            if broken is not None:
                await fail_and_repair(ref, broken)
            await approve(ref, input)
            await ref.aio_result()
        except FailedTaskRunExceptionGroup as error:
            print(error, file=sys.stderr)
        worker.stop()
    return ref.workflow_run_id


async def fail_and_repair(ref: WorkflowRunRef, broken: Path) -> None:
    try:
        await ref.aio_result()
    except FailedTaskRunExceptionGroup as error:
        print(error)
    shutil.copyfile(SAMPLE_TEXTS / broken.name, broken)
    print(f"\nRepaired {broken.name}. Replaying: what completed is kept")
    await plait.runs.aio_replay(ref.workflow_run_id)


async def approve(ref: WorkflowRunRef, input: Library) -> None:
    """Wait for the draft, as a person would, and approve it."""
    while (details := await plait.runs.aio_get_details(ref.workflow_run_id)).finished_at is None:
        if waits_for := details.tasks["publish"].waits_for:
            print(f"\nThe draft waits for one of: {', '.join(waits_for)}")
            await plait.event.aio_push(f"library:approved:{input.name}", {"by": "Ada"})
            return
        await asyncio.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the texts of a folder, and publish the comparison.")
    parser.add_argument("folder", nargs="?", type=Path, help="a folder with *.txt (left out: texts of the examples)")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for the results")
    arguments = parser.parse_args()
    folder, broken = arguments.folder, None
    if folder is None:
        folder = shutil.copytree(SAMPLE_TEXTS, arguments.out / "texts", dirs_exist_ok=True)
        broken = folder / "udhr-pl.txt"
        broken.write_text("")  # what an upload leaves that breaks off at once
    try:
        input = Library(name=folder.resolve().name, folder=folder, out=arguments.out)
    except ValidationError as error:
        print(error, file=sys.stderr)
        return 2
    run_id = asyncio.run(run_once(input, broken))
    print("\nThe child runs, and how often each was begun:")
    for child in plait.runs.list_children(run_id):
        details = plait.runs.get_details(child.run.id)
        attempts = len(details.tasks["check"].attempts)
        print(f"  {child.run.id}  {child.run.status:<9}  {attempts}  {Path(details.input['path']).name}")
    details = plait.runs.get_details(run_id)
    print(f"\nComparison: {details.tasks['publish'].output}\nAll of it:  plait runs tree {run_id}")
    return 0 if details.status is WorkflowRunStatus.COMPLETED else 1


if __name__ == "__main__":
    sys.exit(main())
