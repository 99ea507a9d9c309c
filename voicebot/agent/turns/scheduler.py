"""Decides which agent speaks next, and follows each turn from the question to what people heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from voicebot.agent.agent import Agent
from voicebot.agent.hearing.utterance import Utterance
from voicebot.agent.speaking.speech import Speech
from voicebot.agent.thinking.context import ContextKeeper
from voicebot.agent.thinking.handover import MAX_HANDOFFS, HandoffRequest, HandOver
from voicebot.agent.turns.addressing import AddressingContext
from voicebot.agent.turns.context import ConversationContext
from voicebot.agent.turns.playout import Playout
from voicebot.agent.turns.reply_queue import ReplyQueue, newest_words
from voicebot.agent.turns.speculation import Speculation
from voicebot.agent.turns.turn import Turn, TurnRunner
from voicebot.errors import VoicebotError
from voicebot.events import (
    AddresseeDecided,
    ErrorEvent,
    Event,
    FloorDenied,
    FloorGranted,
    FloorReleased,
    FloorRequested,
    Handoff,
)
from voicebot.turn.addressing.addressees import Addressees
from voicebot.turn.floor import Denial, Floor

logger = logging.getLogger(__name__)

SETTLE_S = 2.0
"""Seconds to wait until the media plane reports the end of a stopped speech."""


class TurnScheduler:
    """Runs one turn at a time. Whoever changes what the next turn depends on calls `next`.

    Args:
        settled: Returns whether all that people said has been transcribed.
    """

    def __init__(
        self, context: ConversationContext, addressing: AddressingContext, settled: Callable[[], bool]
    ) -> None:
        self._context, self._addressing, self._settled = context, addressing, settled
        self._agents, self._log, self._new_id = context.agents, context.log, context.new_id
        self._runner = TurnRunner(context)
        self._keeper = ContextKeeper(context.agents, context.models, context.log.emit, context.clock)
        self.floor = Floor(context.settings.chain_cap, context.settings.chain_fade)
        self.playout = Playout(context)
        self.replies = ReplyQueue()
        self.speculation = Speculation(context, self._runner, self.playout, self._start_task)
        self.turn: Turn | None = None
        """The turn that holds the floor."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def greet(self, agent: Agent) -> None:
        """Let the agent introduce itself as soon as nobody speaks, unless it answers somebody first."""
        if (text := agent.persona.greeting) and not self._closing:
            self.replies.greetings.append(
                self._new_turn(agent, self._new_id("turn"), text=text, greeting=True)
            )
            self.next()

    def drop(self, agent_id: str, reason: str) -> None:
        """Silence an agent: stop what it is saying and drop what it was about to say."""
        self.replies.drop_agent(agent_id)
        self.speculation.cancel(reason, agent_id=agent_id)
        if self.turn is not None and self.turn.agent.id == agent_id:
            self.turn.cancel()

    def withdraw_unheard(self, participant_id: str) -> str | None:
        """Withdraw an answer that nobody has heard yet, because a person has started to speak.

        Returns the id of that turn if it answered this person, whose words then belong to the same turn.
        """
        self.speculation.cancel("somebody else speaks")
        turn = self.turn
        if turn is None or turn.audible:
            return None
        turn.superseded = True
        turn.cancel()
        theirs = turn.asked and turn.asked[-1].participant_id == participant_id
        return turn.turn_id if theirs else None

    def prepare(self, draft: Utterance) -> None:
        """Prepare an answer to `draft`, which is all that the person said if they have finished."""
        if not self._may_speculate(draft):
            return
        ids = self._addressing.decide(newest_words([draft]), draft.participant_id, remember=False).ids
        if not ids or (agent := self._agents[ids[0]]).muted:
            return
        turn = self._new_turn(agent, draft.turn_id, asked=[draft])
        name = self._addressing.name(draft.participant_id)
        self.speculation.start(turn, draft, name, self._addressing.people, self._addressing.others(agent))

    def media_gone(self) -> None:
        """End every playout, because the media process died."""
        self.speculation.cancel("the media process stopped")
        for turn in self.playout.turns:
            # a turn without audio so far can go on, and a prepared one was cancelled above
            if turn.speech.said and turn.committed.is_set():
                self.playout.abandon(turn)
                turn.cancel()
                # a sentence that was synthesized meanwhile may have reached the new process
                self._context.stop(turn.speech)

    async def close(self) -> None:
        """Stop all speech, wait until its last words are logged, and end every task."""
        self._closing = True
        self.playout.remembering = False
        self.replies.clear()
        self.speculation.cancel("the conversation is over")
        if self.turn is not None:
            self.turn.cancel()
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))
        await self._keeper.aclose()

    # ------------------------------------------------------------ whose turn it is

    def next(self) -> None:
        """Start the next turn if the floor is free."""
        if self._closing or self.turn is not None or not self._context.models.started:
            return
        if self.floor.speaking:
            return  # the end of that utterance calls this again
        replies = self.replies
        if not self._addressing.has_audience:
            replies.drop_unasked()
        # an answer reaches those who hear, and those who have written and read the chat
        if replies.unanswered and (
            self._addressing.has_audience
            or any(u.typed and self._addressing.is_here(u.participant_id) for u in replies.unanswered)
        ):
            self._decide()
        # agents speak unasked only when all that people said has been transcribed
        settled = self._settled()
        while replies.answers and self.turn is None and (settled or not replies.answers[0].reply_to_agent):
            self._begin(replies.answers.popleft())
        settled = settled and self._addressing.has_audience and not replies.answers
        while replies.greetings and self.turn is None and settled:
            self._begin(replies.greetings.popleft())
        if self.turn is None:
            self._keeper.consider()
            for agent in self._agents.values():
                agent.set_state("idle")

    def _decide(self) -> None:
        """Choose an agent for each person who asked. Agents answer all who mean them in one turn."""
        asked, self.replies.unanswered = self.replies.unanswered, []
        people = dict.fromkeys(u.participant_id for u in asked)
        answers: dict[str, str] = {}
        causes: dict[str, int] = {}
        may_add: dict[str, Sequence[str]] = {}
        for person in people:
            words = [u for u in asked if u.participant_id == person]
            decision = self._addressing.decide(newest_words(words), person)
            event = self._log_addressees(decision, person, words[-1].turn_id, words[-1].cause_seq)
            for agent_id in decision.ids:
                answers.setdefault(person, agent_id)
                causes[agent_id] = event.seq
            if decision.ids:
                may_add[decision.ids[-1]] = decision.may_add
        for agent_id, cause in causes.items():
            words = [u for u in asked if answers.get(u.participant_id) == agent_id]
            turn_id = words[-1].turn_id if words else self._new_id("turn")
            names = dict.fromkeys(self._addressing.name(u.participant_id) for u in words)
            self.replies.answers.append(
                self._new_turn(
                    self._agents[agent_id],
                    turn_id,
                    asked=words,
                    to=tuple(names) if len(people) > 1 else (),
                    cause_seq=cause,
                    may_add=may_add.get(agent_id, ()),
                )
            )

    def _log_addressees(
        self, decision: Addressees, speaker: str, turn_id: str, cause_seq: int | None
    ) -> Event:
        return self._log.emit(
            AddresseeDecided(
                participant_id=speaker,
                turn_id=turn_id,
                cause_seq=cause_seq,
                participant_ids=list(decision.ids),
                confidence=decision.confidence,
                reason=decision.reason,
            )
        )

    def _begin(self, turn: Turn) -> None:
        if turn.agent.id not in self._agents:
            return
        if turn.agent.muted:
            denial: Denial | None = Denial.MUTED
        else:
            denial = self.floor.request(turn.agent.id, reply_to_agent=turn.reply_to_agent, adding=turn.adding)
        if denial is None:
            turn = self.speculation.take(turn) or turn
        requested = self._emit(FloorRequested, turn, cause_seq=turn.cause_seq)
        if denial is not None:
            self._emit(FloorDenied, turn, reason=denial.value, cause_seq=requested.seq)
            return
        granted = self._emit(FloorGranted, turn, cause_seq=requested.seq)
        self.replies.drop_greeting(turn.agent.id)  # an agent that has spoken need not introduce itself
        turn.cause_seq = granted.seq
        self.turn = turn
        self.playout.begin(turn)
        for agent in self._agents.values():
            agent.set_state("thinking" if agent is turn.agent else "idle")
        if turn.task is None:
            turn.task = asyncio.get_running_loop().create_task(
                self._runner.perform(turn, self._addressing.people, self._addressing.others(turn.agent)),
                name=f"turn {turn.turn_id} of {turn.agent.name}",
            )
        self.speculation.commit(turn)
        self._start_task(self._follow(turn, turn.task), f"follow {turn.turn_id} of {turn.agent.name}")

    async def _follow(self, turn: Turn, task: asyncio.Task[None]) -> None:
        """Wait for the end of the turn's task, however it ends, then release the floor."""
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report_failure(turn, error)
        speech = turn.speech
        if speech.said and not speech.closed.is_set():
            self._context.stop(speech)
            try:
                async with asyncio.timeout(SETTLE_S):
                    await speech.closed.wait()
            except TimeoutError:
                self.playout.abandon(turn)
        elif not speech.said:
            self.playout.close_without_audio(turn, cancelled=task.cancelled())
        self._finish(turn)

    def _finish(self, turn: Turn) -> None:
        self.playout.forget(turn)
        self.turn = None
        if not turn.audible:
            self.playout.measure(turn)
        if self.floor.release(turn.agent.id):
            self._emit(FloorReleased, turn)
        heard = turn.speech.result.text if turn.speech.result is not None else ""
        if heard:
            self._addressing.answered(turn.agent.id, [u.participant_id for u in turn.asked], heard)
        if turn.superseded and turn.asked:
            self.replies.ask_again(turn.asked)
        elif turn.superseded and (turn.greeting or not (turn.adding or self.replies.unanswered)):
            # nobody asked for it, so it is said when there is silence again
            again = self._new_turn(
                turn.agent,
                turn.turn_id,
                text=turn.text,
                greeting=turn.greeting,
                reply_to_agent=turn.reply_to_agent,
            )
            (self.replies.greetings if turn.greeting else self.replies.answers).appendleft(again)
        elif turn.task is None or not turn.task.cancelled():
            if (handed := turn.hand_over.handed if turn.hand_over is not None else None) is not None:
                self._hand_over(turn, handed)
            elif heard:
                self._chain(turn, heard)
        if turn.agent.id in self._agents and not self._closing:
            turn.agent.set_state("listening" if self.floor.speaking else "idle")
        self.next()

    def _hand_over(self, turn: Turn, handed: HandoffRequest) -> None:
        """Let another agent answer the same words in the same turn, so the wait is measured as a whole."""
        agent = self._agents.get(handed.to)
        fields: dict[str, Any] = {"asked": turn.asked, "to": turn.to, "reply_to_agent": turn.reply_to_agent}
        if agent is None or agent.muted:  # it left or was muted meanwhile: the first one answers after all
            again = self._new_turn(
                turn.agent, turn.turn_id, hops=MAX_HANDOFFS, cause_seq=turn.cause_seq, **fields
            )
        else:
            event = self._emit(
                Handoff,
                turn,
                to_participant_id=agent.id,
                reason=handed.why,
                utterance_ids=[utterance.utterance_id for utterance in turn.asked],
            )
            fields |= {"hops": turn.hops + 1, "handed": handed, "cause_seq": event.seq}
            again = self._new_turn(agent, turn.turn_id, **fields)
        self.replies.answers.appendleft(again)

    def _chain(self, turn: Turn, heard: str) -> None:
        """Let an agent answer that was asked by this one, or add to an answer to all."""
        if turn.greeting or len(self._agents) < 2 or self.replies.unanswered or self.replies.answers:
            return
        decision = self._addressing.decide(heard, turn.agent.id)
        if decision.ids:
            event = self._log_addressees(decision, turn.agent.id, turn.turn_id, None)
            other = self._agents[decision.ids[0]]
            self.replies.answers.append(
                self._new_turn(other, self._new_id("turn"), reply_to_agent=True, cause_seq=event.seq)
            )
            return
        here = [agent_id for agent_id in turn.may_add if agent_id in self._agents]
        if here and self.floor.goes_on(adding=True):
            self.replies.answers.append(
                self._new_turn(
                    self._agents[here[0]],
                    self._new_id("turn"),
                    reply_to_agent=True,
                    adding=True,
                    may_add=here[1:],
                )
            )

    def _report_failure(self, turn: Turn, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not isinstance(error, VoicebotError):
            logger.error("A turn of %s failed", turn.agent.name, exc_info=error)
        self._emit(
            ErrorEvent,
            turn,
            code=getattr(error, "code", "internal"),
            message=f"{turn.agent.name} could not answer: {error}",
            retryable=True,
        )

    # ------------------------------------------------------------ inside

    def _may_speculate(self, draft: Utterance) -> bool:
        """Whether an answer to `draft` would be given at once; only then it is worth preparing."""
        return (
            self._context.settings.speculate
            and bool(draft.text)
            and self.turn is None
            and self._context.models.started
            and not self._closing
            and self.floor.speaking <= {draft.participant_id}
            and not (self.replies.unanswered or self.replies.answers)
            and not self.replies.goes_on(draft.participant_id)
            and self._addressing.has_audience
        )

    def _new_turn(self, agent: Agent, turn_id: str, **fields: Any) -> Turn:
        speech = Speech(self._new_id("speech"), agent.id, turn_id, self._new_id("utt"))
        turn = Turn(agent, turn_id, speech, **fields)
        others = {a.name: a.id for a in self._agents.values() if a is not agent and not a.muted}
        if others and turn.asked and turn.hops < MAX_HANDOFFS:
            turn.hand_over = HandOver(agent.name, others)
        return turn

    def _emit(self, kind: type[Event], turn: Turn, **fields: Any) -> Event:
        return self._log.emit(turn.event(kind, **fields))

    def _start_task(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s failed", task.get_name(), exc_info=task.exception())
