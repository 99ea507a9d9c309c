"""A running server and its visitors, as the tests of the server have them."""

from __future__ import annotations

from tests.server.conftest import host, hosting, media, models, settings, visit
from tests.workbench.conftest import page

__all__ = ["host", "hosting", "media", "models", "page", "settings", "visit"]
