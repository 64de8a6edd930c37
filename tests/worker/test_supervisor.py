"""``plait worker`` and the supervisor below it, with real processes that are killed."""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from plait import Context, EmptyModel, Plait
from plait.client import get_access
from plait.worker.child import Child, describe_end
from plait.worker.supervisor import Supervisor
from support import launcher
from support.waiting import DEADLINE_SECONDS, eventually

FLOWS = Path(__file__).parents[1] / "cli" / "sample_flows.py"


class Service:
    """``plait worker`` in the background, its log in a file."""

    def __init__(self, folder, env, *arguments):
        self.log = folder / "service.log"
        self._log = self.log.open("ab")
        self.process = launcher.start(
            ["-P", "-m", "plait", "worker", *arguments],
            cwd=folder,
            env=env,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._parent = psutil.Process(self.process.pid)

    def read(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, text, times=1):
        def look():
            found = self.read().count(text) >= times
            assert found or self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.read()}"
            return found

        eventually(look, f"{text!r}")

    def children(self):
        return self._parent.children()

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(DEADLINE_SECONDS)

    def close(self):
        if self.process.poll() is None:
            children = self.children()
            self.process.kill()
            self.process.wait()
            for child in children:
                child.kill()
        self._log.close()


@pytest.fixture
def environment(database, tmp_path):
    env = {name: value for name, value in os.environ.items() if not name.startswith("PLAIT_")}
    return {**env, "DATABASE_URL": database.url, "GATE": str(tmp_path / "gate")}


@pytest.fixture
def gate(environment):
    return Path(environment["GATE"])


@pytest.fixture
def serve(tmp_path, environment):
    services = []
    (tmp_path / "flows.py").write_text(FLOWS.read_text())

    def start(*arguments, env=None):
        services.append(Service(tmp_path, {**environment, **(env or {})}, *(arguments or ("flows:plait",))))
        return services[-1]

    yield start
    for service in services:
        service.close()


@pytest.fixture
def trigger(tmp_path, environment):
    def run(workflow):
        command = ["-P", "-m", "plait", "run", f"flows:{workflow}", "--detach"]
        done = launcher.run(command, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_a_killed_worker_is_replaced_and_its_tasks_run_again_before_its_lease_ends(serve, trigger, database, gate):
    service = serve()
    service.wait_for("serving")
    run_id = trigger("gated")
    database.wait("SELECT count(*) = 1 FROM plait.running WHERE task = 1")
    (victim,) = service.children()
    victim.kill()
    service.wait_for("was ended by SIGKILL")
    # The default lease is 30 s, as long as this waits at most: what shortens it is the supervisor's word.
    database.wait(
        "SELECT count(*) = 1 FROM plait.running r JOIN plait.worker w ON w.id = r.worker_id "
        "WHERE w.ended_at IS NULL AND w.pid <> %s",
        victim.pid,
        seconds=20,
    )
    gate.touch()
    database.wait_ended(1)
    details = Plait(database.url).runs.get_details(run_id)
    assert [attempt.outcome for attempt in details.tasks["wait"].attempts] == ["LOST", "COMPLETED"]
    assert len(details.tasks["before"].attempts) == 1, "what was completed is not run again"
    service.send(signal.SIGTERM)
    assert service.wait() == 0


def test_processes_share_the_name_and_stop_together(serve, database):
    service = serve("flows:plait", "--processes", "3", "--name", "w", "--slots", "7")
    service.wait_for("serving", times=3)
    assert database.query("SELECT name, slots FROM plait.worker ORDER BY name") == [
        ("w-1", 7),
        ("w-2", 7),
        ("w-3", 7),
    ]
    children = service.children()
    assert len(children) == 3
    service.send(signal.SIGINT)
    assert service.wait() == 0
    assert not [child for child in children if child.is_running()]
    assert database.count("worker", "ended_at IS NULL") == 0


def test_a_stop_lets_tasks_finish_within_the_grace(serve, trigger, database, gate):
    service = serve()
    service.wait_for("serving")
    trigger("gated")
    database.wait("SELECT count(*) = 1 FROM plait.running WHERE task = 1")
    service.send(signal.SIGTERM)
    service.wait_for("running tasks have 30 s")
    gate.touch()
    assert service.wait() == 0
    assert database.value("SELECT status FROM plait.run") == 2


def test_a_second_signal_hands_back_at_once_without_spending_a_retry(serve, trigger, database):
    service = serve()
    service.wait_for("serving")
    trigger("gated")
    database.wait("SELECT count(*) = 1 FROM plait.running WHERE task = 1")
    service.send(signal.SIGTERM)
    service.wait_for("running tasks have 30 s")
    service.send(signal.SIGTERM)
    assert service.wait() == 0
    assert database.query("SELECT task, status, retry FROM plait.attempt WHERE task = 1") == [(1, -1, 0)]


IMPATIENT = """
import sys
from plait.worker import supervisor
supervisor.STALL_SECONDS, supervisor._LOOK_SECONDS = 6.0, 1.0
from plait.__main__ import main
sys.exit(main(["worker", "--processes", "2", "flows:plait"]))
"""


def test_a_process_whose_engine_shows_no_sign_of_life_is_killed_and_replaced(environment, database, tmp_path):
    (tmp_path / "flows.py").write_bytes(FLOWS.read_bytes())
    with (tmp_path / "service.log").open("ab") as log:
        service = subprocess.Popen(
            [sys.executable, "-c", IMPATIENT], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )
    try:
        database.wait("SELECT count(*) = 2 FROM plait.worker")
        stopped, other = [pid for (pid,) in database.query("SELECT pid FROM plait.worker ORDER BY started_at")]
        os.kill(stopped, signal.SIGSTOP)
        database.wait("SELECT count(*) = 3 FROM plait.worker")
        assert database.query("SELECT ending FROM plait.worker WHERE pid = %s", stopped) == [("died",)]
        assert database.query("SELECT ending FROM plait.worker WHERE pid = %s", other) == [(None,)]
        assert "has shown no sign of life for 6 s" in (tmp_path / "service.log").read_text()
    finally:
        service.terminate()
        service.wait(30)


def test_workers_drain_when_their_supervisor_is_killed(serve, database):
    service = serve("flows:plait", "--processes", "2")
    service.wait_for("serving", times=2)
    children = service.children()
    service.process.kill()
    eventually(lambda: not [child for child in children if child.is_running()], "the children are gone")
    assert service.read().count("the supervisor is gone") == 2
    assert database.count("worker", "ended_at IS NULL") == 0


@pytest.mark.parametrize(
    ("target", "env", "code", "says"),
    [
        ("flows:plaid", {}, 4, "did you mean 'plait'?"),
        ("nowhere:plait", {}, 4, "no module 'nowhere'"),
        ("broken:plait", {}, 2, "ZeroDivisionError"),
        ("flows:plait", {"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, 3, "not available"),
    ],
)
def test_what_cannot_start_ends_with_its_code_and_says_so_once(serve, tmp_path, target, env, code, says):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    service = serve(target, "--processes", "4", env=env)
    assert service.wait() == code
    errors = [line for line in service.read().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert says in errors[0]
    assert "starting another" not in service.read()


def test_the_url_of_the_option_reaches_the_children_and_no_process_list(serve, database):
    url = database.url.replace("plait@", "plait:hush@")
    service = serve("flows:plait", "--database-url", url, env={"DATABASE_URL": "postgresql://127.0.0.1:1/none"})
    service.wait_for("serving")
    (child,) = service.children()
    assert "hush" not in " ".join(child.cmdline())
    assert "hush" not in service.read()
    assert database.count("worker", f"pid = {child.pid}") == 1


class Recorder(Supervisor):
    """Stops itself once its child ended often enough, and remembers the pauses."""

    def __init__(self, script, times):
        super().__init__(lambda _: [sys.executable, "-c", script], grace=0)
        self.pauses = []
        self._times = times
        self._proven = True

    def _choose_next(self, child: Child, pid: int, code: int) -> None:
        super()._choose_next(child, pid, code)
        assert child.start_at is not None
        self.pauses.append(child.failures)
        child.start_at = 0.0  # time is not waited for, only counted
        if len(self.pauses) == self._times:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_process_that_dies_at_once_again_and_again_is_started_more_and_more_slowly():
    supervisor = Recorder("raise SystemExit(7)", 4)
    assert supervisor.run() == 0
    assert supervisor.pauses == [1, 2, 3, 4]


def test_the_supervisor_puts_signal_handlers_back():
    before = signal.getsignal(signal.SIGTERM)
    Recorder("pass", 1).run()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_that_ignores_the_stop_is_killed(monkeypatch, tmp_path):
    monkeypatch.setattr("plait.worker.supervisor.KILL_MARGIN", 0.2)
    started = tmp_path / "started"
    script = (
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(started)!r}).touch()\n"
        "time.sleep(60)\n"
    )

    class Stopping(Supervisor):
        def _take_turn(self) -> bool:
            if started.exists() and not self._stopping:
                os.kill(os.getpid(), signal.SIGTERM)
            return super()._take_turn()

        def find_changes(self) -> list[str]:
            return []

    supervisor = Stopping(lambda _: [sys.executable, "-c", script], grace=0)
    supervisor._watcher = supervisor  # for its tick
    assert supervisor.run() == 1


def test_ends_are_described_in_words():
    assert describe_end(0) == "ended with exit code 0"
    assert describe_end(-9) == "was ended by SIGKILL"
    assert describe_end(-99) == "was ended by signal 99"


LEAVING = """
import os
import subprocess
import time

from plait import Context, EmptyModel, Plait
from plait.client import get_access

plait = Plait()


@plait.task(execution_timeout="5m")
def starter(input: EmptyModel, ctx: Context) -> None:
    left = subprocess.Popen(["sleep", "300"])
    detached = subprocess.Popen(["sleep", "300"], start_new_session=True)
    with open(os.environ["GATE"] + ".new", "w") as file:
        file.write(f"{left.pid} {detached.pid}")
    os.rename(os.environ["GATE"] + ".new", os.environ["GATE"])
    time.sleep(300)
"""


def test_what_a_killed_process_leaves_behind_goes_with_it_but_for_sessions_of_their_own(
    serve, database, gate, tmp_path, monkeypatch
):
    (tmp_path / "leaving.py").write_text(LEAVING)
    service = serve("leaving:plait")
    service.wait_for("serving")
    monkeypatch.syspath_prepend(tmp_path)
    leaving = importlib.import_module("leaving")
    get_access(leaving.plait).use_database(database.url)
    run = leaving.starter.run_no_wait()
    eventually(gate.exists)
    left, detached = [psutil.Process(int(pid)) for pid in gate.read_text().split()]
    [child] = service.children()
    child.kill()
    service.wait_for("serving", 2)
    eventually(lambda: not left.is_running() or left.status() == psutil.STATUS_ZOMBIE)
    assert detached.is_running()
    detached.kill()
    run.cancel()
    leaving.plait.close()


def test_a_schema_that_is_dropped_is_not_made_anew_but_waited_for(serve, database):
    service = serve("flows:plait")
    service.wait_for("serving")
    [child] = service.children()
    database.query("ALTER SCHEMA plait RENAME TO gone")  # a drop could deadlock with what the worker does
    service.wait_for("takes no tasks until there is a schema again")
    assert database.value("SELECT to_regnamespace('plait') IS NULL")
    assert [one.pid for one in service.children()] == [child.pid]

    restored = Plait(database.url)  # makes the schema, as whoever restores a backup does

    @restored.task(name="hello")
    def hello(input: EmptyModel, ctx: Context) -> dict: ...

    run = hello.run_no_wait()
    service.wait_for("serving", 2)
    assert run.result(20)
    restored.close()
