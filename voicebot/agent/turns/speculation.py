"""Prepare an answer before it is certain that the person has finished.

At the first short pause, the language model answers the words so far, the first sentence is synthesized, and
the media plane holds it. If the person has finished, the answer is heard at once. If they continue, it is
discarded, and nobody has heard it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from voicebot.agent.hearing.utterance import Utterance
from voicebot.agent.thinking.data import label
from voicebot.agent.thinking.memory import Remembered
from voicebot.agent.turns.context import ConversationContext
from voicebot.agent.turns.playout import Playout
from voicebot.agent.turns.turn import Turn, TurnRunner
from voicebot.events import SpeculationCancelled, SpeculationCommitted, SpeculationStarted

logger = logging.getLogger(__name__)

StartTask = Callable[[Coroutine[Any, Any, None], str], None]
"""Starts a task of this name, which its owner keeps."""


@dataclass
class _Prepared:
    turn: Turn
    draft: Utterance
    began: float
    cause_seq: int


class Speculation:
    """Prepares at most one answer of a conversation at a time, and logs the cost of a discarded one."""

    def __init__(
        self, context: ConversationContext, runner: TurnRunner, playout: Playout, start_task: StartTask
    ) -> None:
        self._context, self._log, self._clock = context, context.log, context.clock
        self._runner, self._playout, self._start_task = runner, playout, start_task
        self._prepared: _Prepared | None = None

    def start(
        self, turn: Turn, draft: Utterance, name: str, people: Sequence[str], agents: Sequence[str]
    ) -> None:
        """Prepare `turn` as the answer to `draft`, in place of any other prepared answer."""
        self.cancel("the words have changed")
        event = self._log.emit(turn.event(SpeculationStarted, text=draft.text))
        turn.cause_seq = event.seq
        self._prepared = _Prepared(turn, draft, self._clock(), event.seq)
        self._playout.begin(turn)
        line = Remembered(label(name), " ".join(draft.text.split()), draft.start)
        turn.task = asyncio.get_running_loop().create_task(
            self._runner.perform(turn, people, agents, line),
            name=f"prepare {turn.turn_id} of {turn.agent.name}",
        )

    def take(self, wanted: Turn) -> Turn | None:
        """Return the prepared turn if it answers the same words as `wanted`; otherwise discard it."""
        prepared = self._prepared
        if prepared is None:
            return None
        turn = prepared.turn
        if turn.agent is not wanted.agent:
            reason = "somebody else is meant"
        elif wanted.to or [_plain(u.text) for u in wanted.asked] != [_plain(prepared.draft.text)]:
            reason = "the words have changed"
        elif turn.task is not None and turn.task.done():
            reason = "it failed"
        else:
            reason = ""
        if reason:
            self.cancel(reason)
            return None
        self._prepared = None
        turn.asked, turn.may_add, turn.cause_seq = wanted.asked, wanted.may_add, wanted.cause_seq
        self._log.emit(turn.event(SpeculationCommitted, cause_seq=wanted.cause_seq))
        return turn

    def commit(self, turn: Turn) -> None:
        """Let people hear this turn."""
        turn.committed.set()
        if turn.speech.said:
            self._context.resume(turn.speech)

    def cancel(self, reason: str, *, participant_id: str | None = None, agent_id: str | None = None) -> None:
        """Discard the prepared answer. With an id, only if it is for that person or by that agent."""
        prepared = self._prepared
        if (
            prepared is None
            or participant_id not in (None, prepared.draft.participant_id)
            or agent_id not in (None, prepared.turn.agent.id)
        ):
            return
        self._prepared = None
        turn = prepared.turn
        turn.cancel()
        self._start_task(self._log_cost(prepared, reason), f"discard {turn.turn_id} of {turn.agent.name}")

    async def _log_cost(self, prepared: _Prepared, reason: str) -> None:
        turn, spent = prepared.turn, self._clock() - prepared.began
        if turn.task is not None:
            await asyncio.wait({turn.task})
            if not turn.task.cancelled() and (error := turn.task.exception()) is not None:
                logger.warning("A prepared answer failed: %r", error)
        self._playout.forget(turn)
        if turn.speech.said:
            self._context.stop(turn.speech)
        self._log.emit(
            turn.event(
                SpeculationCancelled,
                reason=reason,
                seconds=round(spent, 3),
                written=turn.written,
                characters=sum(len(piece.text) for piece in turn.speech.pieces),
                audio_s=round(sum(piece.queued_s for piece in turn.speech.pieces), 3),
                cause_seq=prepared.cause_seq,
            )
        )


def _plain(text: str) -> str:
    """The words alone, because a final transcript may differ in punctuation."""
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text.casefold()).split())
