"""``python -m benchmarks.dashboard``: what the dashboard costs.

What its calls take with a long history, how soon a page hears of a change, and what watching costs the engine.

The history is made by set-based SQL: finished runs of three workflows over thirty days, one of which is rare. Every
call that a page makes is then asked for again and again over one connection, as a browser does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from statistics import median
from typing import Any

import httpx
import psycopg

from benchmarks.__main__ import open_server
from plait import Context, EmptyModel, Plait
from plait.client import get_access

LIMIT_MS = 100.0
DAYS = 30

HISTORY = """
INSERT INTO plait.run (id, created_at, finished_at, version_id, priority, status, worst, pending, input, metadata)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n %% 4096), 3, '0') || '8'
        || lpad(to_hex(n), 15, '0'))::uuid,
       at, at + (50 + n %% 1000) * interval '1 millisecond',
       CASE WHEN n %% 10000 = 0 THEN %(rare)s WHEN n %% 3 = 0 THEN %(second)s ELSE %(first)s END,
       1, s.status, s.status, '{}', convert_to('{"n":' || n || '}', 'UTF8'),
       jsonb_build_object('user', n %% 1000, 'batch', n / 1000)
FROM generate_series(1, %(runs)s) AS g(n)
CROSS JOIN LATERAL (SELECT now() - (%(runs)s - n + 10)::float8 / %(runs)s * interval '%(days)s days') AS t(at)
CROSS JOIN LATERAL (SELECT CASE WHEN n %% 100 = 0 THEN 4 WHEN n %% 101 = 0 THEN 3 ELSE 2 END) AS s(status)
"""
ATTEMPTS = """
INSERT INTO plait.attempt (run_id, queued_at, started_at, finished_at, task, attempt, retry, status, output, error)
SELECT r.id, r.created_at, r.created_at, r.finished_at, t.task, 1, 0,
       CASE WHEN t.task = 1 THEN r.status ELSE 2 END, '42'::bytea,
       CASE WHEN t.task = 1 AND r.status = 4
            THEN convert_to('{"type":"ValueError","message":"boom","trace":"Traceback"}', 'UTF8') END
FROM plait.run r CROSS JOIN generate_series(0, 1) AS t(task)
"""
EVENTS = """
INSERT INTO plait.event (id, created_at, position, key, payload)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid,
       at, n, 'order:' || n %% 10, '{"n":1}'
FROM generate_series(1, %(events)s) AS g(n)
CROSS JOIN LATERAL (SELECT now() - (%(events)s - n + 10)::float8 / %(events)s * interval '30 days') AS t(at)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="finished runs (default 1000000)")
    parser.add_argument("--queued", type=int, default=20_000, help="runs that wait for a worker (default 20000)")
    parser.add_argument("--samples", type=int, default=40, help="times that each call is asked for (default 40)")
    parser.add_argument("--changes", type=int, default=100, help="changes whose way to a page is timed (default 100)")
    parser.add_argument("--watched", type=int, default=30_000, help="runs of a round with and without watcher")
    options = parser.parse_args()
    with open_server() as (url, _), closing(Plait(url)) as plait:
        make_history(plait, url, options.runs, options.queued)
        with serving(url) as address:
            result = {
                "runs": options.runs,
                "calls": measure_calls(address, options.samples),
                "change_to_page_ms": measure_changes(address, plait, options.changes),
                "watching": measure_watching(address, plait, options.watched),
            }
    print(json.dumps({key: value for key, value in result.items() if key != "calls"}, indent=2))
    slow = [name for name, call in result["calls"].items() if call["p95_ms"] > LIMIT_MS]
    print(f"calls above {LIMIT_MS:g} ms (p95): {', '.join(slow) or 'none'}")


def declare(plait: Plait) -> list[Any]:
    """Two workflows of two tasks, a rare one, a wide one, and one that nobody serves."""
    flows = []
    for name in ("orders", "reports", "audit"):
        flow = plait.workflow(name=name)
        first = flow.task(name="first")(lambda input, ctx: 1)
        flow.task(name="second", parents=[first])(lambda input, ctx: 2)
        flows.append(flow)
    wide = plait.workflow(name="wide")
    root = wide.task(name="root")(lambda input, ctx: 1)
    for number in range(500):
        wide.task(name=f"leaf-{number}", parents=[root])(lambda input, ctx: 2)
    return [*flows, wide]


def make_history(plait: Plait, url: str, runs: int, queued: int) -> None:
    flows = declare(plait)
    get_access(plait).portal.call(get_access(plait).open_engine())

    async def register() -> list[int]:
        engine = await get_access(plait).open_engine()
        versions = []
        for flow in flows:
            version = await engine.versions.register(flow.definition)
            await engine.store.control.serve_workflow(version.definition, version.id)
            versions.append(version.id)
        return versions

    first, second, rare, _ = get_access(plait).portal.call(register())
    begin = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        # psycopg's client-side binding: the interval is a literal.
        values = {"runs": runs, "first": first, "second": second, "rare": rare, "days": DAYS}
        psycopg.ClientCursor(connection).execute(HISTORY, values)
        connection.execute(ATTEMPTS)
        psycopg.ClientCursor(connection).execute(EVENTS, {"events": max(1000, runs // 10)})
        connection.execute("VACUUM (ANALYZE)")
    # Nobody serves these: they stay queued.
    flows[0].run_many_no_wait([flows[0].create_bulk_run_item() for _ in range(queued)])
    flows[3].run_no_wait()
    print(f"history of {runs:,} runs made in {time.monotonic() - begin:.0f} s")


def list_calls(api: httpx.Client, runs: int) -> Iterator[tuple[str, Callable[[], httpx.Response]]]:
    def get(path: str, **params: Any) -> Callable[[], httpx.Response]:
        return lambda: api.get(path, params=params)

    middle = api.get("runs", params={"until": _ago(15), "limit": 1}).json()["items"][0]["id"]
    event = api.get("events", params={"limit": 1}).json()["items"][0]["id"]
    failed = api.get("runs", params={"status": "FAILED", "limit": 1, "until": _ago(1)}).json()["items"][0]["id"]
    wide = api.get("runs", params={"workflow": "wide"}).json()["items"][0]["id"]
    yield "runs", get("runs")
    yield "runs, deep", get("runs", before=middle)
    yield "runs, a week ago", get("runs", since=_ago(8), until=_ago(7))
    yield "runs, failed", get("runs", status="FAILED")
    yield "runs, active", get("runs", status=["QUEUED", "RUNNING"])
    yield "runs, running", get("runs", status="RUNNING")
    yield "runs, rare workflow", get("runs", workflow="audit")
    yield "runs, metadata", get("runs", metadata="user:42")
    yield "runs, nothing fits", get("runs", metadata="user:nobody", status="FAILED")
    yield "counts and histogram", get("runs/stats")
    yield "counts of a day", get("runs/stats", since=_ago(1))
    yield "counts of failed", get("runs/stats", status="FAILED", workflow="orders")
    yield "counts of active", get("runs/stats", status=["QUEUED", "RUNNING"])
    yield "run", get(f"runs/{failed}")
    yield "run of 501 tasks", get(f"runs/{wide}")
    yield "task", get(f"runs/{failed}/tasks/1")
    yield "children", get(f"runs/{failed}/children")
    yield "logs", get(f"runs/{failed}/logs")
    yield "workflows", get("workflows")
    yield "workflow", get("workflows/orders")
    yield "workflow's durations", get("workflows/orders/stats")
    yield "rare workflow's durations", get("workflows/audit/stats")
    yield "versions", get("workflows/orders/versions")
    yield "workers", get("workers", ended="true")
    yield "queues", get("queues")
    yield "events", get("events")
    yield "events of a key", get("events", key="order:3")
    yield "event", get(f"events/{event}")
    yield "crons", get("crons")
    yield "scheduled", get("scheduled")
    yield "filters", get("filters")
    yield "session", get("session")
    yield "triggered by an event", get("runs", triggered_by=event)


def measure_calls(url: str, samples: int) -> dict[str, dict[str, float]]:
    found = {}
    with httpx.Client(base_url=f"{url}api/v1/", timeout=60) as api:
        for name, call in list_calls(api, samples):
            call()
            times = []
            for _ in range(samples):
                begin = time.perf_counter()
                response = call()
                times.append((time.perf_counter() - begin) * 1000)
                assert response.status_code == 200, response.text
            times.sort()
            found[name] = {"p50_ms": round(median(times), 1), "p95_ms": round(times[int(len(times) * 0.95) - 1], 1)}
            print(f"{name:<28} p50 {found[name]['p50_ms']:>7.1f} ms   p95 {found[name]['p95_ms']:>7.1f} ms", flush=True)
    return found


@contextmanager
def serving(url: str) -> Iterator[str]:
    """A server in a process of its own, as ``plait serve`` is: its address."""
    program = (
        "import sys; from plait import Plait; from plait.server import runner\n"
        "server = runner.start(Plait(sys.argv[1])); print(server.url, flush=True); sys.stdin.read(); server.stop()"
    )
    command = [sys.executable, "-c", program, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


@contextmanager
def watching(url: str, hear: Callable[[str], None]) -> Iterator[None]:
    """An open page."""
    client = httpx.Client(timeout=None)
    opened = threading.Event()

    def read() -> None:
        try:
            with client.stream("GET", f"{url}api/v1/stream") as stream:
                for line in stream.iter_lines():
                    opened.set()
                    hear(line)
        except httpx.HTTPError:
            pass

    threading.Thread(target=read, daemon=True).start()
    opened.wait(10)
    time.sleep(0.5)
    try:
        yield
    finally:
        client.close()


def measure_changes(url: str, plait: Plait, changes: int) -> dict[str, float]:
    """From before a run is cancelled by another process's engine until an open page is told of it."""
    heard: dict[str, float] = {}

    def hear(line: str) -> None:
        now = time.perf_counter()
        if line.startswith("data: ") and '"run"' in line:
            for run_id in json.loads(line[6:])["ids"]:
                heard.setdefault(run_id, now)

    other = Plait(plait._database_url)
    flow = declare(other)[0]
    runs = [flow.run_no_wait().workflow_run_id for _ in range(changes)]
    times = []
    with watching(url, hear):
        for run_id in runs:
            begin = time.perf_counter()
            other.runs.cancel(run_id)
            while run_id not in heard:
                time.sleep(0.001)
            times.append((heard[run_id] - begin) * 1000)
            time.sleep(0.02)
    other.close()
    times.sort()
    return {"p50": round(median(times), 1), "p95": round(times[int(len(times) * 0.95) - 1], 1)}


def measure_watching(url: str, plait: Plait, runs: int) -> dict[str, Any]:
    """Runs per second of a worker, in rounds that alternate between nobody and somebody watching."""
    other = Plait(plait._database_url)

    @other.task(name="nothing")
    async def nothing(input: EmptyModel, ctx: Context) -> int:
        return 1

    worker = other.worker("bench", slots=200, workflows=[nothing])
    thread = threading.Thread(target=worker.start, daemon=True)
    thread.start()
    nothing.run()

    def measure() -> float:
        items = [nothing.create_bulk_run_item() for _ in range(runs)]
        begin = time.perf_counter()
        nothing.run_many(items)
        return runs / (time.perf_counter() - begin)

    measure()
    alone, watched = [], []
    for _ in range(5):
        alone.append(measure())
        with watching(url, lambda _: None):
            watched.append(measure())
        worker_session = worker._session
        if worker_session is not None:  # so that the next round begins unwatched
            worker_session.changes._until = worker_session.logs._teller._until = 0.0
    worker.stop(hurry=True)
    thread.join(10)
    other.close()
    return {
        "alone_runs_per_second": round(median(alone)),
        "watched_runs_per_second": round(median(watched)),
        "ratio": round(median(watched) / median(alone), 3),
    }


def _ago(days: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86_400))


if __name__ == "__main__":
    main()
