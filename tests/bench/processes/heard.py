"""What became of an answer, from the packets with sound that arrived. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

RATE, FRAME, PTIME = 48_000, 960, 0.02
PLAYOUT = 0.06
"""Seconds of a browser's playout buffer: a packet later than that is a hole."""
HELD = 0.1
"""Seconds without a packet after which somebody notices that the agent has stopped."""


class Sound(NamedTuple):
    """A packet with sound: when it came, which of the two pitches, and its RTP timestamp."""

    at: float
    pitch: int
    timestamp: int


def underruns(sounds: Sequence[Sound]) -> int:
    """Packets of one answer that came too late for the playout buffer, or were never sent."""
    count = 0
    for n, sound in enumerate(sounds):
        media = ((sound.timestamp - sounds[0].timestamp) & 0xFFFFFFFF) / RATE
        if sound.at - sounds[0].at - media > PLAYOUT:
            count += 1
        if n:
            step = (sound.timestamp - sounds[n - 1].timestamp) & 0xFFFFFFFF
            count += max(0, round(step / FRAME) - 1)
    return count


@dataclass(frozen=True)
class Disturbance:
    """What a sound over an answer did to it."""

    held: bool
    resumed: bool
    lost: bool
    """It was not said to its end."""


def disturbance(answer: Sequence[Sound], since: float, seconds: float) -> Disturbance:
    """From all that was heard of an answer that should last `seconds`; the sound began at `since`."""
    after = [sound.at for sound in answer if sound.at >= since - PTIME]
    gaps = [b - a for a, b in pairwise(after)]
    lost = len(answer) * PTIME < seconds - 0.5
    held = any(gap > HELD for gap in gaps) or lost
    return Disturbance(held, held and not lost, lost)
