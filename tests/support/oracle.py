"""What must hold after any fault: the database and the ledger are compared with what the graph says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from plait.graph.definition import WorkflowDefinition
from support.database import ROOMS, Database
from support.ledger import Ledger, hash_output
from support.server import Server
from support.waiting import eventually

Expected = Callable[[Any], dict[str, Any]]
"""From a run's input to the output of each of its tasks."""


def check_oracle(database: Database, ledger: Ledger, expect: Expected, *, runs: int, reruns: int = 0) -> None:
    """Every check there is. ``runs`` were started; at most ``reruns`` attempts may have been repeated."""
    check_outcomes(database, ledger, expect, runs=runs)
    check_order(database, ledger)
    begins = ledger.count_begins()
    repeated = sum(begins.values()) - len(begins)
    assert repeated <= reruns, f"{repeated} attempts were repeated, {reruns} are explained by faults"
    check_at_rest(database)


def check_outcomes(database: Database, ledger: Ledger, expect: Expected, *, runs: int) -> None:
    """All runs completed; exactly one accepted outcome per task; outputs are what the input says; each accepted output
    was really produced by a task body."""
    found = database.query("SELECT id, status, input FROM plait.run")
    assert len(found) == runs, f"{runs} runs were acknowledged, {len(found)} are stored"
    assert {status for _, status, _ in found} == {2}
    accepted: dict[Any, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for run_id, task, output in database.query(
        "SELECT a.run_id, v.definition::json -> 'tasks' -> a.task ->> 'name', a.output FROM plait.attempt a "
        "JOIN plait.run r ON r.id = a.run_id JOIN plait.workflow_version v ON v.id = r.version_id WHERE a.status > 0"
    ):
        accepted[run_id][task].append(json.loads(output))
    produced = {(entry.run, entry.task, entry.output) for entry in ledger.read() if entry.what == "end"}
    for run_id, _, input in found:
        wanted = expect(json.loads(input))
        assert accepted[run_id] == {task: [output] for task, output in wanted.items()}, run_id
        for task, output in wanted.items():
            assert (str(run_id), task, hash_output(output)) in produced


def check_order(database: Database, ledger: Ledger) -> None:
    """A task began only after an end of each of its parents."""
    first_end: dict[tuple[str, str], float] = {}
    for entry in ledger.read():
        if entry.what == "end":
            first_end.setdefault((entry.run, entry.task), entry.at)
    definitions = {
        str(run_id): WorkflowDefinition.from_json(text)
        for run_id, text in database.query(
            "SELECT r.id, v.definition FROM plait.run r JOIN plait.workflow_version v ON v.id = r.version_id"
        )
    }
    for entry in ledger.read():
        if entry.what == "begin":
            definition = definitions[entry.run]
            for parent in definition.tasks[definition.index_by_name[entry.task]].parents:
                assert first_end[entry.run, definition.tasks[parent].name] <= entry.at, entry


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


def check_log(database: Database) -> None:
    """The server reported no deadlock and no crash of a backend."""
    check_server_log(database.server)


def check_server_log(server: Server) -> None:
    """As ``check_log``, of all that the server did for whichever test."""
    log = server.read_log()
    for sign in ("deadlock detected", "was terminated by signal"):
        assert sign not in log, log[log.index(sign) - 500 : log.index(sign) + 2000]
