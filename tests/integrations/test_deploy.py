"""Dockerfile, compose file, manifests and units: their commands are real, and their numbers fit together."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from integrations.conftest import Program
from integrations.deployment import (
    DEPLOY,
    Process,
    list_containers,
    list_deployments,
    list_processes,
    read_compose,
    read_dockerfile,
    read_manifests,
    read_unit,
)
from plait.worker.supervisor import KILL_MARGIN
from support import http
from support.waiting import eventually

PROCESSES = list(list_processes())


def each(command: str, *, waited_for: bool = False) -> pytest.MarkDecorator:
    """Parametrizes a test by the processes with this command. ``waited_for``: not the image, which cannot say how
    long it is to be waited for."""
    words = tuple(command.split())
    found = [one for one in PROCESSES if one.words[: len(words)] == words and (one.patience or not waited_for)]
    assert found
    return pytest.mark.parametrize("process", found, ids=lambda process: process.where)


@each("")
def test_every_command_is_one_that_plait_has_with_options_that_it_takes(process: Process) -> None:
    context = process.parse()
    assert context.command_path in ("plait worker", "plait serve", "plait db upgrade")
    if target := context.params.get("target"):
        assert (DEPLOY / target).is_file()


@each("worker", waited_for=True)
def test_a_worker_is_given_the_time_that_it_takes_to_drain(process: Process) -> None:
    assert process.patience is not None
    assert process.patience > process.parse().params["grace"] + KILL_MARGIN


@each("serve")
def test_a_dashboard_has_accounts(process: Process) -> None:
    assert "PLAIT_ACCOUNTS" in process.variables


@pytest.mark.parametrize("deployment", list_deployments(), ids=lambda one: one["metadata"]["name"])
def test_probes_ask_a_port_that_the_command_opens_to_others(deployment: dict[str, Any]) -> None:
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        options = Process(container["name"], tuple(container["args"])).parse().params
        opened = options.get("health_port") or options.get("port")
        assert (options.get("health_host") or options.get("host")) == "0.0.0.0"
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for kind, path in (("startup", "/"), ("readiness", "/readyz"), ("liveness", "/livez")):
            get = container[f"{kind}Probe"]["httpGet"]
            assert ports[get["port"]] == opened
            assert get["path"].startswith(path)


def test_a_service_leads_to_a_port_of_its_pods() -> None:
    documents = list(read_manifests())
    for service in (one for one in documents if one["kind"] == "Service"):
        [pods] = [
            one["spec"]["template"]
            for one in list_deployments()
            if service["spec"]["selector"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
        ]
        names = {port["name"] for container in pods["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names


def test_disruptions_are_bounded_for_pods_that_exist_and_never_forbidden() -> None:
    [budget] = [one["spec"] for one in read_manifests() if one["kind"] == "PodDisruptionBudget"]
    [deployment] = [
        one["spec"]
        for one in list_deployments()
        if budget["selector"]["matchLabels"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert 0 < budget["maxUnavailable"] < deployment["replicas"]


@pytest.mark.parametrize("deployment", list_deployments(), ids=lambda one: one["metadata"]["name"])
def test_pods_run_without_rights_and_within_bounds(deployment: dict[str, Any]) -> None:
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"{pod['securityContext']['runAsUser']}:" in read_dockerfile()["USER"][0]
    assert pod["automountServiceAccountToken"] is False
    for container in list_containers(deployment):
        locked = container["securityContext"]
        assert locked["allowPrivilegeEscalation"] is False
        assert locked["readOnlyRootFilesystem"] is True
        assert locked["capabilities"]["drop"] == ["ALL"]
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_pods_find_their_secrets_where_the_example_has_them() -> None:
    [secret] = [one for one in read_manifests() if one["kind"] == "Secret"]
    text = json.dumps(list_deployments())
    for name, key in re.findall(r'"secretKeyRef": {"name": "([\w-]+)", "key": "([\w-]+)"}', text):
        assert (name, key) in {(secret["metadata"]["name"], key) for key in secret["stringData"]}
    [volume] = re.findall(r'"secretName": "([\w-]+)".*?"items": \[{"key": "([\w-]+)"', text)
    assert volume == (secret["metadata"]["name"], "accounts")


def test_manifests_have_the_shape_that_kubernetes_wants() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for document in read_manifests():
        validate.validate(document, "1.34", strict=True)


def test_services_of_compose_run_without_rights_and_wait_for_what_they_need() -> None:
    compose = read_compose()
    services = compose["services"]
    for name, service in services.items():
        if "build" not in service:
            assert service["user"] not in ("root", "0")
            continue
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["init"] is True
        waits_for = service["depends_on"]
        assert waits_for == (
            {"database": {"condition": "service_healthy"}}
            if name == "upgrade"
            else {"upgrade": {"condition": "service_completed_successfully"}}
        )
    assert "healthcheck" in services["database"]
    volume, _, folder = services["database"]["volumes"][0].partition(":")
    assert volume in compose["volumes"]
    assert folder == "/var/lib/postgresql"  # since 18; data in another folder would go with the container
    assert set(services["dashboard"]["secrets"]) <= set(compose["secrets"])


def test_health_checks_of_compose_and_image_ask_a_port_that_is_open() -> None:
    image = read_dockerfile()
    dashboard = read_compose()["services"]["dashboard"]
    checks = [
        (json.loads(image["HEALTHCHECK"][0].partition("CMD ")[2]), json.loads(image["CMD"][0])),
        (dashboard["healthcheck"]["test"][1:], dashboard["command"]),
    ]
    for check, words in checks:
        options = Process("", tuple(words)).parse().params
        [port] = re.findall(r"http://127\.0\.0\.1:(\d+)/readyz", check[-1])
        assert int(port) == (options.get("health_port") or options.get("port"))
        compile(check[-1], "health check", "exec")
    worker = read_compose()["services"]["worker"]
    assert Process("", tuple(worker["command"])).parse().params["health_port"] == 8001  # that of the image's check


def test_the_image_has_no_root_no_shell_and_no_cache() -> None:
    image = read_dockerfile()
    assert image["USER"] == ["10001:10001"]
    assert "shell" not in image
    text = (DEPLOY / "Dockerfile").read_text()
    assert all("--no-cache-dir" in line for line in text.splitlines() if "pip install" in line)
    ignored = (DEPLOY / ".dockerignore").read_text().split()
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M) for word in line.split()]
    assert ignored == ["*", *(f"!{file}" for file in copied)]


@pytest.mark.parametrize("name", ["plait-worker@.service", "plait-dashboard.service"])
def test_units_pass_systemds_own_checks(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not here")
    unit = tmp_path / name
    unit.write_text((DEPLOY / "systemd" / name).read_text().replace("/opt/app/venv/bin/plait", "/bin/true"))
    for arguments in (["verify"], ["security", "--offline=true", "--threshold=20"]):
        done = subprocess.run(["systemd-analyze", *arguments, str(unit)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert name.split(".")[0] not in done.stderr  # a warning about a setting that it does not know


def test_only_the_supervisor_gets_the_signal_of_systemd() -> None:
    """Its children have process groups of their own, but are in the unit's control group."""
    assert read_unit("plait-worker@.service")["KillMode"] == ["mixed"]


def test_the_dockerfile_passes_hadolint() -> None:
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("hadolint is not here")
    done = subprocess.run([program, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_the_command_of_the_image_gets_ready_and_drains(start: Callable[..., Program]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    words = [port if word == "8001" else word for word in json.loads(read_dockerfile()["CMD"][0])]
    worker = start("-m", "plait", *words, folder=DEPLOY)

    def is_ready() -> bool:
        assert worker.process.poll() is None, worker.log
        try:
            return http.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    eventually(is_ready, "the worker is ready")
    assert worker.stop() == 0
