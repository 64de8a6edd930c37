"""The keyboard alone, and both themes."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from dashboard.browser import Watched, find_node
from dashboard.sample_flows import Shop
from support.workers import WorkerThread


def test_everything_is_reached_by_keys(dashboard: Watched, shop: Shop, worker: WorkerThread) -> None:
    for _ in range(3):
        shop["NightlyBatch"].run()
    page = dashboard.open("")
    expect(page.get_by_role("table", name="Runs").locator("tbody tr[data-id]")).to_have_count(12)
    press = page.keyboard.press
    for key, name in (("w", "Workflows"), ("k", "Workers"), ("c", "Schedules"), ("e", "Events"), ("r", "Runs")):
        press("g")
        press(key)
        expect(page.get_by_role("heading", level=1)).to_have_text(name)

    press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    press("j")
    press("j")
    press("x")
    expect(page.get_by_role("region", name="Selected runs")).to_contain_text("1 selected")
    press("Escape")
    expect(page.get_by_role("region", name="Selected runs")).to_have_count(0)

    press("/")
    page.keyboard.type("workflow:NightlyBatch")
    press("Enter")
    expect(page.get_by_role("table", name="Runs").locator("tbody tr[data-id]")).to_have_count(3)
    press("Escape")
    press("j")
    press("Enter")
    expect(page).to_have_url(re.compile("/runs/"))
    expect(find_node(page, "NightlyBatch")).to_be_visible()
    press("j")
    expect(page.get_by_role("complementary", name="Task NightlyBatch")).to_be_visible()
    press("2")
    expect(page.get_by_label("Timeline of attempts")).to_be_visible()
    press("3")
    expect(page.get_by_role("table", name="Tasks")).to_be_visible()
    press("Escape")
    expect(page.get_by_role("complementary", name="This run")).to_be_visible()

    press("Control+k")
    page.keyboard.type("fulfil")
    press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("FulfilOrder")


def test_the_focus_comes_back_and_is_seen(dashboard: Watched, worker: WorkerThread) -> None:
    page = dashboard.open("workflows/FulfilOrder")
    start = page.get_by_role("button", name="Start a run")
    start.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("Escape")
    expect(start).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_theme_follows_the_system_or_the_choice(watch: Callable[..., Watched]) -> None:
    page = watch(color_scheme="dark").open("")
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    expect(root).to_have_attribute("data-theme", "light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(root).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
