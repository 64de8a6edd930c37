"""URLs of databases: as the driver takes them, without their passwords, and the hosts that they name."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from plait.errors import OperationError

_READERS = ("read-only", "standby", "prefer-standby")
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(\d*))?")

# Up to the last @: no parser is to be trusted with a URL whose password may be written wrongly.
_USER_PASSWORD = re.compile(r"^(.*?://[^:]*|(?!.*://)[^:]*):.*@", re.DOTALL)
_NAMED_PASSWORD = re.compile(r"(\b(?:ssl)?password\s*=\s*)[^&]*", re.IGNORECASE)
_NOT_FOR_SERVERS = frozenset({
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
    "channel_binding", "require_auth", "gssencmode", "gssdelegation", "sslcompression", "sslsni", "requirepeer",
    "load_balance_hosts", "client_encoding", "fallback_application_name",
    "schema", "pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "sslaccept",
})  # fmt: skip
"""Parameters of a URL that are for libpq or for Prisma. Our driver would send them to the server as settings."""


def normalise_url(url: str) -> str:
    """A URL as asyncpg takes it: SQLAlchemy's ``postgresql+driver://`` and ``postgres://`` become ``postgresql://``,
    its ``ssl=`` becomes ``sslmode=``; what only other drivers know is left out.

    Raises ``OperationError`` for any other scheme.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise OperationError(
            f"the database URL {hide_password(url)!r} is not a PostgreSQL URL: write "
            "postgresql://user:password@host:5432/database"
        )
    return f"postgresql://{_translate_parameters(rest)}"


def _translate_parameters(rest: str) -> str:
    place, mark, query = rest.partition("?")
    if not mark:
        return rest
    # To the letter: a path in it, such as that of a socket, need not be quoted.
    parts = [part for part in query.split("&") if part.partition("=")[0] not in _NOT_FOR_SERVERS]
    parts = [f"sslmode={part[4:]}" if part.startswith("ssl=") else part for part in parts]
    return place + (mark + "&".join(parts) if parts else "")


def hide_password(url: str) -> str:
    """The URL with its passwords replaced, fit for messages and logs.

    It takes away rather too much than too little: a password with an unescaped ``/``, ``?``, ``#`` or ``@`` is hidden
    whole, though such a URL cannot be used.
    """
    return _USER_PASSWORD.sub(r"\1:***@", _NAMED_PASSWORD.sub(r"\1***", url))


def list_hosts(url: str) -> list[tuple[str, int]]:
    """Hosts and ports of a URL that names several, in its order; empty when it names one, or the environment does."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if "host" in query:
        names, ports = query["host"].split(","), query.get("port", "").split(",")
    else:
        places = [_HOST_PORT.fullmatch(place) for place in parts.netloc.rpartition("@")[2].split(",")]
        names, ports = [place[1] if place else "" for place in places], [(place and place[2]) or "" for place in places]
    if len(ports) == 1:
        ports *= len(names)
    if len(names) < 2 or len(ports) != len(names) or not all(names) or query.get("target_session_attrs") in _READERS:
        return []  # one host, or what the driver shall judge
    return [(unquote(name).strip("[]"), int(port or 5432)) for name, port in zip(names, ports, strict=True)]
