"""Tones for tests, which one a sound is, and a voice that sings a scale."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from voicebot.tts.base import VoiceStyle


def tone(hz: float, seconds: float, rate: int = 48_000) -> NDArray[np.int16]:
    """A sine, mono."""
    t = np.arange(int(seconds * rate)) / rate
    return (10_000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def loudest_hz(pcm: NDArray[np.int16], rate: int = 48_000) -> float:
    """The frequency that is strongest in it."""
    return float(np.fft.rfftfreq(len(pcm), 1 / rate)[np.argmax(np.abs(np.fft.rfft(pcm)))])


class Scale:
    """A text-to-speech model that sings sentences with a word in them as a scale, and hums all others.

    The hum is too quiet for `notes_in`. So no other sentence is mistaken for a part of the scale.
    """

    name = "scale"
    sample_rate = 16_000
    notes = range(40)

    def __init__(self, word: str) -> None:
        self._word = word

    async def synthesize(self, text: str, style: VoiceStyle) -> AsyncIterator[NDArray[np.int16]]:
        if self._word not in text:
            yield tone(_hz(0), 1.0, self.sample_rate) // 20
            return
        for note in self.notes:
            yield tone(_hz(note), NOTE, self.sample_rate)

    async def aclose(self) -> None:
        pass


NOTE = 0.4
"""Seconds."""
LOUD = 1000


def notes_in(pcm: NDArray[np.int16], rate: int = 16_000) -> list[int]:
    """The notes of the scale that are heard for long enough to be one, in order."""
    step = rate // 20
    heard = [
        round((loudest_hz(part, rate) - _hz(0)) / (_hz(1) - _hz(0))) if np.abs(part).max() > LOUD else -1
        for part in pcm[: len(pcm) // step * step].reshape(-1, step)
    ]
    runs = [(note, len(list(run))) for note, run in groupby(heard)]
    lasting = [note for note, length in runs if note >= 0 and length > 2]
    return [note for note, _ in groupby(lasting)]


def _hz(note: int) -> float:
    return 300.0 + 60 * note
