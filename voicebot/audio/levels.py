"""What of a piece of audio can be heard."""

from __future__ import annotations

from voicebot.audio.frames import Pcm

AUDIBLE = 164
"""Samples above this magnitude count as audible: -46 dBFS peak."""


def first_audible(pcm: Pcm) -> int | None:
    """Index of the first sample that can be heard, None when there is none."""
    loud = (pcm > AUDIBLE) | (pcm < -AUDIBLE)
    index = int(loud.argmax()) if len(pcm) else 0
    return index if len(pcm) and loud[index] else None
