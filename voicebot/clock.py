"""The clock that is passed to everything that needs the time.

The monotonic clock is the same in all processes of a machine, so times of the media process and of the
kernel can be compared. Tests pass the `time` of a virtual loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]
"""Returns monotonic seconds."""

WallClock = Callable[[], datetime]
"""Returns the aware UTC date and time."""

monotonic: Clock = time.monotonic


def utc_now() -> datetime:
    """Return the current time. Used once per conversation, for its start."""
    return datetime.now(UTC)
