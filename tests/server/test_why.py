"""Why a task is waiting, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from plait.features.why import Capacity, Waiting, explain_waiting
from plait.graph.definition import TaskKind
from plait.types import TaskStatus

PENDING, QUEUED, RUNNING = TaskStatus.PENDING, TaskStatus.QUEUED, TaskStatus.RUNNING
COMPLETED = TaskStatus.COMPLETED
LATER = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"status": RUNNING}, None),
        ({"status": COMPLETED}, None),
        ({"status": QUEUED}, "No live worker has this task's code."),
        (
            {"status": QUEUED, "capacity": Capacity(1, 8, 8)},
            "All slots of the worker that has its code are busy (8/8).",
        ),
        (
            {"status": QUEUED, "capacity": Capacity(3, 24, 24)},
            "All slots of the 3 workers that have its code are busy (24/24).",
        ),
        (
            {"status": QUEUED, "capacity": Capacity(1, 8, 2)},
            "It is ready: the worker that has its code may take it at any moment (2/8 slots busy).",
        ),
        (
            {"status": QUEUED, "capacity": Capacity(other_format=True)},
            "Live workers have this task, but cannot read how it is stored here: they run another version of Plait.",
        ),
        (
            {"status": QUEUED, "capacity": Capacity(1, 8, 2), "losses": 1},
            "It was lost with its worker: another takes it once it holds few such tasks.",
        ),
        (
            {"status": PENDING, "parked": True, "due_at": LATER, "handed_back": "it cannot read it"},
            "It waits until 2026-01-02 03:04:05 UTC, then a worker tries again. The last one handed it back: "
            "it cannot read it.",
        ),
        ({"status": QUEUED, "cancel_asked": True}, "It is being cancelled: the next worker that takes it ends it."),
        ({"status": PENDING, "parents": [("a", RUNNING)]}, "It waits for its parent a (running)."),
        (
            {"status": PENDING, "parents": [("a", RUNNING), ("b", COMPLETED), ("c", PENDING)]},
            "It waits for 2 of its 3 parents: a (running) and c (pending).",
        ),
        (
            {"status": PENDING, "parents": [(name, QUEUED) for name in "abcdef"]},
            "It waits for 6 of its 6 parents: a (queued), b (queued), c (queued) and 3 more.",
        ),
        (
            {"status": PENDING, "parents": [("a", COMPLETED)]},
            "All its parents are done: a worker is about to decide whether it runs.",
        ),
        (
            {"status": PENDING, "kind": TaskKind.ON_FAILURE, "parents": [("a", RUNNING)]},
            "It runs if the run fails, once all else has ended: a (running).",
        ),
        (
            {"status": PENDING, "kind": TaskKind.ON_SUCCESS, "parents": [("a", RUNNING)]},
            "It runs if the run succeeds, once all else has ended: a (running).",
        ),
        (
            {"status": PENDING, "parked": True, "retries": 1, "due_at": LATER},
            "It waits until 2026-01-02 03:04:05 UTC for its next attempt, after 1 failed attempt.",
        ),
        ({"status": PENDING, "parked": True, "retries": 2}, "It waits for its next attempt, after 2 failed attempts."),
        (
            {"status": PENDING, "parked": True, "waits_for": ["event 'paid'"]},
            "It waits for event 'paid'.",
        ),
        (
            {"status": PENDING, "parked": True, "waits_for": ["event 'paid'", "1 h"], "due_at": LATER},
            "It waits for event 'paid' or 1 h, at most until 2026-01-02 03:04:05 UTC.",
        ),
        ({"status": PENDING, "parked": True, "due_at": LATER}, "It waits until 2026-01-02 03:04:05 UTC."),
        ({"status": PENDING, "parked": True}, "It waits for an event."),
    ],
)
def test_every_reason_has_its_sentence(facts: dict[str, Any], sentence: str | None) -> None:
    assert explain_waiting(Waiting(**facts)) == sentence
