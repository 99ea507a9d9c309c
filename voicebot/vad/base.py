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
class VAD(Protocol):
    """A loaded detector shared by all tracks of one media worker; synchronous and quick."""

    name: str

    def stream(self) -> VADStream: ...
