"""Where the data comes from: files of the ``vega-datasets`` package, one of them behind a flaky server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Fault = Literal["busy", "cut"]


def find_data_file(name: str) -> Path:
    """A file that ``vega-datasets`` ships. Raises ``FileNotFoundError`` that says how to install the package.

    The package is looked up, not imported: importing it would need pandas.
    """
    spec = find_spec("vega_datasets")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "this example reads data of the vega-datasets package: pip install --no-deps vega-datasets"
        )
    return Path(spec.origin).parent / "_data" / name


@contextmanager
def serve_flaky(path: Path, faults: tuple[Fault, ...] = ("busy", "cut")) -> Iterator[str]:
    """Serve one file over HTTP on this machine; yields its URL.

    The first requests meet the ``faults`` in order: ``busy`` answers 503 and asks to come back in a second,
    ``cut`` breaks off in the middle of the body. Later requests get the file.
    """
    body = path.read_bytes()
    remaining = iter(faults)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                fault = next(remaining, None)
            if fault == "busy":
                self.send_response(503)
                self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/csv")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{path.name}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
