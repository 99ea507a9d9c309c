"""The loudness of an utterance over time, to find silence without a model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voicebot.stt.base import STT_RATE

HOP = STT_RATE // 100
"""Samples of one measurement: 10 ms."""
DIGITAL_SILENCE = 20.0
"""RMS (-64 dBFS) below which no speech into a microphone lies."""
FAINT = 100.0
"""RMS (-50 dBFS) that even a whisper into a microphone exceeds somewhere."""
DROP = 10 ** (-30 / 20)
"""Silence lies this far (30 dB) below the loudest moment; the quietest fricatives are louder."""
ABOVE_NOISE = 2.0
"""Speech is this much (6 dB) louder than the room."""
NOISY = 10 ** (-18 / 20)
"""In a loud room, anything this close (18 dB) to the loudest moment still counts as speech."""
ROOM = 10
"""Percentile of the levels that gives the noise of the room."""


class Loudness:
    """RMS of every whole 10 ms of one utterance of int16 mono at 16 kHz."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.int16)
        self._levels: list[float] = []
        self.samples = 0
        """How many samples were added."""

    def add(self, pcm: NDArray[np.int16]) -> None:
        """Add the next samples, any number of them."""
        self.samples += len(pcm)
        samples = np.concatenate([self._rest, pcm])
        whole = len(samples) // HOP * HOP
        hops = samples[:whole].reshape(-1, HOP).astype(np.float32)
        self._levels += np.sqrt(np.mean(hops**2, axis=1)).tolist()
        self._rest = samples[whole:]

    @property
    def faint(self) -> bool:
        """Whether all of it is too soft for speech into a microphone."""
        return max(self._levels, default=0.0) < FAINT

    def speech(self, start: int = 0) -> tuple[int, int] | None:
        """The range [first, end) of samples from `start` on that may be speech; None if there is none."""
        loud = np.flatnonzero(self._loud()[start // HOP :])
        if not len(loud):
            return None
        first = start // HOP * HOP
        return max(start, first + int(loud[0]) * HOP), first + (int(loud[-1]) + 1) * HOP

    def quiet_since(self, sample: int) -> bool:
        """Whether only silence follows this sample."""
        return not self._loud()[sample // HOP :].any()

    def quietest(self, start: int, end: int) -> int:
        """The sample in [start, end) in the middle of the softest 0.1 s: the place to cut."""
        levels = np.asarray(self._levels[start // HOP : end // HOP])
        if len(levels) < 10:
            return end
        around = np.convolve(levels, np.ones(10), "valid")
        return (start // HOP + int(around.argmin()) + 5) * HOP

    def _loud(self) -> NDArray[np.bool_]:
        levels = np.asarray(self._levels)
        if not len(levels):
            return np.zeros(0, np.bool_)
        loudest = levels.max()
        room = min(ABOVE_NOISE * float(np.percentile(levels, ROOM)), NOISY * loudest)
        return np.asarray(levels > max(DIGITAL_SILENCE, DROP * loudest, room), np.bool_)
