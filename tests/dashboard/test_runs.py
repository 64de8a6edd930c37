"""Runs as somebody at the dashboard starts, watches, mends and cancels them."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from dashboard.browser import Watched, find_node
from dashboard.sample_flows import BIG, Order, Shop
from plait import Context, EmptyModel, Plait
from support.workers import WorkerThread


def test_a_run_started_from_the_form_goes_live_to_its_end(
    dashboard: Watched, shop: Shop, work: Callable[..., WorkerThread]
) -> None:
    work(*shop.workflows).stop()  # the database knows the workflows; nobody runs them until the page is looked at
    page = dashboard.open("workflows/FulfilOrder")
    page.get_by_role("button", name="Start a run").click()
    page.get_by_label("customer text").fill("grace@example.org")
    page.get_by_label("pace").fill("0.1")
    page.get_by_role("button", name="Remove item 2").click()
    page.get_by_role("button", name="Start the run").click()

    expect(page).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}$"))
    page.evaluate("window.untouched = true")
    expect(find_node(page, "ship")).to_be_visible()
    places = {task: find_node(page, task).bounding_box() for task in ("validate", "charge", "ship")}
    expect(find_node(page, "validate")).to_contain_text("Queued")
    expect(find_node(page, "charge")).to_contain_text("Pending")
    work(*shop.workflows, slots=40)
    expect(find_node(page, "write_invoice")).to_contain_text("Completed")
    expect(find_node(page, "book_freight")).to_contain_text("Skipped")
    expect(page.get_by_role("main").locator(".status.badge").first).to_have_text("Completed")
    assert page.evaluate("window.untouched"), "the page was loaded anew"
    assert {task: find_node(page, task).bounding_box() for task in places} == places, "the graph moved"
    expect(page.get_by_label("Input", exact=True)).to_contain_text(str(BIG))
    expect(page.get_by_label("Input", exact=True)).to_contain_text("grace@example.org")


def test_the_forms_json_tab_keeps_long_integers_and_names_the_fault(dashboard: Watched, worker: WorkerThread) -> None:
    page = dashboard.open("workflows/FulfilOrder?start=1")
    page.get_by_role("button", name="JSON", exact=True).click()
    field = page.get_by_label("Input JSON")
    assert str(BIG) in field.input_value()
    field.fill('{"order_id": }')
    expect(page.get_by_text("line 1, column 14: expected a value")).to_be_visible()
    expect(page.get_by_role("button", name="Start the run")).to_be_disabled()
    field.fill('{"order_id": 0, "pace": 0}')
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("alert")).to_contain_text("order_id")
    dashboard.expected.append("422")  # the browser tells of every refused request
    field.fill(f'{{"order_id": {BIG + 2}, "pace": 0, "items": []}}')
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_label("Input", exact=True)).to_contain_text(str(BIG + 2))


def test_a_failed_task_tells_its_error_and_is_replayed(dashboard: Watched, shop: Shop, worker: WorkerThread) -> None:
    ref = shop["ImportPrices"].run_no_wait()
    page = dashboard.open("?q=status:failed")
    page.get_by_role("link", name="ImportPrices").click()
    find_node(page, "ImportPrices").click()
    panel = page.get_by_role("complementary", name="Task ImportPrices")
    expect(panel.get_by_label("Error")).to_contain_text("FileNotFoundError: prices.csv is not there")
    expect(panel.get_by_role("group", name="Traceback")).to_contain_text("sample_flows.py")

    shop.repaired.set()
    page.get_by_role("button", name="Replay", exact=True).click()
    page.get_by_role("menuitem", name="Failed and cancelled tasks").click()
    expect(panel.locator(".status.badge")).to_have_text("Completed")
    expect(panel.get_by_label("Output", exact=True)).to_contain_text(str(BIG))
    panel.get_by_role("tab", name="Attempts").click()
    expect(panel.get_by_role("article")).to_have_count(2)
    assert ref.result() == {"rows": BIG}


def test_a_run_is_started_again_with_another_input(dashboard: Watched, shop: Shop, worker: WorkerThread) -> None:
    first = shop["FulfilOrder"].run_no_wait(Order(pace=0, items=["pen"]))
    first.result()
    page = dashboard.open(f"runs/{first.workflow_run_id}")
    page.get_by_role("button", name="Run again").click()
    page.get_by_label("customer text").fill("edsger@example.org")
    page.get_by_role("button", name="Start the run").click()
    expect(page).not_to_have_url(re.compile(first.workflow_run_id))
    expect(page.get_by_label("Input", exact=True)).to_contain_text("edsger@example.org")
    expect(page.get_by_label("Input", exact=True)).to_contain_text(str(BIG))
    page.locator(".facts > div", has_text="run again from").get_by_role("link").click()
    expect(page).to_have_url(re.compile(first.workflow_run_id))


def test_before_the_first_run_one_is_offered_of_a_workflow_that_is_there(
    dashboard: Watched, shop: Shop, work: Callable[..., WorkerThread]
) -> None:
    page = dashboard.open("runs")
    expect(page.get_by_text("plait dev FILE.py")).to_be_visible()
    work(shop["Nap"])
    page.reload()
    page.get_by_role("link", name="Start a run").click()
    expect(page.get_by_role("dialog")).to_contain_text("Nap")


def test_a_completed_run_shows_what_its_last_tasks_gave(dashboard: Watched, shop: Shop, worker: WorkerThread) -> None:
    order = shop["FulfilOrder"].run_no_wait(Order(order_id=BIG, pace=0, items=["pen"]))
    nap = shop["Nap"].run_no_wait({"seconds": 60})
    order.result()
    page = dashboard.open(f"runs/{order.workflow_run_id}")
    expect(page.get_by_label("Output", exact=True)).to_contain_text(f"invoices/{BIG}.pdf")
    page.goto(f"{dashboard.url}runs/{nap.workflow_run_id}")
    expect(page.get_by_label("Input", exact=True)).to_be_visible()
    expect(page.get_by_label("Output", exact=True)).to_have_count(0)


def test_a_task_that_backs_off_says_when_it_is_tried_again(
    dashboard: Watched, plait: Plait, work: Callable[..., WorkerThread]
) -> None:
    @plait.task(name="Flaky", retries=3, backoff_factor=60, backoff_max_seconds=600)
    def flaky(input: EmptyModel, ctx: Context) -> None:
        raise TimeoutError("503 Service Unavailable")

    work(flaky)
    page = dashboard.open(f"runs/{flaky.run_no_wait().workflow_run_id}")
    expect(find_node(page, "Flaky")).to_contain_text(re.compile(r"Retries in \d+ (s|min) · attempt 2"))
    expect(find_node(page, "Flaky")).to_have_attribute("data-tone", "queued")


def test_a_task_that_never_ran_has_no_duration_and_no_attempt(
    dashboard: Watched, shop: Shop, worker: WorkerThread
) -> None:
    ref = shop["FulfilOrder"].run_no_wait(Order(pace=0, items=["pen"], card_declined=True))
    page = dashboard.open(f"runs/{ref.workflow_run_id}?view=table")
    cells = page.locator('tr[data-id="pack"] td')
    expect(cells.nth(0)).to_have_text("Cancelled")
    expect(cells.nth(2)).to_have_text("–")
    expect(cells.nth(3)).to_have_text("–")
    expect(cells.nth(4).get_by_title("parent 'charge' failed")).to_be_visible()


def test_all_that_match_a_search_are_cancelled(dashboard: Watched, shop: Shop) -> None:
    nap = shop["Nap"]
    for batch, count in (("old", 60), ("new", 3)):
        nap.run_many(
            [nap.create_bulk_run_item({"seconds": 60}, additional_metadata={"batch": batch}) for _ in range(count)],
            wait_for_result=False,
        )
    page = dashboard.open("runs")
    expect(page.get_by_role("table", name="Runs").locator("tbody tr[data-id]")).to_have_count(50)
    page.keyboard.press("/")
    page.keyboard.type("meta.batch:old")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=meta\.batch:old"))
    expect(page.get_by_role("table", name="Runs").locator("tbody tr")).to_have_count(50)
    page.get_by_label("Select all shown").click()
    bar = page.get_by_role("region", name="Selected runs")
    expect(bar).to_contain_text("50 selected")
    bar.get_by_role("button", name="Select all that match").click()
    bar.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel 60 runs").click()
    expect(page.get_by_text("60 runs cancelled")).to_be_visible()
    pills = page.get_by_role("group", name="Runs by status")
    expect(pills.get_by_role("button", name="Cancelled")).to_contain_text("60")
    expect(pills.get_by_role("button", name="Queued")).to_contain_text("0")
    page.goto(f"{dashboard.url}runs?q=meta.batch:new")
    expect(pills.get_by_role("button", name="Queued")).to_contain_text("3")


def test_a_misspelt_search_finds_nothing_to_cancel(dashboard: Watched, shop: Shop) -> None:
    shop["Nap"].run_no_wait({"seconds": 1})
    page = dashboard.open("runs?q=stauts:failed")
    expect(page.get_by_text("“stauts:” is not known")).to_be_visible()
    expect(page.get_by_role("heading", name="The search cannot be read")).to_be_visible()
    page.keyboard.press("Shift+X")
    expect(page.get_by_role("region", name="Selected runs")).to_have_count(0)
    page.get_by_role("button", name="Show all runs").click()
    expect(page.get_by_role("table", name="Runs").locator("tbody tr[data-id]")).to_have_count(1)


def test_a_queued_run_says_why_it_waits(dashboard: Watched, shop: Shop) -> None:
    ref = shop["Nap"].run_no_wait({"seconds": 1})
    page = dashboard.open(f"runs/{ref.workflow_run_id}")
    expect(page.get_by_role("main")).to_contain_text("No live worker has this task's code")


def test_views_show_one_selection(dashboard: Watched, shop: Shop, worker: WorkerThread) -> None:
    ref = shop["FulfilOrder"].run_no_wait(Order(pace=0.01, items=["pen"]))
    ref.result()
    page = dashboard.open(f"runs/{ref.workflow_run_id}")
    find_node(page, "pack").click()
    for view in ("Timeline", "Table"):
        page.get_by_role("group", name="Show as").get_by_role("button", name=view).click()
        expect(page.locator('[data-task="pack"]')).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.get_by_role("complementary", name="Task pack")).to_be_visible()
    expect(page.get_by_role("table", name="Tasks")).to_be_visible()


def test_a_wide_fan_is_folded(dashboard: Watched, shop: Shop, worker: WorkerThread) -> None:
    ref = shop["RenderThumbnails"].run_no_wait({"pace": 0, "broken_page": 7})
    page = dashboard.open(f"runs/{ref.workflow_run_id}")
    fold = page.locator(".node.fold")
    expect(fold).to_contain_text("render_… × 24")
    expect(fold).to_contain_text("1 failed, 23 completed")
    fold.click()
    expect(find_node(page, "render_07")).to_contain_text("Failed")
    page.get_by_role("button", name="Fold again").click()
    expect(page.locator(".node")).to_have_count(3)
