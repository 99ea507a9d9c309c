"""Finds the parts of a person's audio that stand out from the noise, by energy alone.

It is finer than a voice activity detector, which decides every 32 ms and reports speech for about 100 ms
after a word. But it cannot tell speech from other sounds, so the detector has the last word.
"""

from __future__ import annotations

import numpy as np

from voicebot.audio.frames import HEARING_RATE, Pcm

HOP = 128
"""Samples (8 ms at 16 kHz) per energy. It divides the detector's window."""
HOP_SECONDS = HOP / HEARING_RATE

ABOVE_FLOOR = 4.0
"""A hop is clear with four times (6 dB) the power of the noise, which is more than steady noise varies."""
BELOW_LEVEL = 1e-3
"""A clear hop also has a thousandth (-30 dB) of the speech level, unlike a room's echo."""
LOWEST = 16.0
"""The lowest noise floor, as a mean square (RMS 4 of 32767)."""
QUIET = 64.0**2
"""Mean square (-54 dBFS) below which no detector hears speech."""
RISE = 1.26
"""The greatest rise of the floor per window of silence (1 dB per 32 ms), so that a cough changes little."""
YOUNG = 16
"""Windows of silence (0.5 s) in which the floor is first found, and may rise faster."""
DRIFT = 1.007
"""The rise of the floor per window of speech (0.2 dB/s), which hides the noise."""
FADE = 0.978
"""Factor of the speech level per window (-3 dB/s), so that a shout is forgotten."""

Energies = list[float]
"""Mean squares of int16 samples, one per hop. For four of them, a list is faster than an array."""


def energies(pcm: Pcm) -> Energies:
    """The energy of each whole hop of mono int16 at 16 kHz."""
    hops = pcm[: len(pcm) // HOP * HOP].reshape(-1, HOP).astype(np.float32)
    power: Energies = (np.vecdot(hops, hops) / HOP).tolist()
    return power


class NoiseFloor:
    """Noise floor and speech level (mean squares) of one person, learnt window by window. Pure."""

    def __init__(self) -> None:
        self.floor = LOWEST
        self.level = 0.0
        self._young = YOUNG

    def learn(self, power: Energies, *, speech: bool, silence: bool) -> None:
        """Learn from a window and the detector's decision, which may be neither speech nor silence."""
        mean = sum(power) / len(power)
        if mean < self.floor:
            self.floor = max(LOWEST, (mean + self.floor) / 2)
        elif silence:
            self.floor = min(mean, self.floor * (8.0 if self._young else RISE))
        else:
            self.floor = min(mean, self.floor * DRIFT)
        self._young = max(0, self._young - silence)
        self.level *= FADE
        if speech:
            self.level = max(self.level, *power)

    @property
    def clear(self) -> float:
        """The energy above which a hop stands out from the noise and from the room's echo."""
        return max(self.floor * ABOVE_FLOOR, self.level * BELOW_LEVEL)

    def is_loud(self, power: Energies) -> bool:
        """Whether every hop has twice the energy of a clear one, as in the middle of speech."""
        return self.level > 0 and min(power) > 2 * self.clear

    def is_quiet(self, power: Energies) -> bool:
        """Whether no hop is clear and the room is quiet."""
        loudest = max(power)
        return not self._young and loudest < QUIET and loudest < self.clear

    def last_clear(self, power: Energies) -> int | None:
        """The index after the last clear hop, or None if no hop is clear."""
        clear = self.clear
        for count in range(len(power), 0, -1):
            if power[count - 1] > clear:
                return count
        return None

    def clear_end(self, power: Energies) -> float:
        """Seconds of the uninterrupted run of clear hops at the end."""
        clear = self.clear
        count = 0
        while count < len(power) and power[-1 - count] > clear:
            count += 1
        return count * HOP_SECONDS
