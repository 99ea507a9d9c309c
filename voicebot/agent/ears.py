"""One person's ears: their audio becomes utterances, transcribed once for all agents."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from voicebot.agent.models import Models
from voicebot.agent.unicode import whole
from voicebot.clock import Clock
from voicebot.conversation.log import ConversationLog
from voicebot.errors import VoicebotError
from voicebot.events import (
    SAMPLE_RATE,
    EndpointCancelled,
    EndpointConfirmed,
    EndpointPredicted,
    ErrorEvent,
    Event,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
    TranscriptInterim,
    Word,
)
from voicebot.media import base as media
from voicebot.stt.base import STT, STT_RATE, STTStream, Transcription
from voicebot.turn import EndpointDecision, Endpointing, Pause

logger = logging.getLogger(__name__)

INTERIM_EVERY = 0.15
"""Seconds between interim transcripts: captions stay lively and the log small."""
FINISH_TIMEOUT = 30.0
"""Seconds a recogniser may take for the final text before the utterance is given up."""


@dataclass(frozen=True)
class Utterance:
    """What one person said in one turn; `text` is "" when nothing was understood or it was lost."""

    participant_id: str
    utterance_id: str
    turn_id: str
    text: str
    start: float
    end: float
    """Clock times of the first and the last speech sample."""
    cause_seq: int | None = None
    typed: bool = False
    """Written in the chat: whoever wrote it can read the answer."""
    going_on: bool = False
    """Cut at the greatest length: the person has not stopped speaking."""


@dataclass
class _Hearing:
    """An utterance that is still going on."""

    utterance_id: str
    turn_id: str
    start: float
    stt_name: str
    stream: STTStream | None
    cause_seq: int
    end: float = 0.0
    segment_start: float = 0.0
    origin: float | None = None
    """Clock time of the first sample given to the recogniser; its word times count from here."""
    pushed: int = 0
    interim: str = ""
    interim_at: float = 0.0
    timer: asyncio.TimerHandle | None = None
    decision: EndpointDecision | None = None
    cut: bool = False
    stopped_seq: int | None = None


class Ears:
    """Fed with the media plane's notices about one person, in order.

    Args:
        begin: called when a new utterance begins; returns its turn id.
        ended: called when the turn is over, before the text is final.
        heard: called with every finished utterance, in order.
        new_id: makes ids, unique in the lobby.
        max_utterance: seconds after which speech that does not stop is cut, and goes on as the
            next utterance; that one begins without `begin`, so it holds nobody up.
    """

    def __init__(
        self,
        participant_id: str,
        *,
        models: Models,
        endpointing: Endpointing,
        log: ConversationLog,
        clock: Clock,
        new_id: Callable[[str], str],
        begin: Callable[[str], str],
        ended: Callable[[str], None],
        heard: Callable[[Utterance], None],
        partly: Callable[[str, str], None],
        drafted: Callable[[Utterance], None],
        went_on: Callable[[str], None],
        max_utterance: float = 30.0,
    ) -> None:
        self.participant_id = participant_id
        self._models, self._endpointing, self._log, self._clock = models, endpointing, log, clock
        self._new_id, self._begin, self._ended, self._heard = new_id, begin, ended, heard
        self._partly, self._drafted, self._went_on = partly, drafted, went_on
        self._max_utterance = max_utterance
        self._now: _Hearing | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._unfinished = 0
        self._in_order = asyncio.Lock()

    @property
    def finishing(self) -> bool:
        """Something was said whose text is not final yet."""
        return self._unfinished > 0

    def started(self, notice: media.SpeechStarted) -> None:
        """Speech begins, or goes on after a pause."""
        hearing = self._now
        if hearing is not None:
            self._cancel_endpoint(hearing, notice)
        turn_id = hearing.turn_id if hearing is not None else self._begin(self.participant_id)
        event = self._emit(SpeechStarted, notice.time, turn_id=turn_id)
        if hearing is None:
            stt, stream = self._open(turn_id, event.seq)
            hearing = self._now = _Hearing(
                self._new_id("utt"), turn_id, notice.time, stt.name if stt else "", stream, event.seq
            )
        hearing.segment_start = hearing.end = notice.time

    def audio(self, notice: media.SpeechAudio) -> None:
        """Samples of the utterance; the recogniser gets one line of time, gaps as silence."""
        hearing = self._now
        if hearing is None:
            return
        if notice.time - hearing.start >= self._max_utterance:
            hearing = self._cut(hearing, notice.time)
        if hearing.stream is None:
            return
        pcm = notice.pcm
        if hearing.origin is None:
            hearing.origin = notice.time
        gap = round((notice.time - hearing.origin) * STT_RATE) - hearing.pushed
        if gap < 0 and hearing.stopped_seq is not None:
            pcm = pcm[-gap:]  # the pre-roll of speech that goes on repeats what was already given
        elif gap > STT_RATE // 20 and hearing.stopped_seq is not None:
            hearing.stream.push(np.zeros(gap, np.int16))
            hearing.pushed += gap
        hearing.stream.push(pcm)
        hearing.pushed += len(pcm)
        self._show_interim(hearing)

    def stopped(self, notice: media.SpeechStopped) -> None:
        """A pause; the turn is over if it lasts."""
        hearing = self._now
        if hearing is None:
            return
        hearing.end = notice.time
        event = self._emit(
            SpeechStopped,
            notice.time,
            turn_id=hearing.turn_id,
            duration_s=max(0.0, notice.time - hearing.segment_start),
        )
        hearing.stopped_seq = event.seq
        silence = max(0.0, self._clock() - notice.time)
        pause = Pause(self.participant_id, silence, notice.time - hearing.start, hearing.interim)
        hearing.decision = self._endpointing.decide(pause)
        self._emit(
            EndpointPredicted,
            turn_id=hearing.turn_id,
            cause_seq=event.seq,
            delay_s=hearing.decision.delay_s,
            reason=hearing.decision.reason,
        )
        loop = asyncio.get_running_loop()
        hearing.timer = loop.call_later(max(0.0, hearing.decision.delay_s - silence), self._confirm, hearing)

        if hearing.stream is not None:
            self._tasks.add(t := asyncio.ensure_future(self._draft(hearing)))
            t.add_done_callback(self._tasks.discard)

    async def _draft(self, hearing: _Hearing) -> None:
        text = (await hearing.stream.draft()).text
        if hearing is self._now and hearing.timer is not None and (text or not hearing.interim):
            if text:
                self._drafted(
                    Utterance(
                        self.participant_id,
                        hearing.utterance_id,
                        hearing.turn_id,
                        text,
                        hearing.start,
                        hearing.end,
                    )
                )

    def silence(self, notice) -> None: ...

    def lost(self) -> None:
        """No more audio will come: what was said so far is the utterance."""
        hearing = self._now
        if hearing is not None:
            hearing.end = max(hearing.end, hearing.start)
            hearing.decision = EndpointDecision(0.0, "the connection ended")
            if hearing.timer is not None:
                hearing.timer.cancel()
            self._confirm(hearing)

    async def settle(self, seconds: float) -> None:
        """Wait at most `seconds` for the final texts of what was said."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)

    async def aclose(self) -> None:
        """Give up what is going on."""
        hearing, self._now = self._now, None
        if hearing is not None:
            if hearing.timer is not None:
                hearing.timer.cancel()
            if hearing.stream is not None:
                hearing.stream.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------ inside

    def _open(self, turn_id: str, cause_seq: int) -> tuple[STT | None, STTStream | None]:
        try:
            stt = self._models.stt
            return stt, stt.stream()
        except Exception as error:  # a third party's STT may raise anything; the lobby lives
            self._lost_turn(turn_id, cause_seq, error)
            return None, None

    def _cancel_endpoint(self, hearing: _Hearing, notice: media.SpeechStarted) -> None:
        if hearing.timer is not None:
            hearing.timer.cancel()
            hearing.timer = None
            pause = max(0.0, notice.time - hearing.end)
            self._emit(
                EndpointCancelled,
                turn_id=hearing.turn_id,
                cause_seq=hearing.stopped_seq,
                delay_s=pause,
                reason="speech went on",
            )
            self._went_on(self.participant_id)

    def _show_interim(self, hearing: _Hearing) -> None:
        now = self._clock()
        if hearing.stream is None or now - hearing.interim_at < INTERIM_EVERY:
            return
        hearing.interim_at = now
        try:
            partial = hearing.stream.interim()
        except Exception:  # the final result tells; a partial one is not worth an error
            logger.debug("no interim transcript", exc_info=True)
            return
        text = whole(partial.text) if partial is not None else ""
        if text and text != hearing.interim:
            hearing.interim = text
            self._emit(
                TranscriptInterim,
                turn_id=hearing.turn_id,
                cause_seq=hearing.cause_seq,
                utterance_id=hearing.utterance_id,
                text=text,
                start_t=round(self._log.at(hearing.start), 3),
            )
            self._partly(self.participant_id, text)

    def _cut(self, hearing: _Hearing, time: float) -> _Hearing:
        """Finish what was said so far; the next utterance goes on where it ends."""
        if hearing.timer is not None:
            hearing.timer.cancel()
        hearing.end, hearing.cut = time, True
        hearing.decision = EndpointDecision(0.0, f"{self._max_utterance:g} s without a pause")
        self._confirm(hearing)
        turn_id = self._new_id("turn")
        stt, stream = self._open(turn_id, hearing.cause_seq)
        self._now = _Hearing(
            self._new_id("utt"), turn_id, time, stt.name if stt else "", stream, hearing.cause_seq
        )
        self._now.segment_start, self._now.end = hearing.segment_start, time
        return self._now

    def _confirm(self, hearing: _Hearing) -> None:
        self._now = None
        decision = hearing.decision or EndpointDecision(0.0, "ended")
        event = self._emit(
            EndpointConfirmed,
            turn_id=hearing.turn_id,
            cause_seq=hearing.stopped_seq,
            delay_s=max(0.0, self._clock() - hearing.end),
            reason=decision.reason,
        )
        self._unfinished += 1
        self._ended(self.participant_id)
        task = asyncio.get_running_loop().create_task(
            self._finish(hearing, event.seq), name=f"ears of {self.participant_id}: {hearing.utterance_id}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, hearing: _Hearing, cause_seq: int) -> None:
        async with self._in_order:
            try:
                utterance = await self._understand(hearing, cause_seq)
            finally:
                self._unfinished -= 1
            self._heard(utterance)

    async def _understand(self, hearing: _Hearing, cause_seq: int) -> Utterance:
        result = Transcription("")
        if hearing.stream is not None:
            try:
                async with asyncio.timeout(FINISH_TIMEOUT):
                    result = await hearing.stream.finish()
            except TimeoutError:
                hearing.stream.cancel()
                slow = VoicebotError(f"it gave no text within {FINISH_TIMEOUT:g} s", code="model_failed")
                self._lost_turn(hearing.turn_id, cause_seq, slow)
            except Exception as error:  # a third party's STT may raise anything; the lobby lives
                self._lost_turn(hearing.turn_id, cause_seq, error)
        text = " ".join(whole(result.text).split())
        seq = cause_seq
        if text or hearing.interim:  # an empty final takes a wrong interim caption back
            seq = self._final(hearing, text, result, cause_seq).seq
        return Utterance(
            self.participant_id,
            hearing.utterance_id,
            hearing.turn_id,
            text,
            hearing.start,
            hearing.end,
            seq,
            going_on=hearing.cut,
        )

    def _final(self, hearing: _Hearing, text: str, result: Transcription, cause_seq: int) -> Event:
        origin = self._log.at(hearing.origin if hearing.origin is not None else hearing.start)
        words = [
            Word(
                text=whole(w.text),
                start=round(origin + w.start, 3),
                end=round(origin + w.end, 3),
                confidence=w.confidence,
            )
            for w in result.words
        ]
        return self._emit(
            TranscriptFinal,
            turn_id=hearing.turn_id,
            cause_seq=cause_seq,
            utterance_id=hearing.utterance_id,
            text=text,
            words=words,
            language=result.language,
            stt_model=hearing.stt_name,
            start_t=round(self._log.at(hearing.start), 3),
            end_t=round(self._log.at(hearing.end), 3),
        )

    def _lost_turn(self, turn_id: str, cause_seq: int, error: Exception) -> None:
        if not isinstance(error, VoicebotError):
            logger.error("Speech recognition failed", exc_info=error)
        why = whole(str(error)).strip() or type(error).__name__
        self._emit(
            ErrorEvent,
            turn_id=turn_id,
            cause_seq=cause_seq,
            code=getattr(error, "code", "model_failed"),
            message="Speech recognition failed, so what was just said is lost: "
            f"{why}{'' if why[-1] in '.!?' else '.'} Please say it again.",
            retryable=True,
        )

    def _emit(self, kind: type[Event], time: float | None = None, **fields: Any) -> Event:
        t = -1.0 if time is None else self._log.at(time)
        sample = None if time is None else round(t * SAMPLE_RATE)
        return self._log.emit(kind(participant_id=self.participant_id, t=t, sample=sample, **fields))
