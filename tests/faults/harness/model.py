"""What the store shall do, as small as can be: runs and their tasks in rooms, in memory, for one step at a time.

Nothing of the product's rules is used here but the statuses and the shape of a definition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from plait.graph.definition import Status, TaskKind, WorkflowDefinition

RoomName = Literal["none", "ready", "running", "waiting", "ended"]
Key = tuple[UUID, int]


@dataclass(slots=True)
class Task:
    """One task of a run. ``key``: of the event it waits for; ``timed``: it waits for a time; ``ordered``: it is to
    be cancelled."""

    room: RoomName = "none"
    attempt: int = 0
    retry: int = 0
    lost: int = 0
    worker: UUID | None = None
    status: Status | None = None
    key: str | None = None
    timed: bool = False
    ordered: bool = False


@dataclass(slots=True)
class Run:
    definition: WorkflowDefinition
    parent: Key | None
    events_before: int
    """How many events had been pushed when it was started."""
    tasks: list[Task] = field(default_factory=list)
    status: Status | None = None
    """None while it is open."""
    first_attempt: int = 1

    @property
    def worst(self) -> Status:
        outcomes = [task.status for task in self.tasks if task.status is not None]
        return max([Status.COMPLETED, *outcomes])


class Model:
    """All runs, and the events in the order of their pushes."""

    def __init__(self) -> None:
        self.runs: dict[UUID, Run] = {}
        self.events: list[str] = []
        self.delivered = 0
        self.begun: dict[UUID, list[tuple[Key, int]]] = defaultdict(list)
        """Attempts of suspects whose code a worker has begun."""

    # questions

    def list_tasks(self, room: RoomName) -> list[Key]:
        return [(id, n) for id, run in self.runs.items() for n, task in enumerate(run.tasks) if task.room == room]

    def list_suspects(self) -> list[Key]:
        """Running tasks with which a worker was lost before."""
        return [key for key in self.list_tasks("running") if self.find(key).lost]

    def list_claimable(self, limit: int, parts: int) -> list[Key]:
        """What a worker gets with so many parts free for suspects: one that was lost once takes a part, one that was
        lost more often all; the first that does not fit lets none pass."""
        found, used = [], 0
        for key in sorted(self.list_tasks("ready")):
            lost = self.find(key).lost
            used += 0 if not lost else 1 if lost == 1 else parts
            if not lost or used <= parts:
                found.append(key)
        return found[:limit]

    def find(self, key: Key) -> Task:
        return self.runs[key[0]].tasks[key[1]]

    def holds(self, worker: UUID, key: Key, attempt: int) -> bool:
        """Whether a worker's word about an attempt counts."""
        run = self.runs.get(key[0])
        if run is None or run.status is not None:
            return False
        task = run.tasks[key[1]]
        return task.room == "running" and task.worker == worker and task.attempt == attempt

    def decide(self, key: Key) -> Status | None:
        """The outcome of a task whose code may not run; None when it runs."""
        run, task = self.runs[key[0]], self.find(key)
        spec = run.definition.tasks[key[1]]
        if task.ordered:
            return Status.CANCELLED
        if spec.kind is TaskKind.ON_FAILURE:
            return None if run.worst is Status.FAILED else Status.SKIPPED
        if spec.kind is TaskKind.ON_SUCCESS:
            return None if run.worst is Status.COMPLETED else Status.SKIPPED
        parents = [run.tasks[parent].status for parent in spec.parents]
        if Status.FAILED in parents or Status.CANCELLED in parents:
            return Status.CANCELLED
        return Status.SKIPPED if parents and set(parents) == {Status.SKIPPED} else None

    def list_family(self, root: UUID) -> list[UUID]:
        found = [root]
        for parent in found:
            found += [id for id, run in self.runs.items() if run.parent is not None and run.parent[0] == parent]
        return [id for id in found if id in self.runs]

    # steps

    def start(self, id: UUID, definition: WorkflowDefinition, parent: Key | None = None) -> None:
        run = self.runs[id] = Run(definition, parent, len(self.events), [Task() for _ in definition.tasks])
        self._free(run, definition.roots)

    def claim(self, key: Key, worker: UUID) -> None:
        task = self.find(key)
        assert task.room == "ready", f"{key} was claimed out of {task.room}"
        task.room, task.worker = "running", worker

    def begin(self, key: Key) -> None:
        """The code of a suspect begins."""
        task = self.find(key)
        assert task.worker is not None
        if (one := (key, task.attempt)) not in self.begun[task.worker]:
            self.begun[task.worker].append(one)

    def conclude(self, key: Key, status: Status) -> list[Key]:
        """A task ends. Returns the tasks that this freed."""
        run, task = self.runs[key[0]], self.find(key)
        task.room, task.status, task.worker = "ended", status, None
        freed = [
            child
            for child in run.definition.children[key[1]]
            if run.tasks[child].room == "none"
            and all(run.tasks[parent].room == "ended" for parent in run.definition.tasks[child].parents)
        ]
        self._free(run, freed)
        if all(task.room == "ended" for task in run.tasks):
            run.status = run.worst
        return [(key[0], child) for child in freed]

    def send_back(self, key: Key, *, spends_retry: bool, later: bool) -> None:
        """An attempt fails and is tried again, or is handed back."""
        task = self.find(key)
        task.attempt += 1
        task.retry += spends_retry
        task.worker = None
        task.room = "waiting" if later and not task.ordered else "ready"
        task.timed, task.key = task.room == "waiting", None

    def park(self, key: Key, event: str | None, *, seen: bool) -> None:
        """A task waits for an event, or else for a time. ``seen``: its judge has seen all that was delivered."""
        run, task = self.runs[key[0]], self.find(key)
        news = event is not None and not seen and event in self.events[run.events_before : self.delivered]
        task.worker = None
        task.room = "ready" if news or task.ordered else "waiting"
        task.key, task.timed = (event, event is None) if task.room == "waiting" else (None, False)

    def wake(self) -> None:
        """All times have come."""
        for key in self.list_tasks("waiting"):
            if self.find(key).timed:
                self._queue(self.find(key))

    def deliver(self) -> None:
        fresh = set(self.events[self.delivered :])
        self.delivered = len(self.events)
        for key in self.list_tasks("waiting"):
            if self.find(key).key in fresh:
                self._queue(self.find(key))

    def order_cancel(self, key: Key) -> bool | None:
        run, task = self.runs[key[0]], self.find(key)
        if run.status is not None:
            return None
        if task.room == "ended":
            return False
        task.ordered = True
        if task.room == "waiting":
            self._queue(task)
        return True

    def cancel(self, root: UUID) -> set[UUID]:
        """Cancel a family. Returns the runs that this ended."""
        active = {id for id in self.list_family(root) if self.runs[id].status is None}
        for id in active:
            run = self.runs[id]
            run.status = max(run.worst, Status.CANCELLED)
            for task in run.tasks:
                if task.room in ("ready", "running", "waiting"):
                    task.room, task.status, task.worker = "ended", Status.CANCELLED, None
        return active

    def list_again(self, id: UUID) -> set[int]:
        """What a replay of a run runs again."""
        run = self.runs[id]
        again: set[int] = set()
        for number, (task, spec) in enumerate(zip(run.tasks, run.definition.tasks, strict=True)):
            kept = task.status in (Status.COMPLETED, Status.SKIPPED)
            if not kept or again & set(spec.parents):
                again.add(number)
        return again

    def replay(self, id: UUID, first_attempt: int) -> None:
        run, again = self.runs[id], self.list_again(id)
        run.status, run.first_attempt = None, first_attempt
        for number, task in enumerate(run.tasks):
            if number in again:
                run.tasks[number] = Task()
            task.ordered = False
        self._free(run, [n for n in again if not again & set(run.definition.tasks[n].parents)])

    def lose(self, worker: UUID) -> None:
        """A worker has died, and what it held goes back. That counts as a loss where its code may have been the cause:
        of what was lost before one knows whether it had begun."""
        for key in self.list_tasks("running"):
            task = self.find(key)
            if task.worker == worker:
                task.lost += not task.lost or (key, task.attempt) in self.begun[worker]
                task.attempt += 1
                self._queue(task)

    def prune(self) -> None:
        """Whatever has ended goes, a child not before its parent. No event goes that a run may still look at."""
        kept = {id for id, run in self.runs.items() if run.status is None}
        while more := {
            id for id, run in self.runs.items() if id not in kept and run.parent is not None and run.parent[0] in kept
        }:
            kept |= more
        self.runs = {id: run for id, run in self.runs.items() if id in kept}

    def _free(self, run: Run, tasks: Iterable[int]) -> None:
        for number in tasks:
            run.tasks[number] = Task("ready", run.first_attempt, ordered=run.tasks[number].ordered)

    def _queue(self, task: Task) -> None:
        task.room, task.worker, task.key, task.timed = "ready", None, None, False
