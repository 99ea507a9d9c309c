"""An utterance for backends that transcribe it whole, once it is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import numpy as np
from numpy.typing import NDArray

from voicebot.stt.base import STT_RATE, Transcription

SHORTEST = STT_RATE // 10
"""Samples; less is no word, and servers refuse it."""

Transcribe = Callable[[NDArray[np.int16]], Awaitable[Transcription]]


class CollectedStream:
    """Collects an utterance and hands it to `transcribe(pcm)` at its end."""

    def __init__(self, transcribe: Transcribe) -> None:
        self._transcribe = transcribe
        self._pcm: list[NDArray[np.int16]] = []

    def push(self, pcm: NDArray[np.int16]) -> None:
        self._pcm.append(np.array(pcm, np.int16))

    def interim(self) -> Transcription | None:
        return None

    async def finish(self) -> Transcription:
        pcm = np.concatenate(self._pcm) if self._pcm else np.zeros(0, np.int16)
        self._pcm.clear()
        if len(pcm) < SHORTEST or not pcm.any():
            return Transcription("")
        return await self._transcribe(pcm)

    def cancel(self) -> None:
        self._pcm.clear()
