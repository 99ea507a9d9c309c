"""Choosing a voice for a persona and shaping what it says; shared by the backends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voicebot.tts.base import VoiceStyle


def pick_voice(style: VoiceStyle, voices: Sequence[str]) -> str:
    """The voice a style means: the one it names if the backend has it, else one chosen by its seed.

    A name the backend does not have is no error: after a swap of the TTS model a persona
    still carries the name of a voice of the model before.
    """
    by_name = {name.lower(): name for name in voices}
    named = by_name.get(style.voice.strip().lower())
    return named if named is not None else voices[style.seed % len(voices)]


def plain_text(text: str) -> str:
    """`text` without what a C library stumbles over: NUL and halves of surrogate pairs."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def with_volume(pcm: NDArray[np.int16], volume: float) -> NDArray[np.int16]:
    """`pcm` made louder or softer, at most as loud as fits without clipping."""
    if volume == 1.0 or not pcm.size:
        return pcm
    peak = int(np.abs(pcm.astype(np.int32)).max())
    gain = min(max(volume, 0.0), 32767 / peak if peak else 1.0)
    louder: NDArray[np.int16] = np.rint(pcm * np.float32(gain)).astype(np.int16)
    return louder
