"""The table of all settings. What each one is stands here and nowhere else; the reference is made from it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from plait.settings.kinds import Choice, DatabaseUrl, File, Flag, Names, Span, SpanOrOff, Text, Whole
from plait.settings.setting import Setting

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


class Settings:
    """All settings: ``settings.retention`` is a value, ``Settings.retention`` the setting itself.

    Nothing is read when this is imported or made, only when an attribute is.
    """

    database_url = Setting[str | None](
        DatabaseUrl("a PostgreSQL URL", "postgresql://user@host:5432/database"),
        None,
        "URL of the PostgreSQL to use.",
        variables=("PLAIT_DATABASE_URL", "DATABASE_URL"),
        argument="Plait(database_url), --database-url",
        fallback="the embedded PostgreSQL of the project",
    )
    home = Setting[Path | None](
        File("a folder", "/var/lib/myapp/plait"),
        None,
        "The folder of the embedded PostgreSQL.",
        fallback=".plait in the project folder",
    )
    embedded_timeout = Setting(
        Span("60s", zero=True), timedelta(seconds=60), "How long the embedded PostgreSQL may take to start."
    )
    embedded_linger = Setting(
        Span("2s", zero=True),
        timedelta(seconds=2),
        "How long the embedded PostgreSQL keeps running after its last user has stopped.",
    )
    retention = Setting[timedelta | None](
        SpanOrOff("30d"), None, "How long finished runs are kept; off keeps them for ever."
    )

    worker_name = Setting(
        Text("a name", "worker"),
        "worker",
        "A name for the worker, shown in lists.",
        argument="plait.worker(name), --name",
    )
    worker_slots = Setting(
        Whole(1, 1_000_000, 100),
        100,
        "How many tasks a worker process runs at a time.",
        argument="plait.worker(slots), --slots",
    )
    worker_processes = Setting(
        Whole(1, 1000, 2), 1, "How many worker processes plait worker starts.", argument="--processes"
    )
    worker_grace = Setting(
        Span("30s", zero=True),
        timedelta(seconds=30),
        "How long running tasks have to finish after SIGTERM or Ctrl-C.",
        argument="plait.worker(timings), --grace",
    )
    max_worker_losses = Setting(
        Whole(2, 1000, 5),
        5,
        "A task that was lost with so many workers, because they died or stood still while it ran, fails.",
    )
    capture_logs = Setting(
        Flag(),
        False,
        "Workers store what tasks log by Python's logging, along with ctx.log.",
        argument="plait.worker(capture_logs)",
    )
    health_port = Setting[int | None](
        Whole(1, 65_535, 8001),
        None,
        "A port on which plait worker answers /livez, /readyz and /metrics.",
        argument="--health-port",
        fallback="none",
    )
    health_host = Setting(
        Text("an address or host name", "127.0.0.1"),
        "127.0.0.1",
        "The address of the health port; 0.0.0.0 in a container.",
        argument="--health-host",
    )
    tracing = Setting(
        Flag(),
        False,
        "Runs, tasks and attempts become spans of OpenTelemetry's global tracer provider.",
        argument="PlaitInstrumentor().instrument()",
    )

    log_level = Setting(
        Choice(*LOG_LEVELS),
        "info",
        "The lowest level of log lines that are written to stderr.",
        argument="--log-level",
        fallback="info; warning for plait run",
    )
    log_format = Setting(Choice(*LOG_FORMATS), "text", "How log lines on stderr are written.", argument="--log-format")
    debug = Setting(Flag(), False, "Show tracebacks of errors, and all log lines of Plait.", argument="--debug")

    server_host = Setting(
        Text("an address or host name", "127.0.0.1"),
        "127.0.0.1",
        "The address that the dashboard listens on; any but this machine's own needs accounts.",
        argument="--host",
    )
    server_port = Setting(
        Whole(0, 65_535, 8080), 8080, "The port of the dashboard; 0 picks a free one.", argument="--port"
    )
    allowed_hosts = Setting[tuple[str, ...]](
        Names("host names", "plait.example.com"),
        (),
        "Host names under which users reach the dashboard, besides its address.",
        argument="--allow-host",
    )
    accounts = Setting[Path | None](
        File("a file", "/etc/plait/accounts"),
        None,
        "File with the accounts that may sign in to the dashboard.",
        argument="--accounts",
    )
    server_user = Setting(Text("a name", "admin"), "admin", "The user that server_password belongs to.")
    server_password = Setting[str | None](
        Text("a password of at least 8 characters, or its hash", "…"),
        None,
        "A password for the dashboard.",
        in_file=False,
        secret=True,
    )
    server_token = Setting[str | None](
        Text("a token of at least 8 characters, or its hash", "…"),
        None,
        "A token for the API that may read and change everything.",
        in_file=False,
        secret=True,
    )
    server_read_token = Setting[str | None](
        Text("a token of at least 8 characters, or its hash", "…"),
        None,
        "A token for the API that may only read, for example for Prometheus.",
        in_file=False,
        secret=True,
    )
    dashboard_url = Setting[str | None](
        Text("an address", "https://plait.example.com/"),
        None,
        "Where the dashboard is, for the links that commands print.",
        fallback="that of plait serve or plait dev in this project",
    )

    test_database_url = Setting[str | None](
        DatabaseUrl("a PostgreSQL URL", "postgresql://user@host:5432/postgres"),
        None,
        "URL of the PostgreSQL on which the pytest plugin makes its databases.",
        fallback="an embedded PostgreSQL for the session",
    )


settings: Final = Settings()
"""The settings of this process, read anew at each look."""

SETTINGS: Final[dict[str, Setting[Any]]] = {
    name: one for name, one in vars(Settings).items() if isinstance(one, Setting)
}
"""Every setting by its name, in the order of the table."""
