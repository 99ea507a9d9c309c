"""Tones for tests, and which one a sound is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def tone(hz: float, seconds: float, rate: int = 48_000) -> NDArray[np.int16]:
    """A sine, mono."""
    t = np.arange(int(seconds * rate)) / rate
    return (10_000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def loudest_hz(pcm: NDArray[np.int16], rate: int = 48_000) -> float:
    """The frequency that is strongest in it."""
    return float(np.fft.rfftfreq(len(pcm), 1 / rate)[np.argmax(np.abs(np.fft.rfft(pcm)))])
