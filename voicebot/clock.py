"""The one clock that is passed to whatever needs the time.

A clock is a callable that returns monotonic seconds. The system clock is the same in
every process of one machine, so a time stamped by the media worker can be compared with
one stamped in the kernel. Tests pass the virtual loop's `loop.time`.
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
    """The wall clock; used once per conversation, for its start."""
    return datetime.now(UTC)
