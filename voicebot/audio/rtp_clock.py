"""Maps RTP timestamps to our clock without drift, to tell when a remote sample was spoken.

The sender's audio clock is a little fast or slow, and the network delays packets by varying amounts.
Jitter only adds delay, so the least delayed packets of the last half minute show the true offset.
"""

from __future__ import annotations

from voicebot.audio.frames import OPUS_RATE

WINDOW = 15.0
"""Seconds of each half of the sliding minimum."""


class TimestampUnwrapper:
    """Turns 32-bit RTP timestamps into a count that does not wrap."""

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, timestamp: int) -> int:
        """The count for the next timestamp, which may be a little older than the last one."""
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
        """Learn that a packet whose last sample has timestamp `end` arrived at clock time `arrival`."""
        if self._begun is None:
            self._begun = arrival
        elif arrival - self._begun > WINDOW:
            self._begun, self._older, self._newer = arrival, self._newer, float("inf")
        self._newer = min(self._newer, arrival - end / OPUS_RATE)

    def time(self, timestamp: int) -> float:
        """The clock time of the sample with this timestamp. Call `observe` first."""
        return self.offset + timestamp / OPUS_RATE

    @property
    def offset(self) -> float:
        """Clock time of timestamp 0; infinite before the first `observe`."""
        return min(self._older, self._newer)
