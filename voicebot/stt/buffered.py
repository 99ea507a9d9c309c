"""Streams for backends that transcribe a whole utterance at its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import numpy as np
from numpy.typing import NDArray

from voicebot.stt.base import SHORTEST, Transcription
from voicebot.stt.drafts import Drafts
from voicebot.stt.loudness import Loudness

Transcribe = Callable[[NDArray[np.int16]], Awaitable[Transcription]]


class BufferedStream:
    """Buffers an utterance and passes it to `transcribe(pcm)` at its end."""

    def __init__(self, transcribe: Transcribe) -> None:
        self._transcribe = transcribe
        self._pcm: list[NDArray[np.int16]] = []
        self._loudness = Loudness()
        self._drafts = Drafts(self._loudness, self._all)

    def push(self, pcm: NDArray[np.int16]) -> None:
        self._pcm.append(np.array(pcm, np.int16))
        self._loudness.add(pcm)

    def interim(self) -> Transcription | None:
        """The newest draft, if there is one."""
        return self._drafts.last

    async def finish(self) -> Transcription:
        """The newest draft, if only silence followed it; otherwise a new transcription."""
        try:
            return await self._drafts.newest()
        finally:
            self.cancel()

    def cancel(self) -> None:
        self._drafts.cancel()
        self._pcm.clear()

    async def _all(self) -> Transcription:
        """Transcribe what was buffered so far."""
        pcm = np.concatenate(self._pcm) if self._pcm else np.zeros(0, np.int16)
        if len(pcm) < SHORTEST or not pcm.any():
            return Transcription("")
        return await self._transcribe(pcm)


class DraftingBufferedStream(BufferedStream):
    """A buffered stream that can also draft, with at most one extra request per pause."""

    async def draft(self) -> Transcription:
        """Return what `finish` would return now. The stream continues. Cancelling cancels the request."""
        return await self._drafts.newest()
