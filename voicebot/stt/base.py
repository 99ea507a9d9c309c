"""The interface of a speech-to-text backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voicebot.registry import Backend

STT_RATE = 16_000
"""Hz; every backend takes int16 mono at this rate."""
SHORTEST = STT_RATE // 10
"""Samples. Anything shorter holds no word, and speech servers refuse it."""


@dataclass(frozen=True)
class TimedWord:
    """One word; times in seconds since the first sample pushed."""

    text: str
    start: float
    end: float
    confidence: float | None = None


@dataclass(frozen=True)
class Transcription:
    """The interim or final transcript of one utterance."""

    text: str
    words: tuple[TimedWord, ...] = ()
    language: str = ""


class STTStream(Protocol):
    """Transcribes one utterance: push its audio in order, then call `finish` or `cancel` once.

    A stream may also have `draft`; see `DraftingStream`.
    """

    def push(self, pcm: NDArray[np.int16]) -> None:
        """Queue mono 16 kHz samples. Never blocks; raises nothing."""
        ...

    def interim(self) -> Transcription | None:
        """The newest interim transcript, or None; cheap, called often."""
        ...

    async def finish(self) -> Transcription:
        """End the audio; return the final transcript ("" if nothing was understood). Raises ModelFailed."""
        ...

    def cancel(self) -> None:
        """Discard the utterance and free what it holds."""
        ...


@runtime_checkable
class DraftingStream(STTStream, Protocol):
    """A stream that can transcribe before the utterance is known to be over.

    Check with `isinstance` or `getattr(stream, "draft", None)`: not every backend drafts, and one that
    does may refrain where a draft would cost money.
    """

    async def draft(self) -> Transcription:
        """What `finish` would return for the audio so far; the stream continues. Raises ModelFailed.

        Cancelling the awaiting task cancels the work. `finish` reuses the draft if only silence followed it.
        """
        ...


@runtime_checkable
class STT(Backend, Protocol):
    """A loaded model, shared by all tracks; its streams are independent."""

    def stream(self) -> STTStream:
        """Begin an utterance, in the language of the settings given to `load`, if they name one."""
        ...
