"""The helper process that evaluates expressions: ``python -m plait.values.evaluating``, on a socket as its stdin.

It answers one question after another, each with a line of JSON: true, false, or why it cannot be told. An expression
that takes more CPU than it may ends the process, by a signal that needs no co-operation of the library; who asked sees
that the answer is missing.
"""

from __future__ import annotations

import json
import resource
import signal
import socket
from contextlib import suppress
from typing import Any

from plait.errors import ExpressionError
from plait.values.evaluation import evaluate

CPU_SECONDS = 0.5
"""What one question may take. An expression that means well takes some microseconds, a quadratic one more the larger
the data is."""
MEMORY_BYTES = 1 << 30


def serve(stream: socket.socket) -> None:
    """Answer until the other end is closed."""
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    with suppress(ValueError, OSError):  # not on every system
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    evaluate("true")  # the library is imported before anybody's time is counted
    reader = stream.makefile("rb")
    while line := reader.readline():
        header = json.loads(line)
        documents = [reader.read(length) for length in header["documents"]]
        parsed: dict[int, Any] = {}
        for expression, places in header["questions"]:
            signal.setitimer(signal.ITIMER_VIRTUAL, header["seconds"])
            answer = _answer(expression, places, documents, parsed)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            stream.sendall(json.dumps(answer).encode() + b"\n")


def _answer(expression: str, places: dict[str, int], documents: list[bytes], parsed: dict[int, Any]) -> bool | str:
    try:
        for place in places.values():
            if place not in parsed:
                parsed[place] = _parse(documents[place])
        return evaluate(expression, **{name: parsed[place] for name, place in places.items()})
    except (ExpressionError, ValueError) as error:
        return str(error)
    except MemoryError:
        return "it needs too much memory"


def _parse(document: bytes) -> Any:
    """As ``encoding.decode_json``, by the standard library. Raises ``ValueError``."""
    try:
        return json.loads(document, parse_constant=_refuse)
    except (ValueError, RecursionError) as failure:
        raise ValueError(f"not valid JSON: {failure}") from failure


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


if __name__ == "__main__":
    serve(socket.socket(fileno=0))
