"""Turns the media plane's notices about playout into events, captions and memories."""

from __future__ import annotations

from typing import Any

from voicebot.agent.hearing.echoes import Echoes
from voicebot.agent.turns.context import ConversationContext
from voicebot.agent.turns.turn import Turn
from voicebot.conversation.frames.latency import measure
from voicebot.events import (
    Event,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutSentence,
    PlayoutStarted,
    TranscriptFinal,
    TranscriptInterim,
)
from voicebot.media import base as media

PlayoutNotice = (
    media.PlayoutAudible | media.PlayoutMark | media.PlayoutHeld | media.PlayoutResumed | media.PlayoutEnded
)


class Playout:
    """The speeches of one conversation that are being played, or about to be."""

    def __init__(self, context: ConversationContext) -> None:
        self._log, self._agents, self._clock = context.log, context.agents, context.clock
        self._speeches: dict[str, Turn] = {}
        self.echoes = Echoes()
        """Recent speech of agents, to recognise its echo."""
        self.remembering = True
        """False after the conversation has ended, when the agents' memories belong to the next one."""

    @property
    def turns(self) -> list[Turn]:
        """The turns whose speech is being played, or about to be."""
        return list(self._speeches.values())

    def begin(self, turn: Turn) -> None:
        """Follow the notices about this turn's speech from now on."""
        self._speeches[turn.speech.speech_id] = turn

    def forget(self, turn: Turn) -> None:
        """Ignore further notices about this turn's speech."""
        self._speeches.pop(turn.speech.speech_id, None)

    def turn_of(self, notice: PlayoutNotice) -> Turn | None:
        """The turn that a notice is about; None if it is over or of another conversation."""
        turn = self._speeches.get(notice.speech_id)
        return turn if turn is not None and not turn.speech.closed.is_set() else None

    def on_notice(self, notice: PlayoutNotice) -> bool:
        """Handle a notice. Returns False if it concerns no speech of this conversation."""
        if notice.speech_id not in self._speeches:
            return False
        if (turn := self.turn_of(notice)) is not None:
            match notice:
                case media.PlayoutAudible():
                    self._started(turn, notice)
                case media.PlayoutMark():
                    self._marked(turn, notice)
                case media.PlayoutHeld():
                    self.echoes.stopped(turn.speech, notice.time)
                case media.PlayoutResumed():
                    self.echoes.went_on(turn.speech, notice.time)
                case media.PlayoutEnded():
                    self.echoes.stopped(turn.speech, notice.time)
                    self._ended(turn, notice)
        return True

    def abandon(self, turn: Turn) -> None:
        """Close a speech of which the media plane has not reported the end."""
        speech = turn.speech
        if speech.closed.is_set():
            return
        played = speech.passed()
        result = speech.close(played, complete=False)
        self._emit(
            PlayoutInterrupted,
            turn,
            planned_text=speech.planned,
            heard_text=result.text,
            heard_until_s=sum(seconds for seconds, _ in played.values()),
        )
        self._remember(turn, result.text, interrupted=True, end=self._clock())

    def close_without_audio(self, turn: Turn, *, cancelled: bool) -> None:
        """Close a speech without audio. It becomes a caption, unless the turn was cancelled."""
        if turn.speech.pieces and not cancelled:
            turn.speech.close({}, complete=True)
            self._remember(turn, turn.speech.planned, interrupted=False, end=self._clock())
        turn.speech.closed.set()

    def measure(self, turn: Turn) -> None:
        """Log the latency of an answer when people hear it, or when it was cancelled before they could."""
        if not turn.asked:  # nobody waited for it, for example for a greeting
            return
        latency = measure(self._log.events, turn.turn_id, turn.speech.speech_id)
        if latency is not None:
            self._log.emit(latency)

    def _started(self, turn: Turn, notice: media.PlayoutAudible) -> None:
        turn.speech.started = notice.time
        turn.agent.set_state("speaking")
        self._emit(PlayoutStarted, turn, t=self._log.at(notice.time))
        self.measure(turn)

    def _marked(self, turn: Turn, notice: media.PlayoutMark) -> None:
        speech = turn.speech
        if notice.index >= len(speech.pieces):
            return
        piece = speech.pieces[notice.index]
        piece.marked = True
        self.echoes.began(speech, piece, notice.time)
        self._emit(PlayoutSentence, turn, t=self._log.at(notice.time), index=notice.index, text=piece.text)
        self._emit(
            TranscriptInterim,
            turn,
            utterance_id=speech.utterance_id,
            text=speech.shown(),
            start_t=self._start_t(turn),
        )

    def _ended(self, turn: Turn, notice: media.PlayoutEnded) -> None:
        speech = turn.speech
        if not turn.committed.is_set():  # it was prepared in vain, and nobody heard it
            turn.cancel()
            return
        # a media process that died cannot say what it played, but it announced its sentences
        result = speech.close(notice.pieces or speech.passed(), notice.complete)
        self._emit(
            PlayoutFinished if notice.complete else PlayoutInterrupted,
            turn,
            t=self._log.at(notice.time),
            planned_text=speech.planned,
            heard_text=result.text,
            heard_until_s=notice.played,
            cause_seq=turn.interruption.seq if turn.interruption is not None else None,
        )
        self._remember(turn, result.text, interrupted=not notice.complete, end=notice.time)
        if not notice.complete:
            turn.cancel()

    def _remember(self, turn: Turn, text: str, *, interrupted: bool, end: float) -> None:
        """Write what was heard into the caption and every agent's memory."""
        if not text and not turn.audible:
            return
        speech = turn.speech
        self._emit(
            TranscriptFinal,
            turn,
            utterance_id=speech.utterance_id,
            text=text,
            start_t=self._start_t(turn),
            end_t=round(self._log.at(end), 3),
            language=turn.agent.persona.language,
            interrupted=interrupted,
        )
        if not self.remembering:
            return
        began = speech.started if speech.started is not None else end
        for agent in self._agents.values():
            if agent is turn.agent:
                agent.memory.said(text, began)
            else:
                agent.memory.heard_agent(turn.agent.name, text, began)

    def _emit(self, kind: type[Event], turn: Turn, **fields: Any) -> None:
        self._log.emit(turn.event(kind, **fields))

    def _start_t(self, turn: Turn) -> float:
        started = turn.speech.started
        return round(self._log.at(started if started is not None else self._clock()), 3)
