"""One utterance of a person, while it is heard and once it is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicebot.agent.hearing.endpoint_watch import EndpointWatch
from voicebot.agent.hearing.preemptive_transcription import PreemptiveTranscription
from voicebot.agent.models.endpointing import Tail
from voicebot.agent.thinking.surrogates import repair_surrogates
from voicebot.errors import ModelFailed
from voicebot.events import Word
from voicebot.media import base as media
from voicebot.stt.base import STT_RATE, STTStream, Transcription

logger = logging.getLogger(__name__)

FINISH_TIMEOUT = 30.0
"""Seconds that a recogniser may take for the final text, after a draft in progress (`DRAFT_PATIENCE`)."""


@dataclass(frozen=True)
class Utterance:
    """What one person said in one turn. `text` is "" if nothing was recognised or recognition failed."""

    participant_id: str
    utterance_id: str
    turn_id: str
    text: str
    start: float
    end: float
    """Clock times of the first and the last speech sample."""
    cause_seq: int | None = None
    typed: bool = False
    """It was written in the chat, so its author can read the answer."""
    going_on: bool = False
    """The utterance was cut because of its length; the person is still speaking."""


@dataclass(eq=False)
class OpenUtterance:
    """An utterance that is still going on; all times are clock times."""

    utterance_id: str
    turn_id: str
    start: float
    cause_seq: int
    language: str = ""
    tail: Tail | None = None
    """The end of the audio, if a learned model wants it."""
    stt_name: str = ""
    stream: STTStream | None = None
    end: float = 0.0
    segment_start: float = 0.0
    origin: float | None = None
    """The time of the first sample given to the recogniser, from which its word times count."""
    pushed: int = 0
    interim: str = ""
    interim_at: float = 0.0
    """When the recogniser was last asked."""
    interim_new: float = 0.0
    """When the text last changed: speech after that may hold words that are not in it."""
    cut: bool = False
    stopped_seq: int | None = None
    watch: EndpointWatch | None = None
    """The watch over the current pause, or over the one that ended the turn."""
    preemptive: PreemptiveTranscription | None = None

    def push(self, notice: media.SpeechAudio) -> None:
        """Pass samples to the recogniser, with silence in place of gaps."""
        pcm = notice.pcm
        if self.origin is None:
            self.origin = notice.time
        gap = round((notice.time - self.origin) * STT_RATE) - self.pushed
        if gap < 0 and self.stopped_seq is not None:
            pcm = pcm[-gap:]  # the pre-roll of speech that goes on repeats what was already given
        elif gap > STT_RATE // 20 and self.stopped_seq is not None:
            self._give(np.zeros(gap, np.int16))
        self._give(pcm)

    def _give(self, pcm: NDArray[np.int16]) -> None:
        if self.stream is not None:
            self.stream.push(pcm)
        if self.tail is not None:
            self.tail.push(pcm)
        self.pushed += len(pcm)

    @property
    def heard_until(self) -> float:
        """Clock time at which the audio so far ends."""
        return self.start if self.origin is None else self.origin + self.pushed / STT_RATE

    def partial(self) -> Transcription | None:
        """The recogniser's newest partial result, if it has one."""
        try:
            return self.stream.interim() if self.stream is not None else None
        except Exception:  # the final transcript reports the failure
            logger.debug("no interim transcript", exc_info=True)
            return None

    def learn(self, partial: Transcription, now: float) -> bool:
        """Store a newer interim transcript. Returns whether its text is new."""
        text = tidy(partial.text)
        self.language = partial.language or self.language
        if not text or text == self.interim:
            return False
        self.interim, self.interim_new = text, now
        return True

    async def understand(self) -> Transcription:
        """The final transcript. Raises what the recogniser raises, or ModelFailed if it takes too long."""
        if self.preemptive is not None:
            await self.preemptive.settle()
        if self.stream is None:
            return Transcription("")
        try:
            async with asyncio.timeout(FINISH_TIMEOUT):
                return await self.stream.finish()
        except TimeoutError:
            self.stream.cancel()
            raise ModelFailed(f"it gave no text within {FINISH_TIMEOUT:g} s") from None

    def utterance(self, participant_id: str, text: str, cause_seq: int | None) -> Utterance:
        """Return the utterance with its recognised text."""
        ids = (participant_id, self.utterance_id, self.turn_id)
        return Utterance(*ids, text, self.start, self.end, cause_seq, going_on=self.cut)

    def words(self, result: Transcription, at: Callable[[float], float] = float) -> list[Word]:
        """The words of a result with clock times, or with the times that `at` converts them to."""
        origin = at(self.origin if self.origin is not None else self.start)
        return [
            Word(
                text=repair_surrogates(word.text),
                start=round(origin + word.start, 3),
                end=round(origin + word.end, 3),
                confidence=word.confidence,
            )
            for word in result.words
        ]

    async def aclose(self) -> None:
        """Discard the utterance."""
        if self.watch is not None:
            self.watch.close()
        if self.preemptive is not None:
            await self.preemptive.aclose()
        if self.stream is not None:
            self.stream.cancel()


def tidy(text: str) -> str:
    """The text on one line, with single spaces and without lone surrogates."""
    return " ".join(repair_surrogates(text).split())
