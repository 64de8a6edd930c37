"""``plait serve``, ``plait open``, ``plait runs logs``, and the dashboard of ``plait dev``."""

import json
import re
import signal
import socket

import httpx
import pytest

from plait.cli.links import find_server, link_run, noted_server
from support import http
from support.waiting import eventually


def read_url(command):
    command.wait_for("dashboard http://")
    return re.search(r"dashboard\s+(http://\S+)", command.stderr)[1]


def test_it_serves_the_dashboard_until_it_is_told_to_stop(start_command, plait_command):
    serve = start_command("serve", "--port", "0")
    url = read_url(serve)
    eventually(lambda: _answers(url), "it answers")
    assert http.get(f"{url}readyz").status_code == 200
    assert http.get(f"{url}runs").headers["content-type"].startswith("text/html")
    with http.stream("GET", f"{url}api/v1/stream") as stream:  # an open page does not keep it
        assert next(stream.iter_lines())
        serve.send(signal.SIGTERM)
        assert serve.wait() in (0, -signal.SIGTERM, 128 + signal.SIGTERM)


def _answers(url):
    try:
        return http.get(f"{url}livez").status_code == 200
    except httpx.TransportError:
        return False


def test_with_a_target_inputs_are_validated_by_its_code(start_command):
    serve = start_command("serve", "flows.py", "--port", "0")
    url = read_url(serve)
    eventually(lambda: _answers(url), "it answers")
    assert http.post(f"{url}api/v1/runs", json={"workflow": "no such"}).status_code == 404


def test_another_address_needs_accounts(plait_command):
    done = plait_command("serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode != 0
    assert "PLAIT_SERVER_TOKEN" in done.stderr
    short = plait_command("serve", "--host", "0.0.0.0", "--port", "0", env={"PLAIT_SERVER_TOKEN": "short"})
    assert "PLAIT_SERVER_TOKEN is shorter than 8 characters" in short.stderr
    assert "'short'" not in short.stderr


def test_accounts_are_made_and_used(start_command, plait_command, project):
    made = plait_command("serve", "--new-account", "token:ci:read", stdin="a long secret\n")
    assert made.returncode == 0
    assert "a long secret" not in made.stdout
    assert made.stdout.startswith("token ci read scrypt$")
    (project / "accounts").write_text(made.stdout)
    serve = start_command("serve", "--port", "0", "--accounts", "accounts")
    url = read_url(serve)
    eventually(lambda: _answers(url), "it answers")
    assert http.get(f"{url}api/v1/runs").status_code == 401
    assert http.get(f"{url}api/v1/runs", headers={"authorization": "Bearer a long secret"}).status_code == 200
    assert "a long secret" not in serve.stderr
    for wrong in ("ci", "user:a:root", "robot:a:read"):
        assert plait_command("serve", "--new-account", wrong, stdin="a long secret\n").returncode == 2


def test_dev_serves_the_dashboard_and_open_finds_it(start_command, plait_command):
    assert plait_command("open").returncode == 4
    dev = start_command("dev", "flows.py:plait", "--port", "0")
    url = read_url(dev)
    dev.wait_for("serving")
    run_id = "0198c0de-7abc-7def-8123-456789abcdef"
    assert plait_command("open").stdout.strip() == f"{url}runs"
    assert plait_command("open", run_id).stdout.strip() == f"{url}runs/{run_id}"
    assert plait_command("open", "x").returncode == 2
    elsewhere = {"PLAIT_DASHBOARD_URL": "https://plait.example/ops"}
    assert plait_command("open", run_id, env=elsewhere).stdout.strip() == f"https://plait.example/ops/runs/{run_id}"
    assert http.get(f"{url}livez").status_code == 200
    dev.send(signal.SIGTERM)
    dev.wait()
    assert plait_command("open").returncode == 4


def test_dev_without_a_dashboard(start_command):
    dev = start_command("dev", "flows.py:plait", "--no-dashboard")
    dev.wait_for("serving")
    assert "dashboard http" not in dev.stderr


def test_the_note_of_a_server_that_is_gone_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAIT_HOME", str(tmp_path))
    monkeypatch.delenv("PLAIT_DASHBOARD_URL", raising=False)
    assert find_server() is None
    assert link_run("x") is None
    with noted_server("http://127.0.0.1:9/"):
        assert link_run("x") == "http://127.0.0.1:9/runs/x"
    assert find_server() is None
    for note in ('{"url": "http://x/", "pid": 999999999}', "{", "[]", '{"url": "javascript:alert(1)", "pid": 1}'):
        (tmp_path / "dashboard.json").write_text(note)
        assert find_server() is None, note


@pytest.fixture
def chatty(project):
    (project / "chatty.py").write_text(
        "import logging\n"
        "from plait import Context, EmptyModel, Plait\n"
        "plait = Plait()\n"
        "@plait.task(name='chatty')\n"
        "def chatty(input: EmptyModel, ctx: Context) -> int:\n"
        "    for number in range(3):\n"
        "        ctx.log(f'line {number}')\n"
        "    logging.getLogger('own').warning('careful')\n"
        "    return 1\n"
    )
    return project


def test_logs_are_shown_and_followed(chatty, plait_command):
    done = plait_command("run", "chatty.py", "-o", "json", env={"PLAIT_CAPTURE_LOGS": "1"})
    run_id = json.loads(done.stdout)["id"]
    shown = plait_command("runs", "logs", run_id, "--follow")
    assert [line.split("chatty", 1)[1].strip() for line in shown.stdout.splitlines()] == [
        "line 0",
        "line 1",
        "line 2",
        "careful",
    ]
    found = plait_command("runs", "logs", run_id, "--search", "LINE 1", "-o", "json")
    assert [json.loads(line)["text"] for line in found.stdout.splitlines()] == ["line 1"]
    assert plait_command("runs", "logs", "0198c0de-7abc-7def-8123-456789abcdef").returncode == 4


def test_a_port_that_is_taken_is_told_with_another_to_take(execute_here):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, stdout, stderr = execute_here("serve", "--port", str(port))
    assert (code, stdout) == (3, "")
    assert f"port {port}: another program uses it, perhaps another plait dev or plait serve" in stderr
    assert f"try: --port {port + 1 if port < 65_535 else port - 1}, or --port 0" in stderr
