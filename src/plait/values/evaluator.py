"""Evaluating users' expressions in a process of their own: one that never ends stops nobody but itself.

The library holds Python's lock while it evaluates, so on a thread of the worker an expression would stop everything,
the heartbeat included.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from plait.errors import ExpressionError, OperationError
from plait.values.evaluating import CPU_SECONDS
from plait.wording import shorten

logger = logging.getLogger("plait.expressions")

PATIENCE_SECONDS = 20.0
"""How long an answer may take on a machine that has no time for the helper, before it is started again."""
TRIES = 3
OFF_AFTER, OFF_SECONDS = 3, 600.0
_LINE_BYTES = 1 << 16
TOLD, TOLD_CHARACTERS = 20, 500
"""How many of the expressions that are switched off are told to others, and how much of each."""


class Question(NamedTuple):
    """An expression and its variables, each as JSON."""

    expression: str
    variables: Mapping[str, bytes | str]


class Evaluator:
    """The door to the helper, which is started when it is needed. Lives on one event loop; questions wait their turn.

    An expression that came to its limit ``OFF_AFTER`` times is switched off for ``OFF_SECONDS``.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._turn = asyncio.Lock()
        self._exceeded: dict[str, int] = {}
        self._off: dict[str, float] = {}

    async def evaluate(self, questions: Sequence[Question]) -> list[bool | ExpressionError]:
        """An answer to each question: what the expression says, or why that cannot be told. Raises ``OperationError``
        when the helper does not work."""
        async with self._turn:
            try:
                return await self._evaluate(questions)
            except BaseException:  # cancelled perhaps: the next to ask must not take these answers for its own
                self._drop()
                raise

    async def _evaluate(self, questions: Sequence[Question]) -> list[bool | ExpressionError]:
        answers: list[bool | ExpressionError] = []
        tries = 0
        while len(answers) < len(questions):
            rest = questions[len(answers) :]
            if (refused := self._find_refusal(rest[0].expression)) is not None:
                answers.append(refused)
                continue
            upto = next((n for n, one in enumerate(rest) if self._find_refusal(one.expression)), len(rest))
            came = await self._ask(rest[:upto])
            answers += came
            if len(came) == upto:
                continue
            guilty = rest[len(came)].expression
            if await self._end() == -signal.SIGVTALRM:
                answers.append(self._note_exceeded(guilty))
                continue
            tries += 1
            if tries == TRIES:
                raise OperationError(f"the process that evaluates expressions ended, at {shorten(guilty, 120)}")
        return answers

    def list_switched_off(self) -> list[str]:
        """The beginnings of the expressions that are switched off now."""
        now = time.monotonic()
        off = [expression[:TOLD_CHARACTERS] for expression, until in self._off.items() if until > now]
        return off[-TOLD:]

    async def close(self) -> None:
        """End the helper."""
        async with self._turn:
            await self._end()

    async def _ask(self, questions: Sequence[Question]) -> list[bool | ExpressionError]:
        """The answers that came before the helper ended, or did not answer."""
        documents: list[bytes] = []
        places: dict[int, int] = {}  # by the id of a text, which several questions may share
        asked: list[tuple[str, dict[str, int]]] = []
        for question in questions:
            where = {}
            for name, text in question.variables.items():
                if id(text) not in places:
                    places[id(text)] = len(documents)
                    documents.append(text.encode() if isinstance(text, str) else bytes(text))
                where[name] = places[id(text)]
            asked.append((question.expression, where))
        header = {"documents": [len(one) for one in documents], "questions": asked, "seconds": CPU_SECONDS}
        answers: list[bool | ExpressionError] = []
        with suppress(OSError, TimeoutError):
            reader, writer = await self._open()
            writer.write(json.dumps(header).encode() + b"\n" + b"".join(documents))
            for _ in questions:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    line = await reader.readline()
                if not line.endswith(b"\n"):
                    break
                answer = json.loads(line)
                answers.append(ExpressionError(answer) if isinstance(answer, str) else answer)
        return answers

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = await asyncio.to_thread(_start, theirs)
            self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=_LINE_BYTES)
        return self._reader, self._writer

    async def _end(self) -> int | None:
        """End the helper. Returns how it ended, if it had ended by itself."""
        process = self._let_go()
        return None if process is None else await asyncio.to_thread(_stop, process)

    def _drop(self) -> None:
        """End the helper at once, whatever it does."""
        if (process := self._let_go()) is not None:
            process.kill()
            asyncio.get_running_loop().run_in_executor(None, process.wait)

    def _let_go(self) -> subprocess.Popen[bytes] | None:
        process, writer = self._process, self._writer
        self._process = self._reader = self._writer = None
        if writer is not None:
            writer.close()
        return process

    def _note_exceeded(self, expression: str) -> ExpressionError:
        count = self._exceeded[expression] = self._exceeded.pop(expression, 0) + 1
        text = f"expression {shorten(expression, 120)}: it took more than {CPU_SECONDS:g} s of CPU"
        if count < OFF_AFTER:
            logger.warning("%s and was stopped; make it simpler, or its data smaller", text)
        else:
            del self._exceeded[expression]
            self._off[expression] = time.monotonic() + OFF_SECONDS
            logger.error("%s again and again, and is switched off for %g s", text, OFF_SECONDS)
        return ExpressionError(text)

    def _find_refusal(self, expression: str) -> ExpressionError | None:
        until = self._off.get(expression)
        if until is None:
            return None
        if until < time.monotonic():
            del self._off[expression]
            return None
        return ExpressionError(f"expression {shorten(expression, 120)} is switched off: it took too much CPU")


def _start(end: socket.socket) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C is for the worker, which then closes the socket.
    return subprocess.Popen(
        [sys.executable, "-m", "plait.values.evaluating"],
        stdin=end.fileno(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def _stop(process: subprocess.Popen[bytes]) -> int:
    with suppress(subprocess.TimeoutExpired):
        return process.wait(0.5)  # its end is closed: it ends by itself
    process.kill()
    process.wait()
    return 0
