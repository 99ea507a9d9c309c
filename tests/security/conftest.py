"""A running server and its visitors, as the tests of the server have them."""

from __future__ import annotations

from tests.server.conftest import host, hosting, media, models, nodes, redis, settings, visit

__all__ = ["host", "hosting", "media", "models", "nodes", "redis", "settings", "visit"]
