"""The health port of a supervisor: it answers for all of its worker processes, which it asks over Unix sockets.

One port for one pod, however many processes it has. It runs on a thread of its own, with a loop of its own, so that
a supervisor that waits for a process to end answers all the same.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from plait.worker.address import Address
from plait.worker.endpoint import Endpoint

logger = logging.getLogger("plait.supervisor")

ASK_SECONDS = 3.0
"""How long a process may take to answer; one that does not is left out."""


class Gateway:
    """Listens for the time of a ``with`` block; entering it raises ``OperationError`` when the address cannot be had.

    Args:
        address: where.
        processes: how many worker processes there are.
        readiness: None when all of them take tasks, else why not. Called on the gateway's thread.
    """

    def __init__(self, address: Address, processes: int, readiness: Callable[[], str | None]) -> None:
        self._processes = processes
        self._folder = tempfile.TemporaryDirectory(prefix="plait-health-")
        self._endpoint = Endpoint(address, readiness=readiness, metrics=self._collect)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="plait-health", daemon=True)

    def find_socket(self, number: int) -> str:
        """Where process ``number`` (1, 2, …) is to listen. The folder is open to this user alone."""
        return str(Path(self._folder.name) / f"{number}.sock")

    def __enter__(self) -> Gateway:
        self._thread.start()
        try:
            self._call(self._endpoint.open()).result()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):
            self._call(self._endpoint.close()).result(ASK_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ASK_SECONDS)
        self._folder.cleanup()

    def _call(self, coroutine: object) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)  # type: ignore[arg-type]

    async def _collect(self) -> bytes:
        numbers = range(1, self._processes + 1)
        texts = await asyncio.gather(*(self._ask(number) for number in numbers))
        return merge_metrics(zip(map(str, numbers), texts, strict=True)).encode()

    async def _ask(self, number: int) -> str:
        """The metrics of a process; nothing of one that does not answer, as while it starts."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self.find_socket(number))
                try:
                    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
                    answer = await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            logger.debug("no metrics from process %d: %r", number, error)
            return ""
        return answer.partition(b"\r\n\r\n")[2].decode()


def merge_metrics(texts: Iterable[tuple[str, str]]) -> str:
    """Metrics of several processes as one exposition: each family once, each sample with its ``process``.

    As text: ``prometheus_client`` would take 40 times as long to read it, and the probes would wait.
    """
    families: dict[str, list[str]] = {}
    for process, text in texts:
        for family in f"\n{text}".split("\n# HELP ")[1:]:
            description, kind, *samples = family.removesuffix("\n").split("\n")
            lines = families.setdefault(f"# HELP {description}\n{kind}", [])
            lines += [_add_label(sample, f'process="{process}"') for sample in samples]
    return "".join(f"{line}\n" for head, lines in families.items() for line in (head, *lines))


def _add_label(sample: str, label: str) -> str:
    name, _, value = sample.partition(" ")
    return sample.replace("{", f"{{{label},", 1) if "{" in name else f"{name}{{{label}}} {value}"
