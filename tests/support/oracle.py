"""What must hold after any fault: the database and the ledger are compared with what the graph says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from typing import Any

from plait.graph.definition import WorkflowDefinition
from support.database import ROOMS, Database
from support.ledger import Entry, Ledger, hash_output
from support.server import Server
from support.waiting import eventually

Expected = Callable[[Any], dict[str, Any]]
"""From a run's input to the output of each of its tasks."""


def check_oracle(database: Database, ledger: Ledger, expect: Expected, *, runs: int, reruns: int = 0) -> None:
    """Every check there is, where all runs are of one workflow. ``runs`` were started; at most ``reruns`` attempts may
    have been repeated."""
    check_outcomes(database, ledger, expect, runs=runs)
    check_order(database, ledger)
    repeated = count_reruns(ledger)
    assert repeated <= reruns, f"{repeated} attempts were repeated, {reruns} are explained by faults"
    check_at_rest(database)


def check_outcomes(
    database: Database,
    ledger: Ledger,
    expect: Expected | Mapping[str, Expected],
    *,
    runs: int | None = None,
    aside: Collection[str] = (),
) -> None:
    """All runs completed; exactly one accepted outcome per task; outputs are what the input says; each accepted output
    was really produced by a task body, in that attempt and by the worker that held it.

    ``expect`` for one workflow or by workflow; runs of the workflows ``aside`` are not looked at."""
    found = database.query(
        "SELECT r.id, r.status, r.input, v.workflow FROM plait.run r "
        "JOIN plait.workflow_version v ON v.id = r.version_id WHERE v.workflow <> ALL (%s)",
        list(aside),
    )
    assert runs is None or len(found) == runs, f"{runs} runs were acknowledged, {len(found)} are stored"
    others = [(workflow, str(run_id), status) for run_id, status, _, workflow in found if status != 2]
    assert others == [], "not all completed"
    accepted: dict[Any, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    authors: dict[tuple[Any, str], tuple[int, int]] = {}
    for run_id, task, attempt, pid, output in database.query(
        "SELECT a.run_id, v.definition::json -> 'tasks' -> a.task ->> 'name', a.attempt, w.pid, a.output "
        "FROM plait.attempt a JOIN plait.run r ON r.id = a.run_id JOIN plait.workflow_version v ON v.id = r.version_id "
        "LEFT JOIN plait.worker w ON w.id = a.worker_id WHERE a.status > 0 AND v.workflow <> ALL (%s)",
        list(aside),
    ):
        accepted[run_id][task].append(json.loads(output))
        authors[run_id, task] = attempt, pid
    produced = {
        (entry.run, entry.task, entry.attempt, entry.pid, entry.output)
        for entry in ledger.read()
        if entry.what == "end"
    }
    for run_id, _, input, workflow in found:
        wanted = (expect if callable(expect) else expect[workflow])(json.loads(input))
        assert accepted[run_id] == {task: [output] for task, output in wanted.items()}, (workflow, run_id)
        for task, output in wanted.items():
            author = authors[run_id, task]
            made = (str(run_id), task, *author, hash_output(output))
            assert made in produced, f"{task} of {run_id} was not put out by attempt and process {author}"


def check_order(database: Database, ledger: Ledger) -> None:
    """A task began only after the end of that attempt of each of its parents whose outcome was accepted, then or before
    a replay."""
    entries = ledger.read()
    ends: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for entry in entries:
        if entry.what == "end":
            ends[entry.run, entry.task].setdefault(entry.attempt, entry.at)
    accepted: dict[tuple[str, str], list[int]] = defaultdict(list)
    definitions = {
        str(run_id): WorkflowDefinition.from_json(text)
        for run_id, text in database.query(
            "SELECT r.id, v.definition FROM plait.run r JOIN plait.workflow_version v ON v.id = r.version_id"
        )
    }
    for run_id, task, attempt in database.query(
        "SELECT run_id, task, attempt FROM plait.attempt WHERE status > 0 OR plait.is_superseded(status)"
    ):
        accepted[str(run_id), definitions[str(run_id)].tasks[task].name].append(attempt)
    for entry in entries:
        if entry.what == "begin":
            definition = definitions[entry.run]
            for parent in definition.tasks[definition.index_by_name[entry.task]].parents:
                key = entry.run, definition.tasks[parent].name
                given = [at for attempt, at in ends[key].items() if attempt in accepted[key]]
                assert given, f"{entry} began, and no outcome of {key[1]} was accepted"
                assert min(given) <= entry.at, f"{entry} began before {key[1]} had ended"


def check_begins(ledger: Ledger, disturbed: Collection[int], excused: Collection[str] = ()) -> None:
    """No attempt began twice, and a task got another attempt only if the worker that had the one before was disturbed.
    Runs that somebody cancelled, replayed or made fail are excused."""
    by_task: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in ledger.read():
        if entry.what == "begin":
            by_task[entry.run, entry.task].append(entry)
    for (run, _), begins in by_task.items():
        begins.sort(key=lambda entry: entry.attempt)
        for before, after in pairwise(begins):
            assert before.attempt < after.attempt, f"one attempt began twice: {before}, {after}"
            assert before.pid in disturbed or run in excused, f"nothing was done to the worker of {before}, yet {after}"


def check_crons(database: Database) -> None:
    """A cron started one run for each fire time, for none of them two."""
    doubled = database.query(
        "SELECT trigger_id, metadata ->> 'fire_time', count(*) FROM plait.run WHERE trigger_kind = 3 "
        "GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert doubled == []


def count_reruns(ledger: Ledger) -> int:
    """Attempts that began although their task had begun before."""
    begins = ledger.count_begins()
    return sum(begins.values()) - len(begins)


def count_doubled(database: Database) -> int:
    """Tasks with more than one accepted outcome."""
    return int(
        database.value(
            "SELECT count(*) FROM (SELECT FROM plait.attempt WHERE status > 0 "
            "GROUP BY run_id, task HAVING count(*) > 1) doubled"
        )
    )


def check_at_rest(database: Database) -> None:
    """Once every run has ended: no row in any room, no transaction left open, no deadlock in the server's log."""
    for room in ROOMS:
        assert database.query(f"SELECT * FROM plait.{room}") == [], f"{room} is not empty"
    assert database.query("SELECT id, pending FROM plait.run WHERE status = 0") == []
    eventually(
        lambda: database.value(
            "SELECT count(*) = 0 FROM pg_stat_activity "
            "WHERE datname = current_database() AND state LIKE 'idle in transaction%%'"
        ),
        "no session is idle in transaction",
        seconds=5,
    )
    check_log(database)


def count_deadlocks(database: Database) -> int:
    """Deadlocks that the server has reported."""
    return database.server.read_log().count("deadlock detected")


def check_log(database: Database) -> None:
    """The server reported no deadlock and no crash of a backend."""
    check_server_log(database.server)


def check_server_log(server: Server) -> None:
    """As ``check_log``, of all that the server did for whichever test since it was last asked."""
    log = server.read_new_log()
    for sign in ("deadlock detected", "was terminated by signal"):
        where = log.find(sign)
        if where >= 0:
            raise AssertionError(f"{sign}:\n{log[max(0, where - 500) : where + 2000]}")
