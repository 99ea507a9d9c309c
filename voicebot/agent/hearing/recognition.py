"""One person's ears: their audio becomes utterances, transcribed once for all agents."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from voicebot.agent.hearing.echoes import only
from voicebot.agent.hearing.endpoint_watch import EndpointWatch
from voicebot.agent.hearing.open_utterance import OpenUtterance, tidy
from voicebot.agent.hearing.preemptive_transcription import UNHURRIED, PreemptiveTranscription
from voicebot.agent.hearing.utterance import Utterance
from voicebot.agent.models.endpointing import EndOfTurn, Tail
from voicebot.agent.models.models import Models
from voicebot.agent.thinking.unicode import whole
from voicebot.clock import Clock
from voicebot.conversation.log import ConversationLog
from voicebot.errors import VoicebotError
from voicebot.events import (
    SAMPLE_RATE,
    EchoIgnored,
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
from voicebot.stt.base import STT, STTStream, Transcription
from voicebot.turn import Echo, EndpointDecision, Endpointing, EndpointingSettings, Pause, PauseStatistics

logger = logging.getLogger(__name__)

INTERIM_EVERY = 0.15
"""Seconds between interim transcripts: captions stay lively and the log small."""


OwnVoice = Callable[[str, float, float, Sequence[Word]], Echo]
"""Text, clock times of its first and last speech sample, clock times of its words as far as known."""


def no_agent(text: str, start: float, end: float, words: Sequence[Word]) -> Echo:
    """Where no agent is heard there is no echo."""
    return Echo(0.0, text, "no agent could be heard")


class SpeechRecognition:
    """Fed with the media plane's notices about one person, in order.

    Args:
        begin: called when a new utterance begins; returns its turn id.
        ended: called when the turn is over, before the text is final.
        heard: called with every finished utterance, in order.
        partly: called with every newer partial transcript.
        drafted: called in a pause with what was said so far, as soon as the recogniser has written it
            ("": nothing was understood), and whether more is expected; the utterance has the same ids.
        own_voice: tells what of recognised words agents have said themselves.
        went_on: called when speech goes on after a pause: what was drafted is void.
        await_silence: asks the media plane to tell `SilenceReached` at a clock time.
        end_of_turn: the learned model, where there is one.
        constants: of endpointing; `endpointing` may have its own.
        names: those who can be called now.
        new_id: makes ids, unique in the lobby.
        language: that people speak, where the settings say it.
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
        await_silence: Callable[[float], None],
        partly: Callable[[str, str], None] = lambda participant_id, text: None,
        drafted: Callable[[Utterance, bool], None] = lambda utterance, expects_more: None,
        went_on: Callable[[str], None] = lambda participant_id: None,
        own_voice: OwnVoice = no_agent,
        end_of_turn: EndOfTurn | None = None,
        constants: EndpointingSettings | None = None,
        names: Callable[[], Sequence[str]] = tuple,
        language: str = "",
        max_utterance: float = 30.0,
    ) -> None:
        self.participant_id = participant_id
        self.statistics = PauseStatistics()
        """How this person pauses, for the life of the dialogue."""
        self._models, self._endpointing, self._log, self._clock = models, endpointing, log, clock
        self._new_id, self._begin, self._ended, self._heard = new_id, begin, ended, heard
        self._await_silence = await_silence
        self._partly, self._drafted, self._went_on = partly, drafted, went_on
        self._own_voice = own_voice
        self._end_of_turn = end_of_turn
        self._constants = constants or EndpointingSettings()
        self._names, self._language = names, language
        self._max_utterance = max_utterance
        self._now: OpenUtterance | None = None
        self._silent_since: float | None = None
        """Clock time of the last speech sample of a turn that a silence ended."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._unfinished: list[OpenUtterance] = []
        self._in_order = asyncio.Lock()

    @property
    def finishing(self) -> bool:
        """Something was said whose text is not final yet."""
        return bool(self._unfinished)

    # ------------------------------------------------------------ notices

    def started(self, notice: media.VoiceActivityStarted) -> None:
        """Speech begins, or goes on after a pause."""
        current = self._now
        if current is not None:
            self._go_on(current, notice)
        elif self._silent_since is not None:
            gap = notice.time - self._silent_since
            if 0 <= gap <= self._constants.resumed_after:  # the end was none: it came too early
                self.statistics.cut_in(gap)
        self._silent_since = None
        turn_id = current.turn_id if current is not None else self._begin(self.participant_id)
        event = self._emit(SpeechStarted, notice.time, turn_id=turn_id)
        if current is None:
            current = self._now = self._listen(turn_id, notice.time, event.seq)
        current.segment_start = current.end = notice.time

    def audio(self, notice: media.SpeechAudio) -> None:
        """Samples of the utterance; the recogniser gets one line of time, gaps as silence."""
        current = self._now
        if current is None:
            return
        if notice.time - current.start >= self._max_utterance:
            current = self._cut(current, notice.time)
        current.push(notice)
        self._show_interim(current)

    def stopped(self, notice: media.VoiceActivityStopped) -> None:
        """A pause; the turn is over if it lasts."""
        current = self._now
        if current is None:
            return
        current.end = notice.time
        event = self._emit(
            SpeechStopped,
            notice.time,
            turn_id=current.turn_id,
            duration_s=max(0.0, notice.time - current.segment_start),
        )
        current.stopped_seq = event.seq
        self._watch(current)

    def silence(self, notice: media.SilenceReached) -> None:
        """The silence that was asked for has lasted."""
        if self._now is not None and self._now.watch is not None:
            self._now.watch.reached(notice.time, notice.probability)

    def lost(self) -> None:
        """No more audio will come: what was said so far is the utterance."""
        current = self._now
        if current is not None:
            if current.watch is None:  # in the middle of a word
                current.end = max(current.end, current.heard_until)
            self._confirm(current, "the connection ended")

    async def settle(self, seconds: float) -> None:
        """Wait at most `seconds` for the final texts of what was said."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)

    async def aclose(self) -> None:
        """Give up what is going on, and what is not final yet."""
        given_up = [*self._unfinished, *([self._now] if self._now is not None else [])]
        self._now = None
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for current in given_up:
            await current.aclose()

    # ------------------------------------------------------------ listening

    def _listen(self, turn_id: str, start: float, cause_seq: int) -> OpenUtterance:
        stt, stream = self._open(turn_id, cause_seq)
        tail = Tail() if self._end_of_turn is not None and self._end_of_turn.wanted else None
        return OpenUtterance(
            self._new_id("utt"),
            turn_id,
            start,
            stt.name if stt else "",
            stream,
            cause_seq,
            interim_new=start,
            language=self._language,
            tail=tail,
        )

    def _open(self, turn_id: str, cause_seq: int) -> tuple[STT | None, STTStream | None]:
        try:
            stt = self._models.stt
            return stt, stt.stream()
        except Exception as error:  # a third party's STT may raise anything; the lobby lives
            self._lost_turn(turn_id, cause_seq, error)
            return None, None

    def _show_interim(self, current: OpenUtterance) -> None:
        now = self._clock()
        if now - current.interim_at < INTERIM_EVERY:
            return
        current.interim_at = now
        partial = current.partial()
        if partial is not None:
            text = self._echo(current, tidy(partial.text), partial).rest
            self._know(current, replace(partial, text=text))

    def _know(self, current: OpenUtterance, partial: Transcription) -> None:
        """A newer partial transcript: for the captions, and for the end of the turn."""
        if not current.learn(partial, self._clock()):
            return
        self._emit(
            TranscriptInterim,
            turn_id=current.turn_id,
            cause_seq=current.cause_seq,
            utterance_id=current.utterance_id,
            text=current.interim,
            start_t=round(self._log.at(current.start), 3),
        )
        if current.watch is not None:
            current.watch.learn(text=current.interim, text_lag_s=0.0, language=current.language)
            if current.preemptive is not None and not current.watch.decision.expects_more:
                current.preemptive.hurry()
        self._partly(self.participant_id, current.interim)

    def _cut(self, current: OpenUtterance, time: float) -> OpenUtterance:
        """Finish what was said so far; the next utterance goes on where it ends."""
        current.end, current.cut = time, True
        self._confirm(current, f"{self._max_utterance:g} s without a pause")
        self._now = self._listen(self._new_id("turn"), time, current.cause_seq)
        self._now.segment_start, self._now.end = current.segment_start, time
        return self._now

    # ------------------------------------------------------------ the end of a turn

    def _watch(self, current: OpenUtterance) -> None:
        """A pause: work ahead, and wait for it to last."""
        pause = Pause(
            self.participant_id,
            silence_s=0.0,
            speech_s=current.end - current.start,
            text=current.interim,
            text_lag_s=max(0.0, current.end - current.interim_new) if current.interim else 0.0,
            language=current.language,
            names=tuple(self._names()),
            statistics=self.statistics,
        )

        def predicted(decision: EndpointDecision, pause: Pause) -> None:
            self._emit(
                EndpointPredicted,
                turn_id=current.turn_id,
                cause_seq=current.stopped_seq,
                delay_s=decision.delay_s,
                reason=decision.reason,
                text=pause.text,
                probability=pause.end_probability,
            )

        def confirmed(reason: str) -> None:
            self._silent_since = current.end
            self.statistics.ended()
            self._confirm(current, reason)

        if current.watch is not None:  # two stops in a row
            current.watch.close()
        current.watch = EndpointWatch(
            pause,
            since=current.end,
            endpointing=self._endpointing,
            clock=self._clock,
            noticeable=self._constants.noticeable,
            await_silence=self._await_silence,
            predicted=predicted,
            confirmed=confirmed,
        )
        self._draft(current)

    def _draft(self, current: OpenUtterance) -> None:
        watch, model, tail = current.watch, self._end_of_turn, current.tail

        def on_draft(draft: Transcription) -> None:
            if self._now is not current:
                return  # the end is confirmed: the final text comes
            text = self._echo(current, tidy(draft.text), draft).rest
            self._know(current, replace(draft, text=text))
            if watch is not None:  # also when it says what the interim said: no word is missing now
                watch.learn(text=text, text_lag_s=0.0, language=current.language)
            # "": nothing was understood, which is worth knowing, too
            utterance = current.utterance(self.participant_id, text, current.stopped_seq)
            self._drafted(utterance, watch is not None and watch.decision.expects_more)

        async def ask() -> float | None:
            assert model is not None
            assert tail is not None
            return await model.probability(tail.samples(), self.participant_id, current.turn_id)

        def on_probability(probability: float) -> None:
            if watch is not None:
                watch.learn(end_probability=probability)

        if current.preemptive is not None:
            current.preemptive.cancel()
        current.preemptive = PreemptiveTranscription(
            current.stream,
            ask if tail is not None else None,
            after=UNHURRIED if watch is not None and watch.decision.expects_more else 0.0,
            on_draft=on_draft,
            on_interim=lambda: self._show_interim(current),
            on_probability=on_probability,
            name=f"{current.utterance_id} of {self.participant_id}",
        )

    def _go_on(self, current: OpenUtterance, notice: media.VoiceActivityStarted) -> None:
        watch, current.watch = current.watch, None
        if current.preemptive is not None:
            current.preemptive.cancel()
            current.preemptive = None
        if watch is None:
            return
        watch.close()
        pause = max(0.0, notice.time - current.end)
        if not watch.decision.expects_more:  # a pause after "and" says nothing of the others
            self.statistics.went_on(pause)
        self._emit(
            EndpointCancelled,
            turn_id=current.turn_id,
            cause_seq=current.stopped_seq,
            delay_s=pause,
            reason="speech went on",
            text=watch.pause.text,
            probability=watch.pause.end_probability,
        )
        self._went_on(self.participant_id)

    def _confirm(self, current: OpenUtterance, reason: str) -> None:
        self._now = None
        if current.watch is not None:
            current.watch.close()
        pause = current.watch.pause if current.watch is not None else None
        event = self._emit(
            EndpointConfirmed,
            turn_id=current.turn_id,
            cause_seq=current.stopped_seq,
            delay_s=max(0.0, self._clock() - current.end),
            reason=reason,
            text=pause.text if pause is not None else current.interim,
            probability=pause.end_probability if pause is not None else None,
        )
        self._unfinished.append(current)
        self._ended(self.participant_id)
        task = asyncio.get_running_loop().create_task(
            self._finish(current, event.seq), name=f"transcribe {self.participant_id}: {current.utterance_id}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------ the final text

    async def _finish(self, current: OpenUtterance, cause_seq: int) -> None:
        async with self._in_order:
            try:
                utterance = await self._understand(current, cause_seq)
            finally:
                self._unfinished.remove(current)
            self._heard(utterance)

    async def _understand(self, current: OpenUtterance, cause_seq: int) -> Utterance:
        result = Transcription("")
        try:
            result = await current.understand()
        except Exception as error:  # a third party's STT may raise anything; the lobby lives
            self._lost_turn(current.turn_id, cause_seq, error)
        text, seq = tidy(result.text), cause_seq
        echo = self._echo(current, text, result)
        if echo.found:
            result = replace(result, words=tuple(only(result.words, echo.rest)))
            seq = self._emit(
                EchoIgnored,
                turn_id=current.turn_id,
                cause_seq=cause_seq,
                text=text,
                similarity=round(echo.similarity, 3),
            ).seq
            text = echo.rest
        if text or current.interim:  # an empty final takes a wrong interim caption back
            seq = self._final(current, text, result, cause_seq).seq
        return current.utterance(self.participant_id, text, seq)

    def _echo(self, current: OpenUtterance, text: str, result: Transcription) -> Echo:
        end = current.end if current.watch is not None else current.heard_until
        origin = current.origin if current.origin is not None else current.start
        return self._own_voice(text, current.start, max(end, current.end), current.words(result, origin))

    def _final(self, current: OpenUtterance, text: str, result: Transcription, cause_seq: int) -> Event:
        origin = self._log.at(current.origin if current.origin is not None else current.start)
        return self._emit(
            TranscriptFinal,
            turn_id=current.turn_id,
            cause_seq=cause_seq,
            utterance_id=current.utterance_id,
            text=text,
            words=current.words(result, origin),
            language=result.language,
            stt_model=current.stt_name,
            start_t=round(self._log.at(current.start), 3),
            end_t=round(self._log.at(current.end), 3),
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
