"""What the desks share: a ``Plait``, and the way to its engine."""

from __future__ import annotations

from plait.client import Plait, get_access
from plait.features.base import FeatureClient


class DeskBase(FeatureClient):
    """Asks a ``Plait`` for its users, and the store for what that does not tell."""

    def __init__(self, plait: Plait) -> None:
        super().__init__(get_access(plait))
        self._plait = plait
