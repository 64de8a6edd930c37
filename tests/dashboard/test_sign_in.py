"""Signing in to a dashboard that has accounts: what a page shows before it, and what each role may do behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from dashboard.browser import Watched, find_violations
from dashboard.sample_flows import Shop
from plait import Plait
from plait.server import serve as runner
from plait.server.accounts import Account, Role, hash_secret
from support.workers import WorkerThread

PASSWORD, TOKEN = "correct horse battery", "a token for those who look"


@pytest.fixture
def guarded(plait: Plait) -> Iterator[str]:
    """A server with a user who may write and a token that may read."""
    accounts = [
        Account("user", "anna", Role.WRITE, hash_secret(PASSWORD)),
        Account("token", "screen", Role.READ, hash_secret(TOKEN)),
    ]
    server = runner.start(plait, accounts=accounts)
    yield server.url
    server.stop()


@pytest.fixture
def visitor(guarded: str, watch: Callable[..., Watched]) -> Watched:
    """A page of somebody who has not signed in; that the server refuses them is what is tested."""
    seen = watch(guarded)
    seen.expected += ["401"]
    return seen


def sign_in_with_password(page: Page, password: str) -> None:
    page.get_by_label("User").fill("anna")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_nothing_is_shown_before_signing_in_and_everything_after(
    visitor: Watched, shop: Shop, worker: WorkerThread
) -> None:
    ref = shop["CleanUp"].run_no_wait()
    ref.result()
    page = visitor.open(f"runs/{ref.workflow_run_id}")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "CleanUp" not in page.content()
    sign_in_with_password(page, "a guess of a password")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in_with_password(page, PASSWORD)
    expect(page.get_by_role("heading", name="CleanUp", level=1)).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="CleanUp", level=1)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert "CleanUp" not in page.content()


def test_who_may_only_read_sees_a_failed_run_and_no_way_to_change_it(
    visitor: Watched, shop: Shop, worker: WorkerThread
) -> None:
    ref = shop["Grumble"].run_no_wait({"text": "no"})
    page = visitor.open("")
    page.get_by_role("button", name="Use a token").click()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Grumble")).to_be_visible()
    expect(page.locator("tbody input[type=checkbox]")).to_have_count(0)
    page = visitor.open(f"runs/{ref.workflow_run_id}?task=Grumble")
    expect(page.get_by_role("complementary").get_by_label("Error")).to_contain_text("no")
    expect(page.get_by_role("button", name="Replay")).to_have_count(0)
    page = visitor.open("workflows/Grumble")
    expect(page.get_by_role("heading", name="Grumble", level=1)).to_be_visible()
    expect(page.get_by_role("button", name="Start a run")).to_have_count(0)
    replay = f"{visitor.url}api/v1/runs/{ref.workflow_run_id}/replay"
    answer = page.request.post(replay, headers={"origin": visitor.url})
    assert answer.status == 403


def test_the_sign_in_page_has_no_fault_that_axe_finds(guarded: str, watch: Callable[..., Watched]) -> None:
    for scheme in ("light", "dark"):
        seen = watch(guarded, color_scheme=scheme, bypass_csp=True)
        seen.expected += ["401"]
        page = seen.open("")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert find_violations(page) == []
