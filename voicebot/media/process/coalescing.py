"""A selector that collects the events of a busy loop, so that many connections do not wake it more often.

Each wake of a process costs about 50 microseconds before it does anything, and its data has left the
processor's caches. With 24 people talking there would be 2,000 wakes a second.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable

GATHER = 0.004
"""Seconds between two wakes of a busy loop, which is little compared with the 20 ms of a packet."""
BUSY = 400.0
"""Wakes per second above which a loop is busy: six people or more."""
LOOK = 0.25
"""Seconds over which the wakes are counted."""


class CoalescingSelector(selectors.DefaultSelector):
    """The system's default selector that, under load, returns only every `GATHER` seconds."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__()
        self._clock, self._sleep = clock, sleep
        self._looked = self._last = clock()
        self._events = 0
        self.busy = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The ready files, as usual. A timer that is due earlier is not delayed."""
        if self.busy and (timeout is None or timeout > 0):
            rest = self._last + GATHER - self._clock()
            if rest > 0:
                rest = rest if timeout is None else min(rest, timeout)
                self._sleep(rest)
                timeout = None if timeout is None else max(0.0, timeout - rest)
        ready = super().select(timeout)
        self._last = now = self._clock()
        self._events += max(1, len(ready))
        if now - self._looked >= LOOK:
            self.busy = self._events > BUSY * (now - self._looked)
            self._looked, self._events = now, 0
        return ready
