"""The interface of a speech-to-text backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voicebot.registry import Backend

STT_RATE = 16_000
"""Sample rate in Hz of the int16 mono audio that every backend takes."""
SHORTEST = STT_RATE // 10
"""Samples (0.1 s). Anything shorter contains no word, and speech servers refuse it."""


@dataclass(frozen=True)
class TimedWord:
    """A recognised word. Times are in seconds since the first sample that was pushed."""

    text: str
    start: float
    end: float
    confidence: float | None = None
    """From 0 to 1; None if the backend does not report it."""


@dataclass(frozen=True)
class Transcription:
    """The interim or final transcript of one utterance."""

    text: str
    words: tuple[TimedWord, ...] = ()
    """The words of `text` with their times; empty if the backend does not report them."""
    language: str = ""
    """ISO 639-1 code of the spoken language; "" if unknown."""


class STTStream(Protocol):
    """Transcribes one utterance: push its audio in order, then call `finish` or `cancel` once.

    A stream may also have `draft`; see `DraftingStream`.
    """

    def push(self, pcm: NDArray[np.int16]) -> None:
        """Queue samples: int16 of shape (n,), mono, 16 kHz. Never blocks and never raises."""

    def interim(self) -> Transcription | None:
        """Return the newest interim transcript, or None. Must be cheap, because it is called often."""

    async def finish(self) -> Transcription:
        """End the audio and return the final transcript, whose text is "" if nothing was recognised.

        Raises:
            ModelFailed: The model failed, so this utterance is lost.
        """

    def cancel(self) -> None:
        """Discard the utterance and free its resources."""


@runtime_checkable
class DraftingStream(STTStream, Protocol):
    """A stream that can transcribe before the utterance is known to be over.

    Check with `isinstance` or `getattr(stream, "draft", None)`: not every backend drafts, and one that
    does may refrain where a draft would cost money.
    """

    async def draft(self) -> Transcription:
        """Return what `finish` would return for the audio so far. The stream continues.

        Cancelling the awaiting task cancels the work. `finish` reuses the draft if only silence followed it.

        Raises:
            ModelFailed: The model failed.
        """


@runtime_checkable
class STT(Backend, Protocol):
    """The Protocol of a speech-to-text backend: one loaded model, which all tracks share.

    Each utterance has its own stream.
    """

    def stream(self) -> STTStream:
        """Begin an utterance, in the language of the settings given to `load`, if they name one."""
