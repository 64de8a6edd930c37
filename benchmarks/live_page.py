"""``python -m benchmarks.live_page``: how long a change in the database takes to be seen on an open page.

A Chromium has the list of runs open; runs are triggered one by one, each after a pause, and the time from the trigger's
return to its row on the page is taken, the way through Playwright included. With ``--beside 20`` a worker and twenty
other runs each second go on meanwhile. Needs Chromium (apt install chromium).
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median, quantiles

from benchmarks.__main__ import open_server

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PAUSE_SECONDS = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_page", description=__doc__)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--beside", type=float, default=0, help="runs each second that go on meanwhile")
    options = parser.parse_args()
    with open_server(), working(options.beside):
        print_times(measure(options.samples, options.chromium))


@contextmanager
def working(rate: float) -> Iterator[None]:
    """A worker, and runs at a steady rate."""
    if not rate:
        yield
        return
    from benchmarks.endtoend import BenchWorker  # noqa: PLC0415 - the environment is set first
    from benchmarks.flows import SHAPES  # noqa: PLC0415

    stopped = threading.Event()

    def trigger() -> None:
        while not stopped.wait(1 / rate):
            SHAPES["chain of 10"].run_no_wait()

    with BenchWorker(os.environ["BENCH_DATABASE_URL"], slots=400):
        thread = threading.Thread(target=trigger)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()


def measure(samples: int, chromium: str) -> list[float]:
    """Milliseconds from the end of a trigger to its row on the page."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the environment is set first

    from benchmarks.flows import SHAPES, plait  # noqa: PLC0415
    from plait.server import serve as runner  # noqa: PLC0415

    workflow = SHAPES["diamond"]
    workflow.run_no_wait()
    server = runner.start(plait)
    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        page.goto(f"{server.url}runs")
        page.wait_for_selector("tbody tr[data-id]")
        for _ in range(samples):
            time.sleep(PAUSE_SECONDS)
            ref = workflow.run_no_wait()
            begun = time.perf_counter()
            page.wait_for_selector(f'tbody tr[data-id="{ref.workflow_run_id}"]')
            times.append((time.perf_counter() - begun) * 1000)
        browser.close()
    server.stop()
    return times


def print_times(times: list[float]) -> None:
    p95 = quantiles(times, n=20)[-1]
    print(f"from the trigger to the page, ms: median {median(times):.0f}, p95 {p95:.0f}, worst {max(times):.0f}")


if __name__ == "__main__":
    main()
