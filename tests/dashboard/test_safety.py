"""What others wrote stays text; the page stays on its origin, and works behind a prefix and without the stream.

That no request leaves the origin, and that the console stays empty (it tells of every breach of the policy), is
checked by the fixture, of every page of every test.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from playwright.sync_api import expect
from starlette.applications import Starlette

from dashboard.browser import Watched, find_node
from dashboard.sample_flows import NASTY, Shop
from plait import Plait
from plait.server import serve as runner
from plait.server.app import mount
from support.workers import WorkerThread


def test_texts_of_others_are_shown_and_do_nothing(dashboard: Watched, shop: Shop, worker: WorkerThread) -> None:
    ref = shop["Grumble"].run_no_wait({"text": NASTY}, additional_metadata={"<b>key</b>": NASTY[:40]})
    page = dashboard.open(f"runs/{ref.workflow_run_id}?task=Grumble")
    error = page.get_by_role("complementary").get_by_label("Error")
    expect(error).to_contain_text("⟨ESC⟩[31mred⟨ESC⟩[0m, ⟨U+202E⟩gnp.exe⟨U+202C⟩, <script>alert(1)</script>⟨BEL⟩")
    assert page.locator("script:not([src])").count() == 0
    assert page.locator("main b", has_text="key").count() == 1  # the chip's own, with the key as its text
    assert "\u202e" not in page.locator("body").inner_text()
    dashboard.open("runs")
    expect(page.locator(".chip", has_text="<b>key</b>")).to_be_visible()


def test_the_policy_allows_no_inline_script_or_style(dashboard: Watched) -> None:
    policies: list[str] = []
    dashboard.page.on("response", lambda answer: policies.append(answer.headers.get("content-security-policy", "")))
    page = dashboard.open("")
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    assert policies
    assert not any("unsafe" in policy or "http" in policy for policy in policies)
    assert page.locator("style").count() == 0
    assert page.locator("[onclick]").count() == 0


def test_without_the_stream_the_page_polls(dashboard: Watched, shop: Shop, worker: WorkerThread) -> None:
    dashboard.expected += ["ERR_FAILED", "stream"]
    dashboard.page.route("**/api/v1/stream*", lambda route: route.abort())
    page = dashboard.open("runs")
    expect(page.get_by_text("Asking every 2 s")).to_be_visible()
    expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    shop["CleanUp"].run()
    expect(page.get_by_role("link", name="CleanUp")).to_be_visible()


def test_a_server_that_is_away_is_told_of_and_found_again(plait: Plait, watch: Callable[..., Watched]) -> None:
    first = runner.start(plait)
    port = int(first.url.rsplit(":", 1)[1].strip("/"))
    seen = watch(first.url)
    seen.expected += ["ERR_", "Failed to load"]
    page = seen.open("runs")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    first.stop()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    second = runner.start(plait, port=port, any_near=False)
    try:
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
    finally:
        second.stop()


@pytest.fixture
def mounted(plait: Plait) -> Iterator[str]:
    """The dashboard in an application of the user's own."""
    app = Starlette()
    inner = mount(app, plait, "/ops/plait")
    listener = runner.bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    yield runner.describe_url(listener) + "ops/plait/"
    inner.state.broker.close()
    server.should_exit = True
    thread.join(10)


def test_it_works_under_a_prefix(mounted: str, watch: Callable[..., Watched], shop: Shop, worker: WorkerThread) -> None:
    ref = shop["CleanUp"].run_no_wait()
    seen = watch(mounted)
    page = seen.open("runs")
    page.get_by_role("link", name="CleanUp").click()
    expect(find_node(page, "CleanUp")).to_contain_text("Completed")
    expect(page).to_have_url(f"{mounted}runs/{ref.workflow_run_id}")
    page.reload()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
