"""Which parts of a person's audio stand clear of the noise around them, by energy alone.

Finer than a voice activity detector, which decides every 32 ms and holds on for about 100 ms
after a word; it cannot tell speech from other sounds, so the detector has the last word.
"""

from __future__ import annotations

import numpy as np

from voicebot.audio.frames import HEARING_RATE, Pcm

HOP = 128
"""Samples (8 ms at 16 kHz) per energy; divides the detector's window."""
HOP_SECONDS = HOP / HEARING_RATE

ABOVE_FLOOR = 4.0
"""A hop is clear when it has four times (6 dB) the noise's power: more than steady noise varies."""
BELOW_LEVEL = 1e-3
"""And a thousandth (-30 dB) of the person's own: final consonants are that soft, a room's echoes softer."""
LOWEST = 16.0
"""Mean square of noise (RMS 4 of 32767) below which nothing is told apart."""
QUIET = 64.0**2
"""Mean square (-54 dBFS) of what no detector takes for speech."""
RISE = 1.26
"""The floor's greatest rise per window of silence (1 dB per 32 ms): a cough does not deafen."""
YOUNG = 16
"""Windows of silence (0.5 s) in which the floor is found at all, and may rise as fast as it likes."""
DRIFT = 1.007
"""Its rise per window of speech (0.2 dB/s), where the noise cannot be seen."""
FADE = 0.978
"""What is left of the level after a window (-3 dB/s), so that a shout is forgotten."""

Energies = list[float]
"""Mean squares of int16 samples, one for each hop; for four of them a list is quicker than an array."""


def energies(pcm: Pcm) -> Energies:
    """One value for each whole hop of mono 16 kHz samples."""
    hops = pcm[: len(pcm) // HOP * HOP].reshape(-1, HOP).astype(np.float32)
    power: Energies = (np.vecdot(hops, hops) / HOP).tolist()
    return power


class NoiseFloor:
    """Noise floor and speech level of one person, learnt window by window. Pure."""

    def __init__(self) -> None:
        self.floor = LOWEST
        self.level = 0.0
        self._young = YOUNG

    def learn(self, power: Energies, *, speech: bool, silence: bool) -> None:
        """A window and what the detector says of it; neither is "not sure"."""
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
        """The energy from which on a hop stands clear of the noise and of the room's echo."""
        return max(self.floor * ABOVE_FLOOR, self.level * BELOW_LEVEL)

    def is_loud(self, power: Energies) -> bool:
        """Every hop is clear twice over: the person is in the middle of something."""
        return self.level > 0 and min(power) > 2 * self.clear

    def is_quiet(self, power: Energies) -> bool:
        """Nothing stands clear of the noise, and the noise itself is that of a quiet room."""
        loudest = max(power)
        return not self._young and loudest < QUIET and loudest < self.clear

    def last_clear(self, power: Energies) -> int | None:
        """Index after the last hop that stands clear, None without one."""
        clear = self.clear
        for count in range(len(power), 0, -1):
            if power[count - 1] > clear:
                return count
        return None

    def clear_end(self, power: Energies) -> float:
        """Seconds at the end in which every hop stands clear."""
        clear = self.clear
        count = 0
        while count < len(power) and power[-1 - count] > clear:
            count += 1
        return count * HOP_SECONDS
