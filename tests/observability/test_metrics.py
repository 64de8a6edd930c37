"""Metrics: what the server and a worker process tell Prometheus, and what the reference says of it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from observability.conftest import BRISK
from plait import Context, EmptyModel, Plait
from plait.server import serve as runner
from plait.server.metrics import SERVER_METRICS
from plait.worker.exposition import WORKER_METRICS, collect_metrics, render_metrics
from plait.worker.gateway import merge_metrics
from plait.worker.meter import Meter
from support import http
from support.database import Database
from support.waiting import eventually

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def read_rows(section: str) -> dict[str, list[str]]:
    """The cells behind the name of each metric in a section of the reference."""
    text = REFERENCE.read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("`"): row[1:] for row in rows}


def read_labels(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def parse(text: str) -> dict[str, Any]:
    """Families by name; that of a counter with its ``_total``."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(text)
    }


def list_labels(family: Any) -> set[str]:
    return {label for sample in family.samples for label in sample.labels} - {"le"}


def find_value(families: dict[str, Any], name: str, suffix: str = "", **labels: str) -> float:
    """The value of a series, 0 if there is none."""
    found = [s.value for s in families[name].samples if s.name == name + suffix and s.labels == labels]
    return found[0] if found else 0.0


@pytest.fixture
def plait(database: Database) -> Iterator[Plait]:
    """Without tracing."""
    plait = Plait(database.url)
    yield plait
    plait.close()


def find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def flows(plait: Plait) -> Any:
    shaky = plait.workflow(name="shaky")

    @shaky.task(retries=1)
    def first(input: EmptyModel, ctx: Context) -> None:
        if ctx.retry_count == 0:
            raise ValueError("once")

    @shaky.task(parents=[first])
    async def second(input: EmptyModel, ctx: Context) -> None: ...

    return shaky


def test_the_reference_lists_every_metric_of_the_server_and_says_what_it_says(
    plait: Plait, flows: Any, work: Any
) -> None:
    @plait.task(name="never")
    def never(input: EmptyModel, ctx: Context) -> None: ...

    never.run_no_wait()
    work(flows, timings=BRISK)
    flows.run()
    eventually(lambda: plait.metrics.get_pace()[0].ended == 3, "the heartbeat has told of three attempts")
    server = runner.start(plait)
    try:
        families = parse(http.get(f"{server.url}metrics").text)
    finally:
        server.stop()
    rows = read_rows("Of the database as a whole")
    assert list(rows) == list(SERVER_METRICS) == list(families)
    for name, (labels, text) in rows.items():
        assert text == SERVER_METRICS[name] == families[name].documentation
        assert families[name].type == "gauge"
        if families[name].samples:
            assert list_labels(families[name]) == read_labels(labels), name
    assert find_value(families, "plait_tasks_ready", workflow="never", task="never") == 1
    assert find_value(families, "plait_recent_attempts", window="300s") == 3
    assert find_value(families, "plait_recent_failed_attempts", window="300s") == 1
    assert find_value(families, "plait_recent_runs", status="completed") == 1
    assert find_value(families, "plait_recent_tasks", status="completed") == 2
    assert find_value(families, "plait_workers") == 1


def test_the_reference_lists_every_metric_of_a_worker_and_says_what_it_says(
    plait: Plait, flows: Any, database: Database, work: Any
) -> None:
    port = find_port()
    work(flows, health_port=port)
    flows.run_many([flows.create_bulk_run_item() for _ in range(5)])
    families = parse(http.get(f"http://127.0.0.1:{port}/metrics").text)
    rows = read_rows("Of one worker process")
    assert list(rows) == list(WORKER_METRICS) == list(families)
    for name, (kind, labels, text) in rows.items():
        assert (kind, text) == WORKER_METRICS[name]
        assert (kind, text) == (families[name].type, families[name].documentation)
        assert list_labels(families[name]) == read_labels(labels), name
    outcomes = {
        (task, outcome): find_value(
            families, "plait_worker_attempts_total", workflow="shaky", task=task, outcome=outcome
        )
        for task in ("first", "second")
        for outcome in ("retried", "completed")
    }
    assert outcomes == {
        ("first", "retried"): 5,
        ("first", "completed"): 5,
        ("second", "retried"): 0,
        ("second", "completed"): 5,
    }
    assert find_value(families, "plait_worker_attempt_seconds", "_count", workflow="shaky", task="first") == 10
    flushed = find_value(families, "plait_worker_flush_outcomes", "_sum")
    assert flushed == 15
    assert find_value(families, "plait_worker_flush_seconds", "_count") >= 1
    assert find_value(families, "plait_worker_claim_tasks", "_sum") >= 5
    assert find_value(families, "plait_worker_ready") == 1


def test_a_value_is_counted_in_every_bucket_from_its_bound_on() -> None:
    meter = Meter()
    for size in (1, 5, 6, 1000):
        meter.note_flush(size, 0.001)
    families = parse(render_metrics(collect_metrics(meter, {})).decode())
    buckets = [sample for sample in families["plait_worker_flush_outcomes"].samples if "le" in sample.labels]
    assert {sample.labels["le"]: sample.value for sample in buckets} == {
        "1.0": 1, "2.0": 1, "5.0": 2, "10.0": 3, "20.0": 3, "50.0": 3, "100.0": 3, "200.0": 3, "500.0": 3, "+Inf": 4,
    }  # fmt: skip
    assert find_value(families, "plait_worker_flush_outcomes", "_sum") == 1012
    assert find_value(families, "plait_worker_flush_seconds", "_bucket", le="0.001") == 4


def test_metrics_of_several_processes_are_one_exposition() -> None:
    """Whatever stands in a label, as long as Prometheus can read it."""
    odd = 'a{b} "c" \\d \u2028# HELP e'
    escaped = odd.replace("\\", "\\\\").replace('"', '\\"')
    counter = f'# HELP m_total help\n# TYPE m_total counter\nm_total{{task="{escaped}"}} 1\n'
    one = f"{counter}# HELP g help\n# TYPE g gauge\ng 5\n"
    families = parse(merge_metrics([("1", one), ("2", one), ("3", "")]))
    assert [(sample.labels, sample.value) for sample in families["m_total"].samples] == [
        ({"process": "1", "task": odd}, 1.0),
        ({"process": "2", "task": odd}, 1.0),
    ]
    assert [(sample.labels["process"], sample.value) for sample in families["g"].samples] == [("1", 5.0), ("2", 5.0)]
