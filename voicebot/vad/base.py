"""What a voice activity detector is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

VAD_RATE = 16_000
VAD_WINDOW = 512
"""Samples per decision: 32 ms."""


class VADStream(Protocol):
    """The detector's memory for one track."""

    def probability(self, window: NDArray[np.int16]) -> float:
        """Speech probability (0 to 1) of the next `VAD_WINDOW` mono samples at `VAD_RATE`."""
        ...


@runtime_checkable
class FrugalVADStream(VADStream, Protocol):
    """A stream that can do less work; what has only `probability` is asked for every window, one by one."""

    def probabilities(self, windows: NDArray[np.int16]) -> list[float]:
        """Those of several windows in a row, shape (n, `VAD_WINDOW`)."""
        ...

    def skip(self, window: NDArray[np.int16]) -> None:
        """This window is silence among silence: it is only remembered as what came before the next."""
        ...

    def glance(self, part: NDArray[np.int16]) -> float:
        """Of the newest `VAD_WINDOW` samples, the last of which are `part`, not a whole window yet.

        A first opinion: nothing is remembered, and `part` comes again in its window.
        """
        ...


@runtime_checkable
class VAD(Protocol):
    """A loaded detector shared by all tracks of one media worker; synchronous and quick."""

    name: str

    def stream(self) -> VADStream: ...
