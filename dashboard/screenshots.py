"""Takes the pictures of the dashboard in docs/images, of real runs of the shop in tests/dashboard.

    .venv/bin/python dashboard/screenshots.py

Needs Chromium and the test dependencies. PostgreSQL is a temporary one.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from dashboard.browser import find_node, open_browser  # noqa: E402 - found by the path above
from dashboard.sample_flows import BIG, Order, Shop, declare  # noqa: E402
from plait import Plait, WorkflowRunRef  # noqa: E402
from plait.server import serve as runner  # noqa: E402
from support.workers import serve  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SECONDS_OF_TRIGGERS = 25


def main() -> None:
    """Seed, look, write."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in ("DATABASE_URL", "PLAIT_DATABASE_URL"):
            os.environ.pop(name, None)
        plait = Plait()
        shop = declare(plait)
        worker = serve(plait, *shop.workflows, slots=40)
        server = runner.start(plait)
        try:
            _take(server.url, shop, failed=_seed(shop))
        finally:
            server.stop()
            worker.stop()
            plait.close()
            os.chdir(ROOT)
            subprocess.run([sys.executable, "-m", "plait", "db", "stop"], cwd=folder, check=True, capture_output=True)


def _seed(shop: Shop) -> WorkflowRunRef[Any]:
    """Runs of all kinds, over half a minute; some still go on when the pictures are taken. Returns one that failed."""
    chance = random.Random(7)
    orders = shop["FulfilOrder"]
    end = time.monotonic() + SECONDS_OF_TRIGGERS
    number = 0
    while time.monotonic() < end:
        number += 1
        orders.run_no_wait(
            Order(
                order_id=BIG + number,
                items=["lamp", "desk"] if number % 7 == 0 else ["lamp"],
                card_declined=number % 9 == 4,
                pace=chance.choice([0.02, 0.05, 0.1]),
            ),
            additional_metadata={
                "user": str(chance.randrange(40, 50)),
                "source": chance.choice(["web", "app", "shop"]),
            },
        )
        if number % 11 == 0:
            shop["RenderThumbnails"].run_no_wait({"pace": 0.1})
        if number % 17 == 0:
            shop["NightlyBatch"].run_no_wait()
        time.sleep(chance.choice([0.05, 0.2, 0.3, 0.6]))
    failed = orders.run_no_wait(Order(items=["lamp", "desk"], card_declined=True, pace=0.2))
    time.sleep(4)
    shop["PublishReport"].run_no_wait(additional_metadata={"quarter": "2026-Q3"})
    shop["Nap"].run_no_wait({"seconds": 300})
    return failed


def _start_live(shop: Shop) -> WorkflowRunRef[Any]:
    """A run whose tasks take long enough to be looked at."""
    order = Order(pace=3, items=["lamp"])
    return shop["FulfilOrder"].run_no_wait(order, additional_metadata={"user": "42", "source": "web"})


def _take(url: str, shop: Shop, failed: WorkflowRunRef[Any]) -> None:
    with open_browser() as browser:
        for theme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": 1360, "height": 820}, device_scale_factor=1.5, color_scheme=theme
            )
            page = context.new_page()

            def look(path: str, name: str, ready: Any, page: Any = page, theme: str = theme) -> None:
                page.goto(url + path)
                ready(page).wait_for()
                page.wait_for_timeout(700)
                page.screenshot(path=IMAGES / f"dashboard-{name}-{theme}.png")

            live = _start_live(shop).workflow_run_id
            look("runs", "runs", lambda page: page.locator("tr[data-id]").first)
            look(f"runs/{live}", "run", lambda page: find_node(page, "charge").filter(has_text="Running"))
            attempts = f"runs/{failed.workflow_run_id}?view=timeline&task=price&tab=attempts"
            look(attempts, "timeline", lambda page: page.locator("article").first)
            look("workflows/FulfilOrder?task=price", "workflow", lambda page: find_node(page, "ship"))
            context.close()


if __name__ == "__main__":
    main()
