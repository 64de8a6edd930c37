"""``python -m support.run_launcher DESCRIPTOR``: the process from which ``support.launcher`` forks others.

It imports Plait once, and each fork does what Python would have done with the arguments it is given.
"""

from __future__ import annotations

import array
import atexit
import builtins
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import time
import types
import warnings
from pathlib import Path
from typing import Any

IMPORTED = ("plait.cli", "plait.server", "plait.store", "plait.worker")
"""With the modules in them comes nearly all that a command, a worker or a server loads."""

_imported: dict[str, types.ModuleType] = {}
"""What the launcher had before the first fork."""

STREAMS = 3
"""Standard input, output and error."""


class Launcher:
    """Forks when asked to, and tells how the forks ended, until whoever asks is gone."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._ends: dict[int, int] = {}
        """By the pid of a fork, where to write its wait status."""
        self._woken, wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake)

    def serve(self) -> dict[str, Any]:
        """Returns in forks only: what this one shall do."""
        while True:
            readable, _, _ = select.select([self._control, self._woken], [], [])
            if self._woken in readable:
                os.read(self._woken, 4096)
            self._reap()
            if self._control in readable:
                request, descriptors = self._receive()
                *streams, end = descriptors
                pid = os.fork()
                if pid == 0:
                    self._leave(streams)
                    return request
                self._ends[pid] = end
                for descriptor in streams:
                    os.close(descriptor)
                self._control.sendall(struct.pack("i", pid))

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        head, data, _, _ = self._control.recvmsg(4, socket.CMSG_SPACE((STREAMS + 1) * 4))
        if not head:
            for pid in self._ends:
                os.kill(pid, signal.SIGKILL)
            sys.exit()
        (size,) = struct.unpack("i", head)
        text = b""
        while len(text) < size:
            text += self._control.recv(size - len(text))
        return json.loads(text), array.array("i", data[0][2]).tolist()

    def _reap(self) -> None:
        for pid in list(self._ends):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                end = self._ends.pop(pid)
                os.write(end, struct.pack("i", os.waitstatus_to_exitcode(status)))
                os.close(end)

    def _leave(self, streams: list[int]) -> None:
        """In a fork: keep nothing of the launcher but what it has imported."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.detach()
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        os.closerange(STREAMS, 1024)


def run(request: dict[str, Any]) -> None:
    """Be ``python *arguments`` with this folder and this environment."""
    if request["session"]:
        os.setsid()
    os.chdir(request["folder"])
    locale = {name: value for name, value in os.environ.items() if name == "LC_CTYPE"}  # Python may have set it
    os.environ.clear()
    os.environ.update(locale | request["environment"])
    time.tzset()
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    _open_streams(unbuffered=bool(os.environ.get("PYTHONUNBUFFERED")))
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    _run_arguments(list(request["arguments"]))


def _open_streams(*, unbuffered: bool) -> None:
    """Streams like those with which Python started here."""
    stdin = open(0, encoding=sys.stdin.encoding, errors=sys.stdin.errors, closefd=False)  # noqa: SIM115
    sys.stdin = sys.__stdin__ = stdin
    for number, name in ((1, "stdout"), (2, "stderr")):
        first = getattr(sys, name)
        stream = io.TextIOWrapper(
            open(number, "wb", buffering=0 if unbuffered else -1, closefd=False),  # noqa: SIM115
            encoding=first.encoding,
            errors=first.errors,
            line_buffering=number == 2 or os.isatty(number),
            write_through=unbuffered,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _run_arguments(arguments: list[str]) -> None:
    here = [""]
    while (word := arguments.pop(0)) in ("-P", "-W"):
        if word == "-P":
            here = []
        else:
            action, _, category = arguments.pop(0).partition("::")
            warnings.simplefilter(action, getattr(builtins, category))  # type: ignore[arg-type]
    if word == "-m":
        name, *rest = arguments
        sys.argv = ["-m", *rest]
        sys.path[:0] = [os.getcwd()] if here else []
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if word == "-c":
        source, *rest = arguments
        sys.argv = ["-c", *rest]
        sys.path[:0] = here
        code = compile(source, "<string>", "exec")
    else:
        sys.argv = [word, *arguments]
        sys.path[:0] = [str(Path(word).resolve().parent)] if here else []
        main.__file__ = word
        code = compile(Path(word).read_bytes(), word, "exec")
    exec(code, main.__dict__)


def import_all() -> None:
    """Import what forks shall have, the library for expressions with it, and put the server's routes together, which is
    as slow."""
    for name in IMPORTED:
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            importlib.import_module(module.name)
    sys.modules["plait.server.app"].build_routes().openapi()
    importlib.import_module("plait.values.evaluation").evaluate("true")
    sys.modules.pop("support")
    _imported.update(sys.modules)
    gc.collect()
    gc.freeze()


def end(error: SystemExit) -> None:
    """End this fork with what ``sys.exit`` was called with: as Python does, but for what nobody sees. To take apart,
    object by object, what the launcher has imported would take longer than most forks run. Returns where the usual end
    is needed, to tell of something."""
    code = 0 if error.code is None else error.code
    if not isinstance(code, int):
        return
    del error
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if threading.active_count() > 1:  # Python would stop these here; they must not meet modules without content
        return
    for module in reversed([module for name, module in sys.modules.items() if _imported.get(name) is not module]):
        if isinstance(module, types.ModuleType):
            _clear(module)
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # nobody reads it, or it was closed
        return
    os._exit(code & 0xFF)


def _clear(module: types.ModuleType) -> None:
    """What Python does with a module in the end, first with what is private."""
    names = vars(module)
    for is_private in (True, False):
        for name in list(names):
            if name != "__builtins__" and (name[:1] == "_" and name[:2] != "__") is is_private:
                names[name] = None


def main() -> None:
    """Serve; a fork comes back from it with its request, and ends as every Python program does."""
    with socket.socket(fileno=int(sys.argv[1])) as control:
        sys.path.pop(0)
        import_all()
        request = Launcher(control).serve()
    try:
        run(request)
        sys.exit()
    except SystemExit as error:
        end(error)
        raise


if __name__ == "__main__":
    main()
