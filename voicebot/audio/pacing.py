"""When the next frame is due: a clock's 20 ms slots, with missed ones skipped.

A stall must not be followed by a burst: a receiver's jitter buffer grows with a burst and
shrinks only slowly (1936 ms left after a stall of 3 s, against 44 ms when slots are
skipped). Speech is not live, so what is skipped is time: the words wait, none is lost.
"""

from __future__ import annotations

from voicebot.audio.frames import FRAME_SAMPLES, FRAME_SECONDS, OPUS_RATE

TOLERANCE = 0.04
"""Seconds of lateness that are caught up, so that a small hiccup leaves no hole."""


class Pacer:
    """Slots of one outgoing track, timestamps counted from `origin`. Pure: the time is passed in."""

    def __init__(self, origin: float) -> None:
        self._origin = origin
        self.due = origin
        """When the next frame should leave."""
        self.late = 0
        """Slots skipped so far."""

    @property
    def pts(self) -> int:
        """Timestamp of the next frame in `OPUS_RATE` ticks; grows with the clock."""
        return round((self.due - self._origin) * OPUS_RATE)

    def resume(self, now: float) -> None:
        """After silence: talk at once, never before the slot that is due."""
        if now > self.due:
            self.due = now

    def catch_up(self, now: float) -> int:
        """Skip the slots missed by more than the tolerance; returns how many."""
        if now - self.due <= TOLERANCE:
            return 0
        missed = int((now - self.due) / FRAME_SECONDS)
        self.due += missed * FRAME_SECONDS
        self.late += missed
        return missed

    def sent(self) -> None:
        """A frame left in this slot."""
        self.due += FRAME_SAMPLES / OPUS_RATE
