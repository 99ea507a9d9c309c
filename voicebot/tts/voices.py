"""Choose a persona's voice and prepare text and audio; shared by the backends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voicebot.tts.base import VoiceStyle


def pick_voice(style: VoiceStyle, voices: Sequence[str]) -> str:
    """The voice that a style names, if the backend has it, else one chosen by the seed.

    An unknown name is not an error, because after a swap of the TTS model a persona still names a voice of
    the previous one.
    """
    by_name = {name.lower(): name for name in voices}
    named = by_name.get(style.voice.strip().lower())
    return named if named is not None else voices[style.seed % len(voices)]


def plain_text(text: str) -> str:
    """`text` without NUL and lone surrogates, which C libraries cannot handle."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def with_volume(pcm: NDArray[np.int16], volume: float) -> NDArray[np.int16]:
    """Scale `pcm` (int16) by the gain `volume`, limited so that it does not clip."""
    if volume == 1.0 or not pcm.size:
        return pcm
    peak = int(np.abs(pcm.astype(np.int32)).max())
    gain = min(max(volume, 0.0), 32767 / peak if peak else 1.0)
    louder: NDArray[np.int16] = np.rint(pcm * np.float32(gain)).astype(np.int16)
    return louder
