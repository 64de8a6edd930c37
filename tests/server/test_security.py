"""Who is let in, from where, and what an answer lets a browser do."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from plait.errors import InvalidInputError, OperationError
from plait.server import serve as runner
from plait.server.accounts import Account, Role, hash_secret, read_accounts, verify_secret
from plait.server.auth import ALL_FAILURES, FAILURE_SECONDS, FAILURES, Throttle
from plait.server.errors import ProblemError
from server.conftest import Api
from support import http

PASSWORD, TOKEN, READ_TOKEN = "correct horse", "write-token-1234", "read-token-1234"
ACCOUNTS = (
    Account("user", "anna", Role.WRITE, hash_secret(PASSWORD)),
    Account("user", "bob", Role.READ, hash_secret("battery staple")),
    Account("token", "ci", Role.WRITE, hash_secret(TOKEN)),
    Account("token", "prometheus", Role.READ, hash_secret(READ_TOKEN)),
)


@pytest.fixture
def closed(serve_api: Any) -> Api:
    """A server with accounts."""
    api: Api = serve_api(accounts=ACCOUNTS)
    return api


def bear(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# accounts


def test_a_stranger_sees_nothing(closed: Api) -> None:
    for method, path in (("GET", "runs"), ("POST", "runs"), ("GET", "stream"), ("DELETE", "filters/1")):
        answer = closed.request(method, path)
        assert answer.status_code == 401, path
        assert answer.json()["type"] == "unauthorized"
    assert closed.get("../../metrics").status_code == 401
    assert closed.get("../../livez").status_code == 200
    assert closed.ask("session") == {
        "role": None,
        "user": None,
        "login": "both",
        "plait_version": None,
        "database": None,
    }


def test_a_token_lets_in_according_to_its_role(closed: Api) -> None:
    assert closed.get("runs", headers=bear(READ_TOKEN)).status_code == 200
    refused = closed.post("events", headers=bear(READ_TOKEN), json={"key": "a"})
    assert (refused.status_code, refused.json()["type"]) == (403, "forbidden")
    assert closed.post("events", headers=bear(TOKEN), json={"key": "a"}).status_code == 201
    assert closed.get("../../metrics", headers=bear(READ_TOKEN)).status_code == 200
    assert closed.get("runs", headers=bear(TOKEN[:-1])).status_code == 401
    assert closed.get("runs", headers={"authorization": f"Basic {TOKEN}"}).status_code == 401


def test_a_password_gives_a_cookie_that_scripts_and_other_sites_cannot_use(closed: Api) -> None:
    answer = closed.post("session", json={"user": "anna", "password": PASSWORD})
    assert answer.status_code == 200
    assert (answer.json()["user"], answer.json()["role"]) == ("anna", "write")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert closed.get("runs").status_code == 200

    value = next(iter(closed.cookies.jar)).value
    assert closed.order("session", method="DELETE") == {"done": True}
    name = closed.server.app.state.gate.cookie
    stolen = http.get(f"{closed.base_url}runs", headers={"cookie": f"{name}={value}"})
    assert stolen.status_code == 401, "signed out here is signed out everywhere"


def test_a_reader_signs_in_and_changes_nothing(closed: Api) -> None:
    closed.order("session", {"user": "bob", "password": "battery staple"})
    assert closed.get("runs").status_code == 200
    assert closed.post("events", json={"key": "a"}).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"user": "anna", "password": "wrong"},
        {"user": "nobody", "password": PASSWORD},
        {"user": "bob", "password": PASSWORD},
        {"token": "wrong"},
        {"token": PASSWORD},
        {"user": "ci", "password": TOKEN},
        {"user": "anna"},
        {},
    ],
)
def test_a_wrong_secret_is_refused_without_saying_what_was_wrong(closed: Api, body: dict[str, str]) -> None:
    answer = closed.post("session", json=body)
    assert answer.status_code == 401
    assert answer.json()["message"] == "wrong name, password or token"
    assert "set-cookie" not in answer.headers


def test_a_forged_cookie_is_worth_nothing(closed: Api) -> None:
    closed.order("session", {"user": "bob", "password": "battery staple"})
    name, value = closed.server.app.state.gate.cookie, next(iter(closed.cookies.jar)).value or ""
    body, _, signature = value.partition(".")
    for forged in (
        body,
        f"{body}.",
        f"{body}x.{signature}",
        f"{body}.{signature[:-1]}0",
        ".",
        "é.é",
        "a.b.c",
        "x" * 5000,
    ):
        answer = http.get(f"{closed.base_url}runs", headers={"cookie": f"{name}={forged}".encode()})
        assert answer.status_code == 401, forged


def test_too_many_failures_have_to_wait(closed: Api) -> None:
    for _ in range(FAILURES):
        assert closed.post("session", json={"token": "wrong"}).status_code == 401
    answer = closed.post("session", json={"token": TOKEN})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_failures_are_forgotten_after_a_while_and_counted_over_all_addresses() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)
    for _ in range(FAILURES):
        throttle.check("a")
        throttle.note("a")
    with pytest.raises(ProblemError):
        throttle.check("a")
    throttle.check("b")
    now = FAILURE_SECONDS + 1
    throttle.check("a")
    for number in range(ALL_FAILURES):
        throttle.note(str(number))
    with pytest.raises(ProblemError):
        throttle.check("c")


def test_secrets_are_kept_as_salted_hashes() -> None:
    first, second = hash_secret(PASSWORD), hash_secret(PASSWORD)
    assert first != second
    assert PASSWORD not in first
    assert verify_secret(PASSWORD, first)
    assert verify_secret(PASSWORD, second)
    assert not verify_secret(PASSWORD + "x", first)
    for broken in ("", "scrypt$", "scrypt$1$2$3$4$5", "scrypt$16384$8$1$AAAA$", "md5$x"):
        assert not verify_secret(PASSWORD, broken)


def test_accounts_come_from_a_file_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "accounts"
    file.write_text(
        f"# people\nuser anna write {hash_secret(PASSWORD)}\n\ntoken ci read {hash_secret(TOKEN)} # of CI\n"
    )
    found = read_accounts({"PLAIT_SERVER_PASSWORD": "swordfish!", "PLAIT_SERVER_READ_TOKEN": READ_TOKEN}, file)
    assert [(one.kind, one.name, one.role.value) for one in found] == [
        ("user", "anna", "write"),
        ("token", "ci", "read"),
        ("token", "read token", "read"),
        ("user", "admin", "write"),
    ]
    assert verify_secret("swordfish!", found[-1].hash)


@pytest.mark.parametrize(
    "text", ["user anna write", "user anna write plain", "admin x write a$b", "user a root a$b", "\xff"]
)
def test_a_bad_file_of_accounts_is_named_without_its_secrets(tmp_path: Path, text: str) -> None:
    file = tmp_path / "accounts"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidInputError) as caught:
        read_accounts({}, file)
    assert "plain" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_secrets_are_never_logged(closed: Api, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.DEBUG)
    closed.post("session", json={"user": "anna", "password": PASSWORD})
    closed.post("session", json={"user": "anna", "password": PASSWORD, "token": {"no": "string"}})
    closed.get("runs", headers=bear(TOKEN))
    closed.get(f"runs?token={TOKEN}", headers=bear("wrong-token-1234"))
    ours = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    shown = ours + "".join(capfd.readouterr())
    for secret in (PASSWORD, TOKEN, "wrong-token-1234"):
        assert secret not in shown


def test_the_database_password_is_not_shown(serve_api: Any, database: Any) -> None:
    from plait import Plait  # noqa: PLC0415 - one with a password in its URL

    url = database.url.replace("plait@", "plait:hunter2@")
    assert "hunter2" in url
    plait = Plait(url)
    api = serve_api(plait)
    assert "hunter2" not in api.get("session").text
    assert "***" in api.ask("session")["database"]
    plait.close()


# addresses


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_another_address_than_loopback_needs_accounts(plait: Any, host: str) -> None:
    with pytest.raises(OperationError, match="account"):
        runner.start(plait, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_addresses_need_none(host: str) -> None:
    runner.check_exposure(host, ())


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::2]", "[", "\xe9"],
)
def test_a_foreign_name_is_not_served(api: Api, host: str) -> None:
    """DNS rebinding: a page of evil.example whose name suddenly means 127.0.0.1."""
    for path in ("runs", "../../", "../../livez"):
        answer = api.get(path, headers={"host": host.encode("latin-1")})
        assert answer.status_code in (400, 421), path


def test_its_own_names_are_served_and_those_that_were_allowed(serve_api: Any) -> None:
    api = serve_api(allowed_hosts=["plait.internal"])
    for host in ("127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:80", "plait.internal"):
        assert api.get("runs", headers={"host": host}).status_code == 200, host


def test_with_accounts_any_name_is_served_unless_some_are_named(serve_api: Any) -> None:
    assert serve_api(accounts=ACCOUNTS).get("session", headers={"host": "any.example"}).status_code == 200
    strict = serve_api(accounts=ACCOUNTS, allowed_hosts=["plait.internal"])
    assert strict.get("session", headers={"host": "any.example"}).status_code == 421


# other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1"},
        {"origin": "http://[broken"},
    ],
)
def test_a_page_of_another_origin_changes_nothing(api: Api, flow: Any, headers: dict[str, str]) -> None:
    answer = api.post("events", headers=headers, json={"key": "a"})
    assert (answer.status_code, answer.json()["type"]) == (403, "cross_origin")
    assert api.ask("events")["items"] == []


def test_the_dashboards_own_pages_and_programs_do(api: Api) -> None:
    own = str(api.base_url).split("/api")[0]
    for headers in ({}, {"origin": own}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
        assert api.post("events", headers=headers, json={"key": "a"}).status_code == 201, headers


def test_a_form_is_no_order(api: Api) -> None:
    """A plain HTML form can send without asking first; JSON it cannot."""
    answer = api.post("events", content='{"key": "a"}', headers={"content-type": "text/plain"})
    assert answer.status_code == 422
    assert api.post("events", data={"key": "a"}).status_code == 422


def test_answers_carry_the_headers_of_a_careful_site(api: Api) -> None:
    for path in ("runs", "../../", "../../livez", "nothing", "runs?limit=x"):
        headers = api.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_names_and_errors_reach_the_page_as_data_only(api: Api, plait: Any, work: Any) -> None:
    hostile = "<script>alert(1)</script>\x1b[31m"

    @plait.task(name="hostile")
    def fails(input: Any, ctx: Any) -> None:
        raise ValueError(hostile)

    work(fails)
    run_id = api.start("hostile")
    api.wait_run(run_id)
    answer = api.get(f"runs/{run_id}/tasks/0")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["message"] == hostile
    assert api.get("<script>alert(1)</script>").headers["content-type"] == "application/json"
