"""When a remote sample was spoken, on our clock: RTP timestamps mapped without drift.

The sender's audio clock runs a little fast or slow and the network delays packets by
varying amounts. The least delayed packets of the last half minute show the true offset;
jitter only ever adds to it.
"""

from __future__ import annotations

from voicebot.audio.frames import OPUS_RATE

WINDOW = 15.0
"""Seconds per half of the sliding minimum."""


class TimestampUnwrapper:
    """32-bit RTP timestamps to a count that does not wrap."""

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, timestamp: int) -> int:
        if self._last is None:
            self._last = timestamp
        else:
            step = (timestamp - self._last) & 0xFFFFFFFF
            self._last += step - (1 << 32) if step >= 1 << 31 else step
        return self._last


class RtpClock:
    """Maps unwrapped 48 kHz timestamps to clock seconds."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._older = float("inf")
        self._newer = float("inf")

    def observe(self, end: int, arrival: float) -> None:
        """A packet whose last sample has timestamp `end` arrived at clock time `arrival`."""
        if self._begun is None:
            self._begun = arrival
        elif arrival - self._begun > WINDOW:
            self._begun, self._older, self._newer = arrival, self._newer, float("inf")
        self._newer = min(self._newer, arrival - end / OPUS_RATE)

    def time(self, timestamp: int) -> float:
        """Clock time of a sample; call `observe` first."""
        return self.offset + timestamp / OPUS_RATE

    @property
    def offset(self) -> float:
        """Clock time of timestamp 0; infinite before the first `observe`."""
        return min(self._older, self._newer)
