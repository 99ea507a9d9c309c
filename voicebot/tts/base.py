"""What a text-to-speech backend is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voicebot.registry import Backend


@dataclass(frozen=True)
class VoiceStyle:
    """A persona's voice, independent of the backend; each maps it as well as it can."""

    voice: str = ""
    """A voice of the backend by name; "" lets `seed` choose among them."""
    rate: float = 1.0
    """Speaking rate, 1.0 is the voice's own (0.5 to 2)."""
    pitch: float = 0.0
    """Semitones up or down (-12 to 12), as far as the backend can: Piper 6, speech servers not at all."""
    volume: float = 1.0
    """Gain, 1.0 is the voice's own (0 to 2)."""
    seed: int = 0
    """Makes agents sound different from each other: same seed, same voice."""


@dataclass(frozen=True)
class WordTime:
    """When a word is spoken; `text` is one of the text's own words, punctuation and all."""

    text: str
    start: float
    end: float
    """Seconds since the first sample of this text's audio, as the backend gave it."""


@runtime_checkable
class TTS(Backend, Protocol):
    """A loaded model, shared by all agents that use it."""

    sample_rate: int
    """Hz of what `synthesize` yields."""

    def synthesize(self, text: str, style: VoiceStyle) -> AsyncIterator[NDArray[np.int16] | WordTime]:
        """Speak one sentence: mono int16 chunks of any length, in order.

        A backend that knows when it says which word gives a `WordTime` for each, in order, anywhere
        between the chunks; all words of the text or none. See `audio_only`.
        Closing the iterator (or cancelling the task) stops the work. Raises ModelFailed.
        """
        ...


async def audio_only(spoken: AsyncIterator[NDArray[np.int16] | WordTime]) -> AsyncIterator[NDArray[np.int16]]:
    """What `synthesize` gives, without the times of words. Closing it closes `spoken`."""
    try:
        async for part in spoken:
            if not isinstance(part, WordTime):
                yield part
    finally:
        if (close := getattr(spoken, "aclose", None)) is not None:
            await close()
