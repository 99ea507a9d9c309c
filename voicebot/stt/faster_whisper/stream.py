"""Transcribe an utterance with Whisper while it is spoken: interim transcripts, drafts, final transcript.

Whisper decodes windows of up to 30 s. While somebody speaks, the window grows and is decoded as often as the
model has time; what two decodes agree on is committed (see `agreement`). In long speech the window is trimmed
after committed sentences. The final transcript needs one more decode: the interim one misses the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from voicebot.stt.base import SHORTEST, STT_RATE, TimedWord, Transcription
from voicebot.stt.drafts import Drafts
from voicebot.stt.faster_whisper.agreement import Agreement
from voicebot.stt.faster_whisper.decoder import Hypothesis, Window
from voicebot.stt.faster_whisper.hallucinations import is_hallucination, without_loop
from voicebot.stt.loudness import Loudness

STEP = round(0.3 * STT_RATE)
"""Samples of new speech that justify another interim transcript."""
FIRST = round(0.6 * STT_RATE)
"""Samples before the first one; with less, Whisper invents the rest."""
PAUSE = round(0.1 * STT_RATE)
"""Samples of silence after which no interim decode starts, because a draft or the end will follow."""
MARGIN = round(0.25 * STT_RATE)
"""Samples of silence kept on both sides of the speech; more silence invites hallucinations."""
TRIM = 15 * STT_RATE
"""A window longer than this (samples) is trimmed after a committed sentence (as in Machacek et al.) ..."""
TRIM_ANYWHERE = 22 * STT_RATE
"""... and one longer than this after any committed word."""
CUT_FROM, LONGEST = 20 * STT_RATE, 28 * STT_RATE
"""If nothing was committed, a window is cut at the quietest place between these samples."""
ENOUGH = 2 * STT_RATE
"""Samples of speech after which a detected language is kept for the utterance."""

Decode = Callable[[Window], Awaitable[Hypothesis]]
"""Decodes a window soon. Raises ModelFailed; cancelling cancels the work."""
DecodeWhenIdle = Callable[[Callable[[], Window | None]], "asyncio.Future[Hypothesis | None]"]
"""Takes and decodes a window once the model has time, which may be never."""


@dataclass(frozen=True)
class _Span:
    """The samples for one decode; `cut` if more speech follows that does not fit."""

    start: int
    end: int
    cut: bool


class WhisperStream:
    """One utterance; `language` "" means that it is detected."""

    def __init__(self, decode: Decode, decode_when_idle: DecodeWhenIdle, language: str = "") -> None:
        self._decode, self._decode_when_idle, self._language = decode, decode_when_idle, language
        self._pcm: list[NDArray[np.int16]] = []
        self._window_from = 0
        """Sample that the window, and the audio that is kept, begins with."""
        self._settled = 0
        """Committed words that lie before the window."""
        self._loudness = Loudness()
        self._agreement = Agreement()
        self._drafts = Drafts(self._loudness, self._transcribe)
        self._partial: asyncio.Future[Hypothesis | None] | None = None
        self._taken: _Span | None = None
        self._taken_at = FIRST - STEP
        self._over = False

    def push(self, pcm: NDArray[np.int16]) -> None:
        if self._over:
            return
        self._pcm.append(np.array(pcm, np.int16))
        self._loudness.add(pcm)
        if (
            self._partial is None
            and not self._drafts.working
            and self._loudness.samples - self._taken_at >= STEP
            and not self._loudness.quiet_since(self._loudness.samples - PAUSE)
        ):
            self._partial = self._decode_when_idle(self._take)
            self._partial.add_done_callback(self._seen)

    def interim(self) -> Transcription | None:
        """The committed words and those that may still change."""
        words = self._agreement.words
        return _transcription(words, self._language) if words else None

    async def draft(self) -> Transcription:
        """Return what `finish` would return now. The stream continues. Cancelling cancels the work."""
        return await self._drafts.newest()

    async def finish(self) -> Transcription:
        """Return the final transcript, which is that of a draft if only silence followed it.

        Raises:
            ModelFailed: The model failed, or the queue is full.
        """
        try:
            return await self._drafts.newest()
        finally:
            self.cancel()

    def cancel(self) -> None:
        self._over = True
        self._drafts.cancel()
        if self._partial is not None:
            self._partial.cancel()
        self._pcm.clear()

    def _take(self) -> Window | None:
        """The current window, now that the model has time for an interim decode; None if there is no need."""
        self._taken = self._span(self._window_from)
        self._taken_at = self._loudness.samples
        if self._taken is None or self._over or self._drafts.working:
            return None
        return self._window(self._taken)

    def _seen(self, partial: asyncio.Future[Hypothesis | None]) -> None:
        self._partial = None
        # the final decode fails, too, and reports it
        heard = None if partial.cancelled() or partial.exception() is not None else partial.result()
        span = self._taken
        if heard is None or span is None or self._over:
            return
        self._learn_language(span, heard)
        self._agree(span, self._words(span, heard))

    def _agree(self, span: _Span, words: list[TimedWord]) -> None:
        """Commit the stable words, and trim the window after them."""
        if span.cut:
            self._agreement.settle(words)
            self._settled = len(self._agreement.committed)
            self._trim(span.end)
            return
        self._agreement.insert(words)
        length = span.end - self._window_from
        if length > TRIM:
            count = self._agreement.boundary(self._settled)
            if count == self._settled and length > TRIM_ANYWHERE:
                count = self._agreement.boundary(self._settled, sentences=False)
            if count > self._settled:
                self._settled = count
                self._trim(self._gap_after(count))

    def _gap_after(self, count: int) -> int:
        """The sample between a committed word and the next one, where a window cuts neither of them."""
        words = self._agreement.words
        end = round(words[count - 1].end * STT_RATE)
        following = round(words[count].start * STT_RATE) if count < len(words) else end
        if following - end < SHORTEST:
            return (end + following) // 2
        return self._loudness.quietest(end, following)

    def _trim(self, start: int) -> None:
        self._pcm = [np.concatenate(self._pcm)[start - self._window_from :].copy()]
        self._window_from = start

    async def _transcribe(self) -> Transcription:
        if self._partial is not None:
            self._partial.cancel()  # this decode covers more
        spans = []
        at = self._window_from
        while (span := self._span(at)) is not None:
            spans.append(span)
            at = span.end
            if not span.cut:
                break
        settled = self._agreement.committed[: self._settled]
        heard = await asyncio.gather(*(self._decode(self._window(span)) for span in spans))
        words = [self._words(span, one) for span, one in zip(spans, heard, strict=True)]
        for span, one in zip(spans, heard, strict=True):
            self._learn_language(span, one)
        if len(spans) == 1 and spans[0].start >= self._window_from:  # not trimmed meanwhile
            self._agree(spans[0], words[0])
        language = self._language or next((one.language for one in heard), "")
        return _transcription([*settled, *(word for part in words for word in part)], language)

    def _span(self, start: int) -> _Span | None:
        """The speech from sample `start` on, without the silence around it, as far as a window holds it."""
        speech = self._loudness.speech(start)
        if speech is None or speech[1] - speech[0] < SHORTEST:
            return None
        first, last = max(start, speech[0] - MARGIN), min(self._loudness.samples, speech[1] + MARGIN)
        if last - first <= LONGEST:
            return _Span(first, last, cut=False)
        return _Span(first, self._loudness.quietest(first + CUT_FROM, first + LONGEST), cut=True)

    def _window(self, span: _Span) -> Window:
        whole = np.concatenate(self._pcm)
        self._pcm = [whole]
        return Window(whole[span.start - self._window_from : span.end - self._window_from], self._language)

    def _words(self, span: _Span, heard: Hypothesis) -> list[TimedWord]:
        """The words with times within the utterance; none if they are a hallucination."""
        words = without_loop(heard.words, heard.repetition)
        made_up = is_hallucination(
            "".join(word.text for word in words),
            no_speech=heard.no_speech,
            log_probability=heard.log_probability,
            faint=self._loudness.faint,
        )
        if made_up:
            return []
        offset = span.start / STT_RATE
        return [replace(word, start=offset + word.start, end=offset + word.end) for word in words]

    def _learn_language(self, span: _Span, heard: Hypothesis) -> None:
        if not self._language and span.end - span.start >= ENOUGH:
            self._language = heard.language


def _transcription(words: list[TimedWord], language: str) -> Transcription:
    spoken = tuple(
        replace(word, text=word.text.strip(), start=round(word.start, 3), end=round(word.end, 3))
        for word in words
        if word.text.strip()
    )
    return Transcription("".join(word.text for word in words).strip(), spoken, language)
