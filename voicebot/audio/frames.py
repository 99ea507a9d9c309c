"""The units of audio: rates, the 20 ms frame, and mono int16 arrays.

Audio time is counted in samples. Opus always runs at 48 kHz (the RTP clock of RFC 7587), hearing at
16 kHz.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
"""Mono int16 samples, shape (n,)."""

OPUS_RATE = 48_000
HEARING_RATE = 16_000
FRAME_SECONDS = 0.02
FRAME_SAMPLES = 960
"""Samples of one 20 ms frame at `OPUS_RATE`."""
TIME_BASE = Fraction(1, OPUS_RATE)
AUDIBLE = 164
"""Samples of a greater magnitude count as audible (-46 dBFS peak)."""

EMPTY: Pcm = np.zeros(0, np.int16)
SILENT_FRAME: Pcm = np.zeros(FRAME_SAMPLES, np.int16)


def first_audible(pcm: Pcm) -> int | None:
    """Index of the first audible sample, or None."""
    loud = (pcm > AUDIBLE) | (pcm < -AUDIBLE)
    index = int(loud.argmax()) if len(pcm) else 0
    return index if len(pcm) and loud[index] else None


def as_mono(pcm: NDArray[np.int16]) -> Pcm:
    """Return a contiguous mono array of shape (n,): the first channel if `pcm` has shape (n, channels).

    Raises:
        ValueError: it is not int16, or has more than two dimensions.
    """
    if pcm.dtype != np.int16:
        raise ValueError(f"audio must be int16, not {pcm.dtype}")
    if pcm.ndim == 2:
        pcm = pcm[:, 0]
    if pcm.ndim != 1:
        raise ValueError(f"audio must be mono of shape (n,), not {pcm.shape}")
    return np.ascontiguousarray(pcm)


class SampleQueue:
    """A queue of samples. Arrays are kept without copying until they are read."""

    def __init__(self) -> None:
        self._parts: list[Pcm] = []
        self._at = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, pcm: Pcm) -> None:
        """Append samples."""
        if len(pcm):
            self._parts.append(pcm)
            self._size += len(pcm)

    def take(self, count: int) -> Pcm:
        """Remove the next `count` samples, or all if there are fewer."""
        out: list[Pcm] = []
        missing = min(count, self._size)
        self._size -= missing
        used = 0
        while missing:
            part = self._parts[used]
            piece = part[self._at : self._at + missing]
            missing -= len(piece)
            self._at += len(piece)
            if self._at == len(part):
                used, self._at = used + 1, 0
            out.append(piece)
        del self._parts[:used]
        if len(out) == 1:
            return out[0]
        return np.concatenate(out) if out else EMPTY

    def peek(self) -> Pcm:
        """All samples, which stay in the queue."""
        if not self._parts:
            return EMPTY
        return np.concatenate([self._parts[0][self._at :], *self._parts[1:]])

    def clear(self) -> None:
        """Drop all samples."""
        self._parts.clear()
        self._at = self._size = 0
