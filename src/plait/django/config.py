"""``PLAIT = {…}`` in the settings of a Django project.

``DATABASE``: the alias in ``DATABASES`` whose database Plait uses (``"default"`` unless given); None leaves the choice
to ``PLAIT_DATABASE_URL`` and its kin, and then ``connection=`` is of no use. ``OBJECT``: a dotted path to a
``DjangoPlait`` of yours. ``MODULES``: names of the modules of installed apps that declare workflows (``("flows",
"workflows")``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from plait.wording import shorten, suggest

KEYS = ("DATABASE", "OBJECT", "MODULES")

_PASSED_ON = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile", "target_session_attrs")
"""Of ``OPTIONS`` what any PostgreSQL driver takes in a URL; the rest is about Django's own driver."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings, checked. ``alias`` is None where Plait's database is not one of Django's."""

    alias: str | None
    object: str | None
    modules: tuple[str, ...]


def read_config() -> Config:
    """The settings of this project. Raises ``ImproperlyConfigured``, naming what is wrong and the way out."""
    given = getattr(settings, "PLAIT", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"PLAIT = {shorten(given)}: it is a dict with any of {', '.join(KEYS)}")
    for key in given:
        if key not in KEYS:
            near = suggest(str(key).upper(), KEYS)
            raise ImproperlyConfigured(f"PLAIT has no setting {key!r}{near}: there are {', '.join(KEYS)}")
    alias, path, modules = given.get("DATABASE", "default"), given.get("OBJECT"), given.get("MODULES", ())
    if alias is not None and alias not in list(connections):
        raise ImproperlyConfigured(
            f'PLAIT["DATABASE"] = {alias!r} is not in DATABASES{suggest(str(alias), list(connections))}'
        )
    if path is not None and not isinstance(path, str):
        raise ImproperlyConfigured(f'PLAIT["OBJECT"] = {shorten(path)}: it is a dotted path, "shop.flows.plait"')
    if isinstance(modules, str) or not all(isinstance(name, str) for name in modules):
        raise ImproperlyConfigured(f'PLAIT["MODULES"] = {shorten(modules)}: it is a list, ["flows"]')
    return Config(alias, path, tuple(modules) or ("flows", "workflows"))


def find_url() -> str | None:
    """The URL of Plait's database: what Django would connect to now, the test runner's database in tests."""
    alias = read_config().alias
    return None if alias is None else build_url(connections[alias].settings_dict)


def build_url(entry: Mapping[str, Any]) -> str:
    """An entry of ``DATABASES`` as a URL. A ``HOST`` that is a path is the folder of a Unix socket.

    Raises ``ImproperlyConfigured`` when the entry leaves it to a service file where the database is.
    """
    host, port = str(entry.get("HOST") or ""), str(entry.get("PORT") or "")
    options = entry.get("OPTIONS") or {}
    if "service" in options:
        raise ImproperlyConfigured(
            f"DATABASES: Plait does not read the service file that OPTIONS names (service {options['service']!r}). "
            'Give HOST, NAME, USER and so on, or PLAIT = {"DATABASE": None} and the same database in PLAIT_DATABASE_URL'
        )
    query = {name: str(value) for name in _PASSED_ON if (value := options.get(name))}
    if host.startswith("/"):
        query |= {"host": host} | ({"port": port} if port else {})
        host = port = ""
    user = quote(str(entry.get("USER") or ""), safe="")
    if password := entry.get("PASSWORD"):
        user += f":{quote(str(password), safe='')}"
    address = f"[{host}]" if ":" in host else host
    place = f"{user}@{address}" if user else address
    name = quote(str(entry.get("NAME") or ""), safe="")
    return f"postgresql://{place}{f':{port}' if port else ''}/{name}{f'?{urlencode(query)}' if query else ''}"
