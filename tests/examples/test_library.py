from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from plait import FailedTaskRunExceptionGroup, Plait, WorkflowRunRef
from plait.testing import PlaitTest
from support.waiting import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXTS = EXAMPLES / "documents" / "texts"

sys.path.append(str(EXAMPLES / "library"))

from comparison import Card, WordCount, count_trigrams, count_words, find_title, measure_similarity  # noqa: E402

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The example's module, loaded anew: its Plait has not been used. (Every example has a ``pipeline.py``.)"""
    spec = importlib.util.spec_from_file_location("library_pipeline", EXAMPLES / "library" / "pipeline.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    yield module
    module.plait.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three texts."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for language in ("de", "en", "nl"):
        shutil.copy(TEXTS / f"udhr-{language}.txt", folder)
    return folder


def start(example: ModuleType, folder: Path) -> WorkflowRunRef:
    return example.library.run_no_wait(example.Library(name="shelf", folder=folder, out=folder.parent / "out"))


def list_names(plait: Plait, run_id: str) -> list[str]:
    """The texts that the child runs are about."""
    children = plait.runs.list_children(run_id)
    inputs = [plait.runs.get_details(child.run.id).input for child in children]
    return sorted(Path(input["path"]).name for input in inputs)


def wait_for_draft(plait: Plait, run_id: str) -> tuple[str, ...]:
    return eventually(lambda: plait.runs.get_details(run_id).tasks["publish"].waits_for, "publish waits")


def test_the_script_replays_the_broken_text_alone_and_publishes(run_example: Run, tmp_path: Path) -> None:
    finished = run_example("library/pipeline.py")
    assert finished.returncode == 0, finished.stderr
    assert "udhr-pl.txt holds no text" in finished.stdout
    begun = [line.split()[1:] for line in finished.stdout.splitlines() if line.endswith(".txt") and "  " in line]
    names = sorted(path.name for path in TEXTS.glob("*.txt"))
    assert sorted(begun, key=lambda line: line[2]) == [
        ["COMPLETED", "2" if name == "udhr-pl.txt" else "1", name] for name in names
    ]
    page = (tmp_path / "out" / "texts.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if ".txt" in line]
    nearest = {row[0].removeprefix("udhr-").removesuffix(".txt"): row[4][-6:-4] for row in rows}
    assert len(nearest) == 11
    assert {name: nearest[name] for name in ("alice", "de", "nl", "es", "pt", "ru")} == {
        "alice": "en",
        "de": "nl",
        "nl": "de",
        "es": "pt",
        "pt": "es",
        "ru": "",
    }
    assert page.endswith("Approved by Ada.\n")


def test_a_broken_text_in_a_folder_of_ones_own_is_named(run_example: Run, folder: Path) -> None:
    (folder / "empty.txt").write_text("\n")
    finished = run_example("library/pipeline.py", str(folder))
    assert finished.returncode == 1
    assert "empty.txt holds no text" in finished.stderr


def test_a_folder_that_is_missing_is_refused(run_example: Run, tmp_path: Path) -> None:
    finished = run_example("library/pipeline.py", "nowhere")
    assert finished.returncode == 2
    assert "Path does not point to a directory" in finished.stderr


def test_a_worker_that_dies_amid_the_child_runs_doubles_none(
    example: Any, folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alice = (TEXTS / "alice.txt").read_text()
    for number in range(6):
        (folder / f"alice-{number}.txt").write_text(alice * 3)
    names = sorted(path.name for path in folder.iterdir())
    monkeypatch.setenv("PLAIT_DATABASE_URL", database_url)
    plait = example.plait
    with serve(tmp_path / "worker.log") as supervisor:
        run = start(example, folder)
        eventually(lambda: len(plait.runs.list_children(run.workflow_run_id)) == len(names), "the child runs are there")
        [worker] = supervisor.children()
        worker.kill()
        assert plait.runs.get_details(run.workflow_run_id).tasks["compare"].started_at is None
        plait.event.push("library:approved:shelf", {"by": "Grace"})
        assert set(run.result(60)) == {"list_texts", "describe_texts", "compare", "publish"}
        task = plait.runs.get_details(run.workflow_run_id).tasks["describe_texts"]
        assert [attempt.outcome for attempt in task.attempts] == ["LOST", "COMPLETED"]
        assert list_names(plait, run.workflow_run_id) == names

        plait.runs.replay(run.workflow_run_id, tasks=["describe_texts"])  # it completed: all of it is done anew
        run.result(60)  # the approval, which came after the trigger, still counts
        assert list_names(plait, run.workflow_run_id) == sorted([*names, *names])
    assert (tmp_path / "out" / "shelf.md").read_text().endswith("Approved by Grace.\n")


def test_without_an_approval_it_is_published_after_three_days(
    example: Any, folder: Path, plait_test: PlaitTest
) -> None:
    plait_test.use(example.plait)
    began = plait_test.clock.now()
    output = plait_test.run(example.library, example.Library(name="shelf", folder=folder, out=folder.parent / "out"))
    assert 3 <= (plait_test.clock.now() - began).total_seconds() / 86_400 < 3.1
    assert Path(output["publish"]).read_text().endswith("Nobody objected for three days.\n")


def test_an_approval_releases_it_and_one_by_nobody_does_not(example: Any, folder: Path, plait_test: PlaitTest) -> None:
    plait_test.use(example.plait)
    run = start(example, folder)
    assert "3 d after its parents" in wait_for_draft(example.plait, run.workflow_run_id)
    for payload in ({"by": ""}, {}):
        example.plait.event.push("library:approved:shelf", payload)
    example.plait.event.push("library:approved:another", {"by": "Ada"})
    plait_test.settle()
    wait_for_draft(example.plait, run.workflow_run_id)
    example.plait.event.push("library:approved:shelf", {"by": "Ada"})
    page = Path(run.result(20)["publish"]).read_text()
    assert page.startswith("# shelf: 3 texts\n")
    assert page.endswith("Approved by Ada.\n")
    assert list_names(example.plait, run.workflow_run_id) == ["udhr-de.txt", "udhr-en.txt", "udhr-nl.txt"]


def test_a_rejected_draft_is_not_published(example: Any, folder: Path, plait_test: PlaitTest) -> None:
    plait_test.use(example.plait)
    run = start(example, folder)
    example.plait.event.push("library:rejected:shelf", {})
    assert run.result(20)["publish"] == {"skipped": True}
    assert [path.name for path in (folder.parent / "out").glob("*.md")] == ["shelf-draft.md"]


def test_only_the_text_that_failed_is_described_again(example: Any, folder: Path, plait_test: PlaitTest) -> None:
    plait = example.plait
    plait_test.use(plait)
    (folder / "udhr-pl.txt").write_text("")
    run = start(example, folder)
    with pytest.raises(FailedTaskRunExceptionGroup, match=r"udhr-pl\.txt holds no text"):
        run.result(20)
    shutil.copy(TEXTS / "udhr-pl.txt", folder)
    plait.runs.replay(run.workflow_run_id)
    wait_for_draft(plait, run.workflow_run_id)
    attempts = {}
    for child in plait.runs.list_children(run.workflow_run_id):
        details = plait.runs.get_details(child.run.id)
        attempts[Path(details.input["path"]).name] = [len(task.attempts) for task in details.tasks.values()]
    assert attempts.pop("udhr-pl.txt")[0] == 2
    assert attempts == {f"udhr-{language}.txt": [1, 1, 1, 1] for language in ("de", "en", "nl")}


def test_trigrams_words_and_titles() -> None:
    assert find_title("\n -- \n  The   Cat\nsat") == "The Cat"
    assert find_title("1 2 3\n") is None
    assert count_words("The cat, the hat.") == WordCount(total=4, distinct=3)
    assert count_trigrams("The he") == {"he ": 2, " th": 1, "the": 1, " he": 1}


def test_similarity_is_one_for_the_same_text_and_zero_without_a_common_trigram() -> None:
    def make(text: str) -> Card:
        return Card(name=text, title=text, words=count_words(text), trigrams=count_trigrams(text))

    assert measure_similarity(make("a cat"), make("a cat a cat")) == pytest.approx(1)
    assert measure_similarity(make("кот"), make("cat")) == 0


@contextmanager
def serve(log: Path) -> Iterator[psutil.Process]:
    """``plait worker`` for the example; the supervisor's process."""
    command = [sys.executable, "-m", "plait", "worker", "--slots", "4", str(EXAMPLES / "library" / "pipeline.py")]
    with log.open("w") as output:
        worker = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield psutil.Process(worker.pid)
    finally:
        worker.terminate()
        assert worker.wait(40) == 0, log.read_text()
