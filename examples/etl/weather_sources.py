"""Where the data comes from: files of the ``vega-datasets`` package, one of them behind a flaky server."""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from plait import NonRetryableException, RetryAfterException

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


def fetch(url: str) -> bytes:
    """A whole HTTP body. A 503 with ``Retry-After`` in seconds is retried at that time; a 4xx is final."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.read()
    except http.client.IncompleteRead as error:
        raise ConnectionError(f"{url} broke off after {len(error.partial):,} bytes") from error
    except urllib.error.HTTPError as error:
        error.close()
        after = error.headers.get("Retry-After", "")
        if error.code == 503 and after.isdigit():
            raise RetryAfterException(
                f"{url} is busy, asks to wait {after} s", after=timedelta(seconds=int(after))
            ) from error
        if error.code < 500:
            raise NonRetryableException(f"{url} answers {error.code} {error.reason}") from error
        raise


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
            if self.path != f"/{path.name}":
                self.send_error(404)
                return
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
