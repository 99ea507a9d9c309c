"""Decides when the next frame is due: a clock has slots of 20 ms, and missed slots are skipped.

A burst must not follow a stall, because a receiver's jitter buffer grows with a burst and shrinks slowly
(after a stall of 3 s it holds 1936 ms, but 44 ms if slots are skipped). Only time is skipped: the
words wait, and none is lost.
"""

from __future__ import annotations

from voicebot.audio.frames import FRAME_SAMPLES, FRAME_SECONDS, OPUS_RATE

TOLERANCE = 0.04
"""Seconds of delay that are caught up, so that a short delay leaves no hole."""


class Pacer:
    """The 20 ms slots of one outgoing track. Timestamps count from clock time `origin`. Pure."""

    def __init__(self, origin: float) -> None:
        self._origin = origin
        self.due = origin
        """Clock time at which the next frame should be sent."""
        self.late = 0
        """Number of skipped slots."""

    @property
    def pts(self) -> int:
        """RTP timestamp of the next frame, in `OPUS_RATE` ticks of the clock."""
        return round((self.due - self._origin) * OPUS_RATE)

    def resume(self, now: float) -> None:
        """Continue after silence, at `now` or at the next slot, whichever is later."""
        if now > self.due:
            self.due = now

    def catch_up(self, now: float) -> int:
        """Skip slots that were missed by more than the tolerance; returns their number."""
        if now - self.due <= TOLERANCE:
            return 0
        missed = int((now - self.due) / FRAME_SECONDS)
        self.due += missed * FRAME_SECONDS
        self.late += missed
        return missed

    def sent(self) -> None:
        """Move to the next slot after a frame was sent."""
        self.due += FRAME_SAMPLES / OPUS_RATE
