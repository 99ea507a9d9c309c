"""Synthesize the sentences of a speech one after the other and queue them on the media plane."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from voicebot.agent.speaking.speech import Speech, SpokenPiece
from voicebot.errors import ModelFailed, VoicebotError
from voicebot.events import Emit, ErrorEvent, TTSFinished, TTSFirstAudio, TTSStarted
from voicebot.media.base import EndSpeech, MediaPlane, QueueAudio
from voicebot.tts.base import TTS, VoiceStyle, WordTime

logger = logging.getLogger(__name__)

T = TypeVar("T")

AUDIBLE = 200
"""Amplitude of 32767, about -44 dBFS: quieter than any speech and louder than the noise of a recording."""


@asynccontextmanager
async def closing_iterator(iterator: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Yield the iterator, and close it at the end if it has an `aclose` method, as generators do."""
    try:
        yield iterator
    finally:
        if (close := getattr(iterator, "aclose", None)) is not None:
            await close()


def without_leading_silence(pcm: NDArray[np.int16], sample_rate: int) -> NDArray[np.int16]:
    """Return the audio from 20 ms before the first audible sample: many voices begin with 0.2 s of breath.

    `pcm` is int16 of shape (n,). The result is empty if nothing is audible.
    """
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > AUDIBLE)
    return pcm[max(0, int(loud[0]) - sample_rate // 50) :] if len(loud) else pcm[:0]


def check_audio(pcm: Any, sample_rate: int) -> NDArray[np.int16]:
    """Return `pcm` if it is int16 of shape (n,) and the rate is usable. Raises ModelFailed otherwise."""
    if not isinstance(pcm, np.ndarray) or pcm.dtype != np.int16 or pcm.ndim != 1:
        what = f"{pcm.dtype} of shape {pcm.shape}" if isinstance(pcm, np.ndarray) else type(pcm).__name__
        raise ModelFailed(f"its audio is {what}, not mono int16 of shape (n,).")
    if sample_rate <= 0:
        raise ModelFailed(f"its sample rate is {sample_rate}.")
    return pcm


class Synthesizer:
    """Synthesizes one speech. After a failure of the TTS the rest is only shown.

    Before `committed` is set, it makes only the first piece, which the media plane holds.
    """

    def __init__(
        self,
        media: MediaPlane,
        host_id: str,
        tts: TTS,
        style: VoiceStyle,
        speech: Speech,
        emit: Emit,
        committed: asyncio.Event,
    ) -> None:
        self._media, self._host_id, self._tts, self._style = media, host_id, tts, style
        self._speech, self._emit, self._committed = speech, emit, committed
        self._broken = False

    async def speak(self, pieces: asyncio.Queue[str | None]) -> None:
        """Synthesize pieces from the queue until None; returns once the media plane has all audio."""
        while (text := await pieces.get()) is not None:
            if self._speech.pieces:
                await self._committed.wait()
            piece = SpokenPiece(text)
            index = len(self._speech.pieces)
            self._speech.pieces.append(piece)
            if self._broken:
                piece.silent = True
                continue
            try:
                await self._synthesize(index, piece)
            except Exception as error:  # a third party's TTS may raise anything; the caption remains
                await self._committed.wait()  # the failure of a speech that nobody hears is not reported
                self._fail(piece, error)
        if self._speech.said:
            self._media.send(EndSpeech(self._host_id, self._speech.agent_id, self._speech.speech_id))

    async def _synthesize(self, index: int, piece: SpokenPiece) -> None:
        speech, tts = self._speech, self._tts
        ids: dict[str, Any] = {
            "participant_id": speech.agent_id, "turn_id": speech.turn_id, "speech_id": speech.speech_id,
            "model": tts.name, "index": index,
        }  # fmt: skip
        started = self._emit(TTSStarted(characters=len(piece.text), **ids))
        samples = 0
        try:
            async with closing_iterator(tts.synthesize(piece.text, self._style)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, WordTime):
                        piece.words.append((chunk.text, chunk.end))
                        continue
                    pcm = check_audio(chunk, tts.sample_rate)
                    if index == 0 and not samples:
                        whole, pcm = len(pcm), without_leading_silence(pcm, tts.sample_rate)
                        piece.cut_s += (whole - len(pcm)) / tts.sample_rate
                    if not len(pcm):
                        continue
                    if not samples:
                        self._emit(TTSFirstAudio(cause_seq=started.seq, **ids))
                    samples += len(pcm)
                    piece.queued_s = samples / tts.sample_rate
                    speech.said = True
                    self._media.send(
                        QueueAudio(
                            self._host_id,
                            speech.agent_id,
                            speech.speech_id,
                            index,
                            pcm,
                            tts.sample_rate,
                            held=not self._committed.is_set(),
                        )
                    )
            piece.synthesized = True
        finally:
            self._emit(
                TTSFinished(
                    characters=len(piece.text),
                    audio_s=piece.queued_s,
                    cancelled=not piece.synthesized,
                    cause_seq=started.seq,
                    **ids,
                )
            )
        piece.silent = samples == 0

    def _fail(self, piece: SpokenPiece, error: Exception) -> None:
        self._broken = True
        piece.synthesized, piece.silent = True, piece.queued_s == 0
        if not isinstance(error, VoicebotError):
            logger.exception("%s failed", self._tts.name, exc_info=error)
        self._emit(
            ErrorEvent(
                code=getattr(error, "code", "model_failed"),
                message=f"The voice {self._tts.name} failed, so this answer is shown as text: {error}",
                retryable=True,
                participant_id=self._speech.agent_id,
                turn_id=self._speech.turn_id,
                speech_id=self._speech.speech_id,
            )
        )
