"""Notices when the event loop did not run: a cell that blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicebot.clock import Clock, monotonic


class StallWatch:
    """A heartbeat on the loop; a beat that comes late by `threshold` seconds is a stall."""

    def __init__(
        self,
        on_stall: Callable[[float], None],
        *,
        threshold: float = 0.5,
        beat: float = 0.1,
        clock: Clock = monotonic,
    ) -> None:
        self._on_stall = on_stall
        self._threshold = threshold
        self._beat = beat
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    def start(self) -> None:
        """Watch the running loop; a second call does nothing."""
        if self._timer is None:
            self._schedule(asyncio.get_running_loop())

    def stop(self) -> None:
        """Watch no longer; safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._last = self._clock()
        self._timer = loop.call_later(self._beat, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        late = self._clock() - self._last - self._beat
        self._schedule(loop)
        if late >= self._threshold:
            self._on_stall(late + self._beat)
