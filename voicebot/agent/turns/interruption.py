"""Decide whether speech over an agent interrupts it, or whether the agent continues where it was held."""

from __future__ import annotations

from collections.abc import Callable, Collection

from voicebot.agent.turns.context import ConversationContext
from voicebot.agent.turns.turn import Turn
from voicebot.events import (
    InterruptionBackchannel,
    InterruptionDetected,
    InterruptionFalse,
    InterruptionResumed,
)
from voicebot.media import base as media
from voicebot.turn.interruption import OverlapKind, classify_overlap


class InterruptionHandler:
    """Judges speech over an agent by its words.

    The media plane holds the agent's speech after somebody has talked over it for `interrupt_after` seconds.
    A recognised word holds it at once; it does not end it, because a partial transcript may be wrong. At the
    first pause the words are known. Then the speech ends, or it resumes if nobody said more than "uh-huh".
    The end of every utterance is judged, so no speech is held forever.

    Args:
        speaking: Returns the people who are speaking now.
    """

    def __init__(self, context: ConversationContext, speaking: Callable[[], Collection[str]]) -> None:
        self._context, self._log, self._speaking = context, context.log, speaking
        self._harmless: set[str] = set()
        """People whose current utterance, as far as it is known, is only a sign that they listen."""

    def on_notice(self, turn: Turn, notice: media.PlayoutHeld | media.PlayoutResumed) -> None:
        """Handle a notice that the media plane has held or resumed the speech of this turn."""
        if isinstance(notice, media.PlayoutHeld):
            turn.agent.set_state("listening")
            self._log_detected(turn, notice.by, notice.time)
            self._harmless.discard(notice.by)
            return
        turn.agent.set_state("speaking")
        cause, turn.interruption = turn.interruption, None
        self._log.emit(
            turn.event(
                InterruptionResumed,
                t=self._log.at(notice.time),
                cause_seq=cause.seq if cause is not None else None,
            )
        )

    def judge(self, turn: Turn | None, participant_id: str, text: str, *, over: bool) -> bool:
        """Judge what a person has said so far; `over` means that they paused or have finished.

        Returns True if the words need no answer.
        """
        if turn is None or turn.speech.closed.is_set() or not (turn.audible or turn.interruption):
            return False
        verdict = classify_overlap(text)
        if verdict is OverlapKind.INTERRUPTION:
            if over:
                self._stop(turn, participant_id)
            elif turn.interruption is None:
                self._context.hold(turn.speech, participant_id)
            return False
        if over and participant_id not in self._harmless:
            self._harmless.add(participant_id)
            self._resume(turn, participant_id, text)
        return True

    def on_speech_went_on(self, participant_id: str) -> None:
        """Judge the person's words again, because they continue to speak."""
        self._harmless.discard(participant_id)

    def _stop(self, turn: Turn, participant_id: str) -> None:
        if turn.interruption is None:
            self._log_detected(turn, participant_id, None)
        self._context.stop(turn.speech)

    def _resume(self, turn: Turn, participant_id: str, text: str) -> None:
        kind = InterruptionBackchannel if text.strip() else InterruptionFalse
        if turn.interruption is None:
            if kind is InterruptionBackchannel:  # a noise that held nothing is not worth an event
                self._log.emit(turn.event(kind, participant_id=participant_id, text=text))
            return
        if not set(self._speaking()) <= self._harmless:
            return  # somebody else speaks, too; this is judged again when they stop
        fields = {"text": text} if text.strip() else {}
        turn.interruption = self._log.emit(
            turn.event(kind, participant_id=participant_id, cause_seq=turn.interruption.seq, **fields)
        )
        self._context.resume(turn.speech)

    def _log_detected(self, turn: Turn, participant_id: str, time: float | None) -> None:
        turn.interruption = self._log.emit(
            turn.event(
                InterruptionDetected,
                participant_id=participant_id,
                t=-1.0 if time is None else self._log.at(time),
            )
        )
