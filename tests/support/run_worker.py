"""``python -m support.run_worker FLOW SETTINGS``: a worker process for ``WorkerProcess``."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
import time

from faults.harness import points
from plait import Plait
from plait.maintenance import leader
from plait.worker.identity import Timings


def _follow(parent: int) -> None:
    """End with the process that started us, however it ended."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(70)


def main() -> None:
    flow, settings = sys.argv[1], json.loads(sys.argv[2])
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(message)s")
    points.install_from_environment()
    timings = Timings(**settings["timings"])
    # A short lease is for tests in which a worker dies: its maintenance shall be taken over as soon as its tasks.
    leader.LEASE_SECONDS = min(leader.LEASE_SECONDS, timings.lease)
    leader.RENEW_SECONDS = min(leader.RENEW_SECONDS, timings.heartbeat)
    plait = Plait()
    importlib.import_module(f"flows.{flow}").declare(plait, **settings["options"])
    plait.worker(flow, slots=settings["slots"], timings=timings).start()


if __name__ == "__main__":
    main()
