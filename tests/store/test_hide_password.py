"""No password is in a message, however wrongly its URL is written."""

from __future__ import annotations

import pytest

from plait.store.urls import hide_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:sekret@h:5432/db", "postgresql://u:***@h:5432/db"),
        ("postgresql://u:@h/db", "postgresql://u:***@h/db"),
        ("postgresql://:sekret@h/db", "postgresql://:***@h/db"),
        ("postgresql+asyncpg://u:sekret@[::1]:5432/db", "postgresql+asyncpg://u:***@[::1]:5432/db"),
        ("postgresql://u:p#sekret@127.0.0.1:1/db", "postgresql://u:***@127.0.0.1:1/db"),
        ("postgresql://u:p/sekret@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p?sekret@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p@sekret@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p:sekret@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p[sekret@h/db", "postgresql://u:***@h/db"),
        ("postgresql://me@corp:sekret@h/db", "postgresql://me@corp:***@h/db"),
        ("postgresql://h/db?user=u&password=sekret", "postgresql://h/db?user=u&password=***"),
        ("postgresql://h/db?password=sekret&user=u", "postgresql://h/db?password=***&user=u"),
        ("postgresql://h/db?sslpassword=sekret&sslmode=require", "postgresql://h/db?sslpassword=***&sslmode=require"),
        ("postgresql://u:sekret@h/db?sslpassword=sekret", "postgresql://u:***@h/db?sslpassword=***"),
        ("host=h user=u password=sekret", "host=h user=u password=***"),
        ("u:sekret@h/db", "u:***@h/db"),
        ("jdbc:postgresql://u:sekret@h/db", "jdbc:postgresql://u:***@h/db"),
    ],
)
def test_a_password_is_hidden_wherever_it_stands(url: str, shown: str) -> None:
    assert hide_password(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h:5432/db",
        "postgresql://u@h:5432/db?sslmode=require",
        "postgresql://u@/db?host=/tmp/socket",
        "postgresql:///db?passfile=/home/u/.pgpass",
        "postgresql://[::1]:5432/db",
        "just words",
    ],
)
def test_what_holds_no_password_is_shown_as_it_is(url: str) -> None:
    assert hide_password(url) == url
