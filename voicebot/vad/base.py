"""The interface of a voice activity detector."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

VAD_RATE = 16_000
"""Sample rate in Hz of the audio that every detector takes."""
VAD_WINDOW = 512
"""Samples per decision: 32 ms."""


class VADStream(Protocol):
    """The detector's memory for one track."""

    def probability(self, window: NDArray[np.int16]) -> float:
        """The speech probability (0 to 1) of the next window: int16 of shape (`VAD_WINDOW`,), mono."""


@runtime_checkable
class FrugalVADStream(VADStream, Protocol):
    """A stream that can save work. One with only `probability` is asked for each window separately."""

    def probabilities(self, windows: NDArray[np.int16]) -> list[float]:
        """The probabilities of consecutive windows, shape (n, `VAD_WINDOW`)."""

    def skip(self, window: NDArray[np.int16]) -> None:
        """Skip a window amid silence. It only serves as the context of the next window."""

    def glance(self, part: NDArray[np.int16]) -> float:
        """The probability of the newest `VAD_WINDOW` samples, which end with `part`, less than a window.

        It is provisional: the state of the stream does not change, and `part` follows again in its window.
        """


@runtime_checkable
class VAD(Protocol):
    """The Protocol of a voice activity detector, which all tracks of a media worker share.

    It is synchronous and quick, because it runs on the loop of the media worker.
    """

    name: str

    def stream(self) -> VADStream:
        """Begin a track, with a state of its own."""
