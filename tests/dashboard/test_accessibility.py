"""axe finds nothing, on any page, in either theme."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from dashboard.browser import Watched, find_violations
from dashboard.sample_flows import Order, Shop
from plait import Plait, WorkflowRunStatus
from support.waiting import eventually
from support.workers import WorkerThread


def test_axe_finds_nothing(watch: Callable[..., Watched], plait: Plait, shop: Shop, worker: WorkerThread) -> None:
    event = plait.event.push("user:created", {"id": 1})
    failed = shop["FulfilOrder"].run_no_wait(Order(pace=0.01, items=["pen"], card_declined=True))
    waiting = shop["PublishReport"].run_no_wait(additional_metadata={"user": "42"})
    fold = shop["RenderThumbnails"].run_no_wait({"pace": 0})
    shop["Nap"].run_no_wait({"seconds": 100})
    eventually(lambda: failed.status() is WorkflowRunStatus.FAILED, "the order failed")
    seen = watch(bypass_csp=True)
    worker_id = plait.workers.list()[0].id
    run = f"runs/{failed.workflow_run_id}"
    problems: dict[str, list[str]] = {}
    for path in (
        "runs",
        "runs?q=status:failed",
        "runs?q=nothing:here",
        run,
        f"{run}?task=charge",
        f"{run}?task=charge&tab=attempts",
        f"{run}?task=charge&tab=logs",
        f"{run}?view=timeline&task=price",
        f"{run}?view=table",
        f"{run}?view=logs",
        f"runs/{waiting.workflow_run_id}?task=publish",
        f"runs/{fold.workflow_run_id}",
        "runs/01a20e56-d65b-7d8d-9d70-fd127f48dec0",
        "workflows",
        "workflows/FulfilOrder?task=price",
        "workflows/FulfilOrder?tab=runs",
        "workflows/FulfilOrder?tab=schema",
        "workflows/FulfilOrder?tab=versions",
        "workflows/FulfilOrder?start=1",
        "workers",
        f"workers/{worker_id}",
        "schedules",
        "events",
        f"events/{event.id}",
        "nowhere",
    ):
        page = seen.open(path)
        expect(page.locator("main h1, main h2").first).to_be_visible()
        checked = ""
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
            seen.settle()
            # But for numbers, which tick: "3 s ago".
            before, checked = checked, re.sub(r"\d+", "0", page.inner_html("body"))
            if found := find_violations(page, only_colours=checked == before):
                problems[f"{path}, {theme}"] = found
    seen.expected.append("404")
    assert not problems, "\n\n".join(f"{path}\n" + "\n".join(found) for path, found in problems.items())


@pytest.mark.parametrize("keys", ["?", "Control+k"])
def test_axe_finds_nothing_in_dialogs(keys: str, watch: Callable[..., Watched]) -> None:
    page = watch(bypass_csp=True).open("runs")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.keyboard.press(keys)
    expect(page.get_by_role("dialog")).to_be_visible()
    assert find_violations(page) == []


def test_a_narrow_window_scrolls_no_page_sideways(dashboard: Watched, worker: WorkerThread) -> None:
    dashboard.page.set_viewport_size({"width": 420, "height": 800})
    for path in ("runs", "workflows", "workflows/FulfilOrder", "workers", "schedules", "events"):
        page = dashboard.open(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
