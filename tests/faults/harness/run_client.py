"""``python -m faults.harness.run_client JOURNAL COUNT RETRIES``: a client that may be killed and goes on.

Each line of the journal says what has been acknowledged.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from faults.harness import points
from faults.harness.client import KINDS
from flows import mixed
from flows.steps import Number
from plait import Plait
from plait.errors import DatabaseUnavailableError, ReplayError


def _note(journal: Path, **line: Any) -> None:
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (json.dumps(line) + "\n").encode())
    os.close(descriptor)


def _insist(call: Callable[..., Any], *arguments: Any) -> None:
    while True:
        try:
            call(*arguments)
            return
        except DatabaseUnavailableError:
            pass  # it has been patient itself


def main() -> None:
    journal, count, retries = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    points.install_from_environment()
    lines = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    plait = Plait()
    flows = mixed.declare(plait, retries=retries)
    begin = 1 + max((line["begun"] for line in lines if "begun" in line), default=-1)
    for number in range(begin):  # it may have died between the trigger and the event
        _approve(plait, number)
    for number in range(begin, count):
        _note(journal, begun=number)
        kind = KINDS[number % len(KINDS)]
        with suppress(DatabaseUnavailableError):
            ref = getattr(flows, kind).run_no_wait(Number(n=number))
            _note(journal, run=ref.workflow_run_id)
            if number % 3 == 0:
                _note(journal, meddled=ref.workflow_run_id)
                _insist(plait.runs.cancel, ref.workflow_run_id)
                with suppress(ReplayError):
                    _insist(plait.runs.replay, ref.workflow_run_id)
        _approve(plait, number)
    plait.close()


def _approve(plait: Plait, number: int) -> None:
    if KINDS[number % len(KINDS)] == "approval":
        _insist(plait.event.push, f"go:{number}", {"yes": True})


if __name__ == "__main__":
    main()
