"""Who may sign in: users with passwords and bearer tokens, kept as scrypt hashes, each with a role."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from plait.errors import InvalidInputError
from plait.wording import shorten

_COST, _BLOCK, _PARALLEL = (
    2**14,
    8,
    1,
)  # 16 MiB and some 50 ms: what OWASP names as the least for scrypt is of this order
_MEMORY = 64 << 20
SHORTEST_SECRET = 8


class Role(StrEnum):
    """What one may do: look, or also change things."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Account:
    """A user with a password, or a token with a label. ``hash`` is made by ``hash_secret``."""

    kind: Literal["user", "token"]
    name: str
    role: Role
    hash: str


def hash_secret(secret: str) -> str:
    """A salted scrypt hash of a password or token, as text without spaces."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(secret.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=_MEMORY)
    return f"scrypt${_COST}${_BLOCK}${_PARALLEL}${_encode(salt)}${_encode(digest)}"


def verify_secret(secret: str, stored: str) -> bool:
    """Whether a password or token is the one that was hashed. The comparison takes the same time whatever differs."""
    try:
        _, cost, block, parallel, salt, digest = stored.split("$")
        wanted = _decode(digest)
        found = hashlib.scrypt(
            secret.encode("utf-8", "surrogatepass"),
            salt=_decode(salt),
            n=int(cost),
            r=int(block),
            p=int(parallel),
            maxmem=_MEMORY,
            dklen=len(wanted),
        )
    except ValueError:
        return False
    return hmac.compare_digest(found, wanted)


def read_accounts(environment: Mapping[str, str], file: Path | None) -> list[Account]:
    """The accounts of a file and of the environment.

    A line of the file is ``user NAME ROLE HASH`` or ``token LABEL ROLE HASH``, as ``plait serve --new-account`` prints
    it; ``#`` begins a comment. The environment may name one of each: ``PLAIT_SERVER_TOKEN``,
    ``PLAIT_SERVER_READ_TOKEN``, ``PLAIT_SERVER_PASSWORD`` (for the user ``PLAIT_SERVER_USER``, ``admin`` by default).
    These may be hashes as well.
    Raises ``InvalidInputError`` naming the line or the variable, never what it holds.
    """
    accounts = [] if file is None else list(_read_file(file))
    for variable, kind, name, role in (
        ("PLAIT_SERVER_TOKEN", "token", "token", Role.WRITE),
        ("PLAIT_SERVER_READ_TOKEN", "token", "read token", Role.READ),
        ("PLAIT_SERVER_PASSWORD", "user", environment.get("PLAIT_SERVER_USER") or "admin", Role.WRITE),
    ):
        if secret := environment.get(variable):
            accounts.append(Account(kind, name, role, _take_secret(secret, variable)))  # type: ignore[arg-type]
    return accounts


def _take_secret(secret: str, where: str) -> str:
    if secret.startswith("scrypt$"):
        return secret
    if len(secret) < SHORTEST_SECRET:
        raise InvalidInputError(f"{where} is shorter than {SHORTEST_SECRET} characters")
    return hash_secret(secret)


def _read_file(file: Path) -> Iterable[Account]:
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeError) as error:
        raise InvalidInputError(f"the accounts in {file} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 4 or words[0] not in ("user", "token") or words[2] not in set(Role) or "$" not in words[3]:
            raise InvalidInputError(
                f"{file}, line {number}: write user NAME read|write HASH, or token LABEL read|write HASH"
            )
        yield Account(words[0], words[1], Role(words[2]), words[3])  # type: ignore[arg-type]


def derive_key(accounts: Sequence[Account]) -> bytes:
    """A key for signing sessions: the same in every process that knows these accounts, another when one changes."""
    text = "\n".join(sorted(f"{one.kind} {one.name} {one.role} {one.hash}" for one in accounts))
    return hmac.new(b"plait session", text.encode(), "sha256").digest()


def check_name(name: str) -> str:
    """A user's name or a token's label as it can stand in the file."""
    if not name or not name.isprintable() or any(char.isspace() or char == "#" for char in name) or len(name) > 200:
        raise InvalidInputError(f"{shorten(name)} is not a valid name: use letters, digits and signs without spaces")
    return name


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
