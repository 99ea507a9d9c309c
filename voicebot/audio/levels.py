"""How loud a piece of audio is."""

from __future__ import annotations

import math

import numpy as np

from voicebot.audio.frames import Pcm

SILENCE_DBFS = -100.0
AUDIBLE = 164
"""Samples above this magnitude count as audible: -46 dBFS peak."""


def dbfs(pcm: Pcm) -> float:
    """RMS level; 0 is a full-scale square wave, never below `SILENCE_DBFS`."""
    if not len(pcm):
        return SILENCE_DBFS
    x = pcm.astype(np.float32)
    power = float(np.dot(x, x)) / len(pcm) / 32768.0**2
    return max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS


def first_audible(pcm: Pcm) -> int | None:
    """Index of the first sample that can be heard, None when there is none."""
    loud = (pcm > AUDIBLE) | (pcm < -AUDIBLE)
    index = int(loud.argmax()) if len(pcm) else 0
    return index if len(pcm) and loud[index] else None
