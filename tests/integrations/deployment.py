"""What the files of ``examples/deploy`` say, read into one shape: containers and units with their commands."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import click
import yaml

from integrations.conftest import EXAMPLES
from plait.cli import plait as command_line

DEPLOY = EXAMPLES / "deploy"

_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Process:
    """A ``plait`` command somewhere. ``patience``: seconds between SIGTERM and SIGKILL; None where nothing says so."""

    where: str
    words: tuple[str, ...]
    patience: float | None = None
    variables: dict[str, Any] = field(default_factory=dict)

    def parse(self) -> click.Context:
        """The command with its options, as the command line itself reads them. Raises ``click.UsageError``."""
        command: click.Command = command_line
        context = command_line.make_context("plait", list(self.words))
        while isinstance(command, click.Group):
            words = [*context._protected_args, *context.args]
            name, found, rest = command.resolve_command(context, words)
            assert found is not None
            command = found
            context = command.make_context(name, rest, parent=context)
        return context


def read_dockerfile() -> dict[str, list[str]]:
    """The arguments of the instructions of the last stage, by instruction."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    instructions: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            instructions = {}
        if word.isupper():
            instructions.setdefault(word, []).append(rest)
    return instructions


def read_compose() -> dict[str, Any]:
    """``compose.yaml``, its anchors resolved."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())  # type: ignore[no-any-return]


def read_manifests() -> Iterator[dict[str, Any]]:
    """The documents of all manifests."""
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text())


def list_deployments() -> list[dict[str, Any]]:
    """The manifests of kind Deployment."""
    return [one for one in read_manifests() if one["kind"] == "Deployment"]


def list_containers(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    """Its containers, those that run first included."""
    pod = deployment["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def read_unit(name: str) -> dict[str, list[str]]:
    """The settings of a unit's [Service], in their order."""
    settings: dict[str, list[str]] = {}
    service = (DEPLOY / "systemd" / name).read_text().partition("[Service]\n")[2].partition("\n[Install]")[0]
    for line in service.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            settings.setdefault(key, []).append(value)
    return settings


def read_seconds(text: str) -> float:
    """A length of time of Compose."""
    return float(sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smh])", text)))


def list_processes() -> Iterator[Process]:
    """Every ``plait`` command that the files start."""
    image = read_dockerfile()
    assert json.loads(image["ENTRYPOINT"][0]) == ["plait"]
    yield Process("Dockerfile", tuple(json.loads(image["CMD"][0])))
    for name, service in read_compose()["services"].items():
        if "command" in service:
            patience = read_seconds(service.get("stop_grace_period", "10s"))
            yield Process(f"compose {name}", tuple(service["command"]), patience, service["environment"])
    for deployment in list_deployments():
        patience = deployment["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", 30)
        for container in list_containers(deployment):
            variables = {one["name"]: one for one in container.get("env", [])}
            yield Process(f"kubernetes {container['name']}", tuple(container["args"]), patience, variables)
    for path in sorted((DEPLOY / "systemd").glob("*.service")):
        unit = read_unit(path.name)
        given = dict(line.split("=", 1) for line in unit.get("Environment", []))
        for line in [*unit.get("ExecStartPre", []), *unit["ExecStart"]]:
            program, *words = shlex.split(line)
            assert program.endswith("/bin/plait")
            yield Process(f"{path.name}: {words[0]}", tuple(words), float(unit["TimeoutStopSec"][0]), given)
