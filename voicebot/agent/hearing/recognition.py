"""Speech recognition for one person: audio becomes utterances, transcribed once for all agents."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from voicebot.agent.hearing.echoes import remaining_words
from voicebot.agent.hearing.endpoint_watch import EndpointWatch
from voicebot.agent.hearing.preemptive_transcription import UNHURRIED, PreemptiveTranscription
from voicebot.agent.hearing.utterance import OpenUtterance, Utterance, tidy
from voicebot.agent.models.endpointing import EndOfTurn, Tail
from voicebot.agent.models.models import Models
from voicebot.agent.thinking.surrogates import repair_surrogates
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
from voicebot.stt.base import Transcription
from voicebot.tasks import cancel
from voicebot.turn.echo import Echo
from voicebot.turn.endpointing.pauses import PauseStatistics
from voicebot.turn.endpointing.policies import EndpointDecision, Endpointing, Pause
from voicebot.turn.endpointing.settings import EndpointingSettings

logger = logging.getLogger(__name__)

INTERIM_EVERY = 0.15
"""Seconds between interim transcripts: captions stay lively and the log small."""


class Listener(Protocol):
    """What `SpeechRecognition` needs of its owner. Times are clock times in seconds."""

    def on_speech_began(self, participant_id: str) -> str:
        """A new utterance begins. Returns the id of its turn."""

    def on_partial(self, participant_id: str, text: str) -> None:
        """There is a newer interim transcript of the current utterance."""

    def on_draft(self, draft: Utterance, expects_more: bool) -> None:
        """The person pauses. `draft` is all that they said if they have finished; its text may be ""."""

    def on_speech_went_on(self, participant_id: str) -> None:
        """The person continues after a pause, so the last draft is outdated."""

    def on_turn_ended(self, participant_id: str) -> None:
        """The turn is over; its final text follows."""

    def on_utterance(self, utterance: Utterance) -> None:
        """An utterance has its final text. Utterances of one person come in order."""

    def await_silence(self, participant_id: str, until: float) -> None:
        """Have the media plane send `SilenceReached` if the silence lasts until then."""

    def detect_echo(self, text: str, start: float, end: float, words: Sequence[Word]) -> Echo:
        """Find the agents' own words in `text`, which was spoken from `start` to `end`."""

    def names(self) -> Sequence[str]:
        """The names of everybody who can be called."""

    def new_id(self, what: str) -> str:
        """Return an id that is unique in the lobby; `what` is its prefix."""


@dataclass(frozen=True)
class RecognitionSettings:
    """How the ends of turns are found; the same for everybody in a conversation."""

    endpointing: Endpointing
    constants: EndpointingSettings = field(default_factory=EndpointingSettings)
    end_of_turn: EndOfTurn | None = None
    """The learned model, if there is one."""
    language: str = ""
    """The language people speak (ISO 639-1), if the settings name it."""
    max_utterance: float = 30.0
    """Seconds after which speech that does not stop is cut. It continues as the next utterance, without
    another `on_speech_began`, and so delays nobody."""


class SpeechRecognition:
    """Turns one person's audio into utterances, once for all agents.

    It is fed with the media plane's notices about that person, in order.
    """

    def __init__(
        self,
        participant_id: str,
        listener: Listener,
        settings: RecognitionSettings,
        *,
        models: Models,
        log: ConversationLog,
        clock: Clock,
    ) -> None:
        self.participant_id = participant_id
        self.statistics = PauseStatistics()
        """How this person pauses, for the length of the conversation."""
        self._listener, self._settings = listener, settings
        self._models, self._log, self._clock = models, log, clock
        self._now: OpenUtterance | None = None
        self._silent_since: float | None = None
        """Clock time of the last speech sample of a turn that a silence ended."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._unfinished: list[OpenUtterance] = []
        self._in_order = asyncio.Lock()

    @property
    def finishing(self) -> bool:
        """Whether something was said that has no final transcript yet."""
        return bool(self._unfinished)

    # ------------------------------------------------------------ notices

    def started(self, notice: media.VoiceActivityStarted) -> None:
        """Handle the start of speech, or its continuation after a pause."""
        current = self._now
        if current is not None:
            self._go_on(current, notice)
            self._emit(SpeechStarted, notice.time, turn_id=current.turn_id)
        else:
            gap = math.inf if self._silent_since is None else notice.time - self._silent_since
            if 0 <= gap <= self._settings.constants.resumed_after:  # the turn was ended too early
                self.statistics.cut_in(gap)
            turn_id = self._listener.on_speech_began(self.participant_id)
            event = self._emit(SpeechStarted, notice.time, turn_id=turn_id)
            current = self._now = self._listen(turn_id, notice.time, event.seq)
        self._silent_since = None
        current.segment_start = current.end = notice.time

    def audio(self, notice: media.SpeechAudio) -> None:
        """Pass samples of the utterance to the recogniser, with silence in place of gaps."""
        current = self._now
        if current is None:
            return
        if notice.time - current.start >= self._settings.max_utterance:
            current = self._cut(current, notice.time)
        current.push(notice)
        self._show_interim(current)

    def stopped(self, notice: media.VoiceActivityStopped) -> None:
        """Handle the start of a pause, which ends the turn if it lasts."""
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
        """Handle silence that has lasted as long as `await_silence` asked."""
        if self._now is not None and self._now.watch is not None:
            self._now.watch.reached(notice.time, notice.probability)

    def lost(self) -> None:
        """End the utterance here, because no more audio will come."""
        current = self._now
        if current is not None:
            if current.watch is None:  # in the middle of a word
                current.end = max(current.end, current.heard_until)
            self._confirm(current, "the connection ended")

    async def settle(self, seconds: float) -> None:
        """Wait at most `seconds` for the final transcripts of what was said."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)

    async def aclose(self) -> None:
        """Discard the current utterance and those without a final transcript."""
        given_up = [*self._unfinished, *([self._now] if self._now is not None else [])]
        self._now = None
        await cancel(self._tasks)
        for current in given_up:
            await current.aclose()

    # ------------------------------------------------------------ listening

    def _listen(self, turn_id: str, start: float, cause_seq: int) -> OpenUtterance:
        model = self._settings.end_of_turn
        tail = Tail() if model is not None and model.wanted else None
        utterance_id, language = self._listener.new_id("utt"), self._settings.language
        current = OpenUtterance(utterance_id, turn_id, start, cause_seq, language, tail, interim_new=start)
        try:
            stt = self._models.stt
            current.stt_name, current.stream = stt.name, stt.stream()
        except Exception as error:  # a third party's STT may raise anything; the lobby goes on
            self._lost_turn(turn_id, cause_seq, error)
        return current

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
        """Use a newer interim transcript for the captions and the end of the turn."""
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
        self._listener.on_partial(self.participant_id, current.interim)

    def _cut(self, current: OpenUtterance, time: float) -> OpenUtterance:
        """Finish what was said so far. The next utterance begins where it ends."""
        current.end, current.cut = time, True
        self._confirm(current, f"{self._settings.max_utterance:g} s without a pause")
        self._now = self._listen(self._listener.new_id("turn"), time, current.cause_seq)
        self._now.segment_start, self._now.end = current.segment_start, time
        return self._now

    # ------------------------------------------------------------ the end of a turn

    def _watch(self, current: OpenUtterance) -> None:
        """Watch a pause that has begun, and prepare for the end of the turn."""
        pause = Pause(
            self.participant_id,
            silence_s=0.0,
            speech_s=current.end - current.start,
            text=current.interim,
            text_lag_s=max(0.0, current.end - current.interim_new) if current.interim else 0.0,
            language=current.language,
            names=tuple(self._listener.names()),
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
            endpointing=self._settings.endpointing,
            clock=self._clock,
            noticeable=self._settings.constants.noticeable,
            await_silence=lambda until: self._listener.await_silence(self.participant_id, until),
            predicted=predicted,
            confirmed=confirmed,
        )
        self._draft(current)

    def _draft(self, current: OpenUtterance) -> None:
        watch, model, tail = current.watch, self._settings.end_of_turn, current.tail

        def on_draft(draft: Transcription) -> None:
            if self._now is not current:
                return  # the turn is over, and its final text follows
            text = self._echo(current, tidy(draft.text), draft).rest
            self._know(current, replace(draft, text=text))
            if watch is not None:  # even if the text is the same, because no word is missing now
                watch.learn(text=text, text_lag_s=0.0, language=current.language)
            # an empty text says that nothing was understood
            utterance = current.utterance(self.participant_id, text, current.stopped_seq)
            self._listener.on_draft(utterance, watch is not None and watch.decision.expects_more)

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
        if not watch.decision.expects_more:  # a pause after "and" is no measure of other pauses
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
        self._listener.on_speech_went_on(self.participant_id)

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
        self._listener.on_turn_ended(self.participant_id)
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
            self._listener.on_utterance(utterance)

    async def _understand(self, current: OpenUtterance, cause_seq: int) -> Utterance:
        result = Transcription("")
        try:
            result = await current.understand()
        except Exception as error:  # a third party's STT may raise anything; the lobby goes on
            self._lost_turn(current.turn_id, cause_seq, error)
        text, seq = tidy(result.text), cause_seq
        echo = self._echo(current, text, result)
        if echo.found:
            result = replace(result, words=tuple(remaining_words(result.words, echo.rest)))
            seq = self._emit(
                EchoIgnored,
                turn_id=current.turn_id,
                cause_seq=cause_seq,
                text=text,
                similarity=round(echo.similarity, 3),
            ).seq
            text = echo.rest
        if text or current.interim:  # an empty final transcript withdraws a wrong interim caption
            seq = self._emit(
                TranscriptFinal,
                turn_id=current.turn_id,
                cause_seq=cause_seq,
                utterance_id=current.utterance_id,
                text=text,
                words=current.words(result, self._log.at),
                language=result.language,
                stt_model=current.stt_name,
                start_t=round(self._log.at(current.start), 3),
                end_t=round(self._log.at(current.end), 3),
            ).seq
        return current.utterance(self.participant_id, text, seq)

    def _echo(self, current: OpenUtterance, text: str, result: Transcription) -> Echo:
        end = current.end if current.watch is not None else current.heard_until
        return self._listener.detect_echo(text, current.start, max(end, current.end), current.words(result))

    def _lost_turn(self, turn_id: str, cause_seq: int, error: Exception) -> None:
        if not isinstance(error, VoicebotError):
            logger.error("Speech recognition failed", exc_info=error)
        why = repair_surrogates(str(error)).strip() or type(error).__name__
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
