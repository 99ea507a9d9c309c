"""What a speech-to-text backend is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voicebot.registry import Backend

STT_RATE = 16_000
"""Hz; every backend takes int16 mono at this rate."""
SHORTEST = STT_RATE // 10
"""Samples; less is no word, and speech servers refuse it."""


@dataclass(frozen=True)
class TimedWord:
    """One word; times in seconds since the first sample pushed."""

    text: str
    start: float
    end: float
    confidence: float | None = None


@dataclass(frozen=True)
class Transcription:
    """What was said in one utterance, so far or in the end."""

    text: str
    words: tuple[TimedWord, ...] = ()
    language: str = ""


class STTStream(Protocol):
    """One utterance being transcribed; audio in order, then `finish` or `cancel`, once.

    A stream may also have `draft`, see `DraftingStream`.
    """

    def push(self, pcm: NDArray[np.int16]) -> None:
        """Queue mono 16 kHz samples. Never blocks; raises nothing."""
        ...

    def interim(self) -> Transcription | None:
        """The newest partial result, or None; cheap, called often."""
        ...

    async def finish(self) -> Transcription:
        """No more audio: the final text ("" when nothing was understood). Raises ModelFailed."""
        ...

    def cancel(self) -> None:
        """Throw the utterance away and free what it holds."""
        ...


@runtime_checkable
class DraftingStream(STTStream, Protocol):
    """A stream that can say what was said before the utterance is known to be over.

    Ask with `isinstance`, or by `getattr(stream, "draft", None)`: not every backend has it, and one
    that has may leave it out where a draft would cost money.
    """

    async def draft(self) -> Transcription:
        """What `finish` would give for what was pushed so far; the stream goes on. Raises ModelFailed.

        Cancelling the task that awaits it gives the work up. `finish` takes the draft over, without
        further work, when nothing but silence was pushed after it.
        """
        ...


@runtime_checkable
class STT(Backend, Protocol):
    """A loaded model, shared by every track; streams are independent of each other."""

    def stream(self) -> STTStream:
        """Begin an utterance, in the language that the settings named at `load`, if they did."""
        ...
