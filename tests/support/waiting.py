"""How long tests wait. Programs that tests start import it, too, so it must not touch their environment."""

from __future__ import annotations

GUARD = 90.0
"""Seconds after which a test that waits for a state gives up: far more than a slow machine needs."""
