"""Takes the picture of the tutorial's first page: its own run, while it runs, in the dashboard, light and dark.

    .venv/bin/python tools/pictures.py

Needs Chromium and the test dependencies. The other pictures of the dashboard are taken by dashboard/screenshots.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from terminal import Background
from walk import TUTORIAL, make_environment

from dashboard.browser import open_browser

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
SLOW = "asyncio.sleep(8)"  # for two pictures, not for a reader


def main() -> None:
    """Start what the page starts, and look."""
    [code] = re.findall(r'^```python title="invoices.py"\n(.*?)^```$', TUTORIAL[0].read_text("utf-8"), re.M | re.S)
    with tempfile.TemporaryDirectory(prefix="plait-pictures-") as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "invoices"
        folder.mkdir()
        (folder / "invoices.py").write_text(code.replace("asyncio.sleep(2)", SLOW), encoding="utf-8")
        environment = make_environment(folder, Path(sys.executable).parent)
        staying = Background("plait dev invoices.py", folder, environment)
        try:
            staying.wait_until(lambda: staying.count("serving ") > 0, "serve")
            [address] = re.findall(r"^dashboard (http://\S+)$", staying.output, re.M)
            _take(address, folder, environment)
        finally:
            staying.stop()
            subprocess.run(["bash", "-c", "plait db stop"], cwd=folder, env=environment, check=False)


def _take(address: str, folder: Path, environment: dict[str, str]) -> None:
    command = "plait run invoices.py --detach number=8 supplier=Quill net=120"
    with open_browser() as browser:
        pages = {
            theme: browser.new_context(
                viewport={"width": 1180, "height": 680}, device_scale_factor=1.5, color_scheme=theme
            ).new_page()
            for theme in ("light", "dark")
        }
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, check=True)
        run_id = done.stdout.decode().strip()
        for page in pages.values():
            page.goto(f"{address}runs/{run_id}")
        for theme, page in pages.items():
            page.get_by_text("find_account").first.wait_for()
            page.get_by_text("Running · ").first.wait_for()
            page.wait_for_timeout(500)
            page.screenshot(path=IMAGES / f"tutorial-run-{theme}.png")


if __name__ == "__main__":
    main()
