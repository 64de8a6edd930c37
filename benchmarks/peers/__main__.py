"""``make bench-peers``: Plait and other systems in one run, on one PostgreSQL. Prints a table and, without ``--only``,
writes ``benchmarks/peers.json``; ``tools/peers.py`` makes the documentation's page from that."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil

from benchmarks.__main__ import open_server
from benchmarks.machine import describe_machine, read_postgres_cpu, read_tree_cpu
from benchmarks.peers.processes import PeerError, Team
from benchmarks.peers.systems import SHAPES, SYSTEMS, System

RESULT_FILE = Path(__file__).resolve().parents[1] / "peers.json"
WARM_UP_TASKS = 200
WARM_UP_SAMPLES = 5


class Runner:
    """Measures every system in turn, round by round, so that all meet the same machine."""

    def __init__(self, url: str, postmaster: int, folder: Path, options: argparse.Namespace) -> None:
        self.url = url
        self.postmaster = postmaster
        self.folder = folder
        self.options = options

    def query(self, sql: str, system: System | None = None) -> Any:
        """The value that a statement returns, in the database of a system or in the server's own."""

        async def fetch() -> Any:
            connection = await asyncpg.connect(self.make_url(system) if system else self.url)
            try:
                return await connection.fetchval(sql)
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def prepare(self, system: System, redis_url: str | None) -> dict[str, str]:
        """A database of its own with the system's schema; which versions it has."""
        self.query(f"CREATE DATABASE {get_database(system)}")
        with self.open_team(system, redis_url) as team:
            versions: dict[str, str] = team.ask("prepare")["versions"]
        return versions

    def make_url(self, system: System) -> str:
        return urlsplit(self.url)._replace(path=f"/{get_database(system)}").geturl()

    def open_team(self, system: System, redis_url: str | None) -> Team:
        return Team(system, self.make_url(system), redis_url, self.folder)

    def measure_round(self, system: System, redis: Redis | None) -> dict[str, dict[str, Any]]:
        """One round of a system: each of its shapes."""
        with self.open_team(system, redis.url if redis else None) as team:
            team.start_workers()
            team.ask("open")
            read_server_cpu = redis.read_cpu if redis and system.redis else self.read_postgres_cpu
            return {shape: self.measure_shape(team, shape, read_server_cpu) for shape in system.shapes}

    def measure_shape(self, team: Team, shape: str, read_server_cpu: Callable[[], float]) -> dict[str, Any]:
        """Throughput with what it costs, then the latency at idle. Tables that are not new have statistics: so here."""
        team.ask("throughput", shape=shape, tasks=WARM_UP_TASKS)
        self.query("VACUUM (ANALYZE)", team.system)
        warm = team.ask("throughput", shape=shape, tasks=WARM_UP_TASKS)
        tasks = min(self.options.tasks, max(WARM_UP_TASKS, round(self.options.seconds * rate(warm))))
        wal, cpu = self.read_wal(), {**team.read_cpu(), "server": read_server_cpu()}
        answer = team.ask("throughput", shape=shape, tasks=tasks)
        used = {**team.read_cpu(), "server": read_server_cpu()}
        written = self.read_wal() - wal
        check_executed(team.system, shape, answer)
        team.ask("latency", shape=shape, samples=WARM_UP_SAMPLES)
        latency = team.ask("latency", shape=shape, samples=self.options.samples)
        return {
            "tasks": answer["tasks"],
            "tasks_per_second": rate(answer),
            "cpu_us_per_task": {name: (used[name] - cpu[name]) / answer["tasks"] * 1e6 for name in used},
            "wal_bytes_per_task": None if team.system.redis else written / answer["tasks"],
            **latency,
        }

    def read_postgres_cpu(self) -> float:
        return read_postgres_cpu(self.postmaster)

    def read_wal(self) -> int:
        return int(self.query("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8"))


class Redis:
    """A Redis with its own defaults, for the time of the run."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
        self.version = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
        self.version = self.version.split("v=")[1].split()[0]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.url = f"redis://127.0.0.1:{port}/0"
        while subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True, check=False).returncode:
            time.sleep(0.05)

    def read_cpu(self) -> float:
        return read_tree_cpu(psutil.Process(self._process.pid))

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


def get_database(system: System) -> str:
    return f"peers_{system.name}"


def rate(answer: dict[str, Any]) -> float:
    return float(answer["tasks"] / answer["seconds"])


def check_executed(system: System, shape: str, answer: dict[str, Any]) -> None:
    """Each task ran once, or the numbers mean nothing."""
    if answer["executed"] != answer["tasks"]:
        raise PeerError(f"{shape}: {answer['tasks']} tasks, but {answer['executed']} ran")


@contextmanager
def open_redis(systems: list[System], folder: Path) -> Iterator[Redis | None]:
    redis = Redis(folder) if any(system.redis for system in systems) else None
    try:
        yield redis
    finally:
        if redis:
            redis.stop()


def summarize(rounds: list[dict[str, Any]], plait_rate: float | None) -> dict[str, Any]:
    """Medians of the rounds, with the spread of the rates; ``ratio`` is to Plait in the same run."""
    rates = [each["tasks_per_second"] for each in rounds]
    ran = sorted(sample for each in rounds for sample in each["ran_ms"])
    known = sorted(sample for each in rounds for sample in each["known_ms"])
    wal = [each["wal_bytes_per_task"] for each in rounds]
    return {
        "tasks": median(each["tasks"] for each in rounds),
        "tasks_per_second": round(median(rates)),
        "min": round(min(rates)),
        "max": round(max(rates)),
        "ratio": round(median(rates) / plait_rate, 3) if plait_rate else None,
        "ran_ms": find_percentiles(ran),
        "known_ms": find_percentiles(known) if known else None,
        "cpu_us_per_task": {
            name: round(median(each["cpu_us_per_task"][name] for each in rounds))
            for name in ("server", "worker", "client")
        },
        "wal_bytes_per_task": None if None in wal else round(median(wal)),
    }


def find_percentiles(ordered: list[float]) -> dict[str, float]:
    return {"p50": round(median(ordered), 2), "p95": round(ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)], 2)}


def measure(
    runner: Runner, systems: list[System], redis: Redis | None, left_out: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """All rounds of all systems. One that fails is left out from there on, with what it did before."""
    redis_url = redis.url if redis else None
    versions: dict[str, dict[str, str]] = {}
    rounds: dict[str, list[dict[str, Any]]] = {system.name: [] for system in systems}
    for number in range(runner.options.rounds):
        for system in [each for each in systems if each.title not in left_out]:
            try:
                if system.name not in versions:
                    versions[system.name] = runner.prepare(system, redis_url)
                found = runner.measure_round(system, redis)
            except PeerError as error:
                print(f"without {system.title}: {error}", flush=True)
                left_out[system.title] = str(error).partition("\n")[0]
                continue
            rounds[system.name].append(found)
            rates = ", ".join(f"{shape} {each['tasks_per_second']:,.0f} tasks/s" for shape, each in found.items())
            print(f"round {number + 1}: {system.title:<18} {rates}", flush=True)
    if redis and "celery" in versions:
        versions["celery"]["redis-server"] = redis.version
    measured = [system for system in systems if system.title not in left_out]
    plait = rounds["plait"] if any(system.name == "plait" for system in measured) else []
    rates = {shape: median(each[shape]["tasks_per_second"] for each in plait) for shape in (plait[0] if plait else ())}
    return {
        system.name: {
            "title": system.title,
            "choice": system.choice,
            "versions": versions[system.name],
            "shapes": {
                shape: summarize([each[shape] for each in rounds[system.name]], rates.get(shape))
                for shape in system.shapes
            },
        }
        for system in measured
    }


def print_table(peers: dict[str, Any], shape: str) -> None:
    print(
        f"\n{shape:<18} {'tasks/s':>9} {'min–max':>15} {'× Plait':>8} {'ran p50':>9} {'p95':>8} {'known p50':>10}"
        f" {'p95':>8} {'CPU µs':>7} {'server':>7} {'worker':>7} {'client':>7} {'WAL':>6}"
    )
    for peer in peers.values():
        if (row := peer["shapes"].get(shape)) is None:
            continue
        known, cpu, wal = row["known_ms"], row["cpu_us_per_task"], row["wal_bytes_per_task"]
        print(
            f"{peer['title']:<18} {row['tasks_per_second']:>9,} {row['min']:>7,}–{row['max']:<7,}"
            f" {'–' if row['ratio'] is None else format(row['ratio'], '.3f'):>8}"
            f" {row['ran_ms']['p50']:>9.1f} {row['ran_ms']['p95']:>8.1f}"
            f" {'–' if known is None else format(known['p50'], '.1f'):>10}"
            f" {'–' if known is None else format(known['p95'], '.1f'):>8}"
            f" {sum(cpu.values()):>7,} {cpu['server']:>7,} {cpu['worker']:>7,} {cpu['client']:>7,}"
            f" {'–' if wal is None else format(wal, ','):>6}"
        )


def main() -> None:
    names = [system.name for system in SYSTEMS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="only this system; may be repeated")
    parser.add_argument("--tasks", type=int, default=12_000, help="at most so many tasks a round (default 12000)")
    parser.add_argument("--seconds", type=float, default=10, help="… and so many that a round takes this (default 10)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; medians are reported (default 5)")
    parser.add_argument("--samples", type=int, default=40, help="runs a round for the latency (default 40)")
    options = parser.parse_args()
    wanted = [system for system in SYSTEMS if options.only is None or system.name in options.only]
    left_out = {system.title: missing for system in wanted if (missing := system.find_missing())}
    systems = [system for system in wanted if system.title not in left_out]
    for title, missing in left_out.items():
        print(f"without {title}: {missing}")
    machine = describe_machine()
    print(f"machine: {machine['cores']} cores, {machine['cpu']}, load {machine['load_before']}\n")
    with (
        open_server() as (url, postmaster),
        tempfile.TemporaryDirectory(prefix="peers-") as name,
        open_redis(systems, Path(name)) as redis,
    ):
        runner = Runner(url, postmaster, Path(name), options)
        server = runner.query("SHOW server_version")
        peers = measure(runner, systems, redis, left_out)
    for shape in SHAPES:
        print_table(peers, shape)
    for peer in peers.values():
        print(f"\n{peer['title']}: {', '.join(' '.join(each) for each in peer['versions'].items())}", end="")
    print()
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine,
        "postgresql": server,
        "options": {key: value for key, value in vars(options).items() if key != "only"},
        "left_out": left_out,
        "peers": peers,
    }
    if options.only:
        return  # not in place of all
    RESULT_FILE.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\nwritten: {RESULT_FILE}")


if __name__ == "__main__":
    main()
