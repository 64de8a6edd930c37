"""A process that uses the embedded PostgreSQL: ``user_process.py <project> [--fork]``.

Prints what it got as one JSON line, then stays a user until its standard input ends. It loads
``plait.embedded`` without the rest of Plait, so that any interpreter and any account can run it. With
``--fork`` a child goes on while the process that started the server ends.
"""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path

plait = types.ModuleType("plait")
plait.__path__ = [str(Path(__file__).parents[2] / "src" / "plait")]
sys.modules["plait"] = plait

from plait.embedded import EmbeddedPostgresError, start_embedded  # noqa: E402 - after the package above


def main() -> None:
    try:
        server = start_embedded(Path(sys.argv[1]))
    except EmbeddedPostgresError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    if "--fork" in sys.argv and os.fork() > 0:
        return
    print(json.dumps({"dsn": server.dsn, "data_dir": str(server.data_dir), "pid": os.getpid()}), flush=True)
    sys.stdin.read()


main()
