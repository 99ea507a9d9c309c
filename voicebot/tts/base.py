"""The interface of a text-to-speech backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voicebot.registry import Backend


@dataclass(frozen=True)
class VoiceStyle:
    """A persona's voice, independent of the backend. Each backend follows it as well as it can."""

    voice: str = ""
    """Name of one of the backend's voices; "" lets `seed` choose one."""
    rate: float = 1.0
    """Speaking rate, 0.5 to 2; 1.0 is the voice's own."""
    pitch: float = 0.0
    """Semitones, -12 to 12, as far as the backend can: Piper shifts by up to 6, speech servers not at all."""
    volume: float = 1.0
    """Gain, 0 to 2; 1.0 is the voice's own."""
    seed: int = 0
    """Chooses a voice, so that agents sound different. Equal seeds give equal voices."""


@dataclass(frozen=True)
class WordTime:
    """When a word is spoken; `text` is the word as written, with its punctuation."""

    text: str
    start: float
    end: float
    """`start` and `end` are seconds since the first sample of this text's audio."""


@runtime_checkable
class TTS(Backend, Protocol):
    """The Protocol of a text-to-speech backend: one loaded model, which its agents share."""

    sample_rate: int
    """Hz of the audio that `synthesize` yields."""

    def synthesize(self, text: str, style: VoiceStyle) -> AsyncIterator[NDArray[np.int16] | WordTime]:
        """Speak one sentence: yield chunks of int16 of shape (n,), mono, at `sample_rate`, in order.

        A chunk may have any length. A backend that knows when words are spoken also yields a `WordTime` for
        each word, in order, anywhere between the chunks; for all words of the text or for none. `audio_only`
        removes them. Closing the iterator or cancelling the task stops the work.

        Raises:
            ModelFailed: The model failed, so the rest of the sentence is lost.
        """


async def audio_only(spoken: AsyncIterator[NDArray[np.int16] | WordTime]) -> AsyncIterator[NDArray[np.int16]]:
    """Yield the chunks of `synthesize` without the word times. Closing it closes `spoken`."""
    try:
        async for part in spoken:
            if not isinstance(part, WordTime):
                yield part
    finally:
        if (close := getattr(spoken, "aclose", None)) is not None:
            await close()
