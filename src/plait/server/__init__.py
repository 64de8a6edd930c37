"""The dashboard's server: a REST API, a stream of changes and the dashboard itself.

``mount(app, plait)`` puts it into a FastAPI or Starlette app, ``create_app(plait)`` is an ASGI app of its own, and the
command ``plait serve`` runs it. ``pip install plait`` brings all of it; ``import plait`` imports none.
"""

from plait.server.accounts import Account, Role, hash_secret
from plait.server.app import create_app, mount

__all__ = ["Account", "Role", "create_app", "hash_secret", "mount"]
