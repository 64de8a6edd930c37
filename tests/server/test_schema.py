"""The API against its own OpenAPI document, with requests that Schemathesis makes up: none gives a 5xx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from plait import Context, Plait
from plait.server import serve as runner
from support.database import Database

DOCUMENT = schemathesis.openapi.from_path(str(Path(__file__).parents[2] / "dashboard" / "openapi.json"))
LEFT_OUT = {"stream_changes"}
"""Answers as long as one listens; ``test_stream`` has it."""
EXAMPLES = 10

OPERATIONS = [
    operation
    for result in DOCUMENT.get_all_operations()
    if (operation := result.ok()).definition.raw["operationId"] not in LEFT_OUT
]


@pytest.fixture(scope="module")
def api_url(server: Any) -> Any:
    """One server and one database with something in it for all operations."""
    database = Database(server, "plait_test_schema")
    plait = Plait(database.url)

    @plait.task(name="etl")
    def etl(input: Any, ctx: Context) -> None: ...

    etl.run_no_wait()
    plait.event.push("a", {})
    running = runner.start(plait)
    yield running.url
    running.stop()
    plait.close()
    database.drop()


def takes_anything(operation: Any) -> bool:
    """Whether there is something in its requests that could be wrong."""
    raw = operation.definition.raw
    return bool(raw.get("parameters") or raw.get("requestBody"))


CASES = [(operation, GenerationMode.POSITIVE) for operation in OPERATIONS] + [
    (operation, GenerationMode.NEGATIVE) for operation in OPERATIONS if takes_anything(operation)
]


@pytest.mark.parametrize(
    ("operation", "mode"), CASES, ids=[f"{one.definition.raw['operationId']} {mode.value}" for one, mode in CASES]
)
def test_no_request_gives_a_5xx(api_url: str, operation: Any, mode: GenerationMode) -> None:
    @seed(20_260_101)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def send(data: Any) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        response = case.call(base_url=api_url.rstrip("/"))
        assert response.status_code < 500, f"{case.as_curl_command()}\n{response.text}"
        if response.status_code >= 400:
            assert set(response.json()) == {"type", "message", "field", "hint"}

    send()
