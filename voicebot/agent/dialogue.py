"""One conversation of a lobby: its turns, from what people said to what the agents do about it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from voicebot.agent.agent import Agent
from voicebot.agent.company import Company
from voicebot.agent.ears import Ears, Utterance
from voicebot.agent.endpointing import EndOfTurn, constants_of, endpointing_of
from voicebot.agent.models import Models
from voicebot.agent.playout import Playout
from voicebot.agent.recordings import Recordings
from voicebot.agent.speech import Speech
from voicebot.agent.turns import Turn, TurnRunner
from voicebot.clock import Clock
from voicebot.conversation.log import ConversationLog
from voicebot.errors import VoicebotError
from voicebot.events import (
    AddresseeDecided,
    ErrorEvent,
    Event,
    FloorDenied,
    FloorGranted,
    FloorReleased,
    FloorRequested,
    InterruptionBackchannel,
    InterruptionFalse,
    InterruptionResumed,
)
from voicebot.lobby.lobby import Lobby
from voicebot.media import base as media
from voicebot.settings import Settings
from voicebot.turn import Addressees, Denial, Floor, is_backchannel

logger = logging.getLogger(__name__)

SETTLE_S = 2.0
"""Seconds to wait for the media plane's last word about a stopped speech."""
LONGEST_CALL = 4000
"""Characters, the newest, that are searched for whom they are for; a flood of lines may be megabytes."""


class Dialogue:
    """Lives from the first person's arrival to the last one's leaving; has its own floor and log."""

    def __init__(
        self,
        *,
        lobby: Lobby,
        log: ConversationLog,
        agents: Mapping[str, Agent],
        plane: media.MediaPlane,
        host_id: str,
        models: Models,
        settings: Settings,
        clock: Clock,
        new_id: Callable[[str], str],
        greeted: bool = False,
    ) -> None:
        """`greeted`: those who are here have been welcomed before."""
        self.log = log
        self._agents, self._plane, self._host_id = agents, plane, host_id
        self._max_utterance = settings.max_utterance
        self._models, self._clock, self._new_id = models, clock, new_id
        self.endpointing = endpointing_of(settings)
        self._constants, self._language = constants_of(settings), settings.stt_language
        self._end_of_turn = EndOfTurn(lambda: models.end_of_turn, log.emit)
        self.floor = Floor()
        self.playout = Playout(log, agents, clock)
        self.company = Company(lobby, agents, clock)
        self.recordings = Recordings(log, plane, host_id, name=self.company.name)
        self._runner = TurnRunner(plane, host_id, models, log.emit, llm_timeout=settings.llm_timeout)
        self._ears: dict[str, Ears] = {}
        self._turn: Turn | None = None
        self._queue: deque[Turn] = deque()
        self._greetings: deque[Turn] = deque()
        """Said when nobody speaks and nobody waits for anything."""
        self._unanswered: list[Utterance] = []
        self._going_on: dict[str, list[Utterance]] = {}
        """What people have said who do not stop; it is answered when they do."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._greeted = greeted

    # ------------------------------------------------------------ what happens in the lobby

    def connected(self, participant_id: str) -> None:
        """A person can hear now; the first one is greeted, and what waited for ears is said."""
        self.company.connected(participant_id)
        agent = next((agent for agent in self._agents.values() if not agent.muted), None)
        if not self._greeted and agent is not None:
            self.greet(agent)
        self._next()

    def ready(self) -> None:
        """The models are loaded: what waited for them is answered."""
        self._next()

    def greet(self, agent: Agent) -> None:
        """The agent introduces itself as soon as nobody speaks, unless it is asked something before."""
        self._greeted = True
        if (text := agent.persona.greeting) and not self._closing:
            self._greetings.append(self._new_turn(agent, self._new_id("turn"), text=text, greeting=True))
            self._next()

    def chat(self, participant_id: str, text: str, cause_seq: int | None) -> None:
        """A typed line is answered like a spoken one."""
        now = self._clock()
        self._on_heard(
            Utterance(
                participant_id,
                self._new_id("utt"),
                self._new_id("turn"),
                text.strip(),
                now,
                now,
                cause_seq,
                typed=True,
            )
        )

    def muted(self, agent: Agent) -> None:
        """The agent is to be silent: what it says ends here, what it was about to say is dropped."""
        self._queue = deque(turn for turn in self._queue if turn.agent is not agent)
        self._drop_greeting(agent.id)
        if self._turn is not None and self._turn.agent is agent:
            self._turn.cancel()

    def left(self, participant_id: str) -> None:
        """A person or an agent is gone."""
        self.connection_lost(participant_id)
        self.company.left(participant_id)
        self._going_on.pop(participant_id, None)
        self._queue = deque(turn for turn in self._queue if turn.agent.id != participant_id)
        self._drop_greeting(participant_id)
        if self._turn is not None and self._turn.agent.id == participant_id:
            self._turn.cancel()

    def connection_lost(self, participant_id: str) -> None:
        """What the person was saying ends here; they are not spoken to until they are back."""
        if participant_id not in self._agents:
            self.company.connection_lost(participant_id)
        if (ears := self._ears.get(participant_id)) is not None:
            ears.lost()

    def media_gone(self) -> None:
        """Every playout is over without a notice."""
        for participant_id in self.company.people_ids:
            self.connection_lost(participant_id)
        for turn in self.playout.turns:
            if turn.speech.said:  # one that still thinks can go on
                self.playout.abandon(turn)
                turn.cancel()
                # a sentence made in the meantime may have reached the new worker
                self._plane.stop(self._host_id, turn.agent.id, turn.speech.speech_id)

    async def close(self) -> None:
        """Stop what is spoken, let its last words be logged, end every task."""
        self._closing = True
        self.playout.remembering = False
        self._queue.clear()
        self._greetings.clear()
        self._unanswered.clear()
        if self._turn is not None:
            self._turn.cancel()
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))
        for ears in self._ears.values():
            ears.lost()
            await ears.settle(SETTLE_S)
            await ears.aclose()

    # ------------------------------------------------------------ notices

    def on_notice(self, notice: media.Notice) -> bool:
        """A notice about hearing or playout; False when it is not for this conversation."""
        match notice:
            case media.SpeechStarted():
                self.company.connected(notice.participant_id)
                self._ears_of(notice.participant_id).started(notice)
            case media.SpeechAudio():
                self._ears_of(notice.participant_id).audio(notice)
            case media.SpeechStopped():
                self._ears_of(notice.participant_id).stopped(notice)
            case media.SilenceReached():
                self._ears_of(notice.participant_id).silence(notice)
            case media.PlayoutStarted() | media.PlayoutMark() | media.PlayoutEnded():
                return self.playout.on_notice(notice)
            case media.RecordingFailed():
                return self.recordings.on_failed(notice)
            case _:
                return False
        return True

    # ------------------------------------------------------------ people

    def _ears_of(self, participant_id: str) -> Ears:
        if participant_id not in self._ears:
            self._ears[participant_id] = Ears(
                participant_id,
                models=self._models,
                endpointing=self.endpointing,
                log=self.log,
                clock=self._clock,
                new_id=self._new_id,
                begin=self._on_begin,
                ended=self._on_end_of_turn,
                heard=self._on_heard,
                await_silence=partial(self._plane.await_silence, self._host_id, participant_id),
                end_of_turn=self._end_of_turn,
                constants=self._constants,
                names=lambda: [agent.name for agent in self._agents.values()],
                language=self._language,
                max_utterance=self._max_utterance,
            )
        return self._ears[participant_id]

    def _on_begin(self, participant_id: str) -> str:
        """A person begins to speak. An answer nobody has heard yet waits for what is said now."""
        self.floor.human_started(participant_id)
        self.company.name(participant_id)
        turn = self._turn
        turn_id = self._new_id("turn")
        if turn is not None and not turn.audible:
            if turn.asked and turn.asked[-1].participant_id == participant_id:
                turn_id = turn.turn_id  # the same turn goes on
            self._supersede(turn)
        for agent in self._agents.values():
            if agent.state in ("idle", "thinking"):
                agent.become("listening")
        return turn_id

    def _on_end_of_turn(self, participant_id: str) -> None:
        self.floor.human_stopped(participant_id)

    def _on_heard(self, utterance: Utterance) -> None:
        if self._closing:
            return  # logged, and nobody is left to answer
        interrupted = self.playout.interrupted_by(utterance.participant_id)
        before = [] if utterance.typed else self._going_on.pop(utterance.participant_id, [])
        if not utterance.text:
            if utterance.going_on or before:
                self._keep(before, utterance)
            elif interrupted is not None:
                self._resume(interrupted, utterance)
        else:
            name = self.company.name(utterance.participant_id)
            for agent in self._agents.values():
                agent.memory.heard(name, utterance.text, utterance.start)
            if utterance.going_on and not self.company.called(utterance.text, utterance.participant_id):
                self._keep([*before, utterance], utterance)
            elif (over := self._backchannel(utterance)) is not None:
                self.log.emit(
                    InterruptionBackchannel(
                        participant_id=utterance.participant_id,
                        turn_id=utterance.turn_id,
                        speech_id=over.speech.speech_id,
                        text=utterance.text,
                    )
                )
            else:
                # a person's words come before what agents still wanted to say, not before other people's
                if self._queue:
                    waiting = [earlier for turn in self._queue for earlier in turn.asked]
                    self._queue.clear()
                    self._unanswered = [*waiting, *self._unanswered]
                self._unanswered += [*before, utterance]
        self._next()

    def _keep(self, said: list[Utterance], last: Utterance) -> None:
        """Speech that does not stop is no question yet; once it has stopped it is."""
        if last.going_on:
            self._going_on[last.participant_id] = said[-3:]
        else:
            self._unanswered += said

    def _resume(self, turn: Turn, utterance: Utterance) -> None:
        """It was only a noise: the agent says what it had not been able to say.

        That is what was written until then; the model was stopped at once, since most
        interruptions are real, and what it had not written yet is lost.
        """
        false = self._emit(InterruptionFalse, turn, participant_id=utterance.participant_id)
        unheard = turn.speech.result.unheard if turn.speech.result is not None else ""
        rest = " ".join([unheard, *turn.written[len(turn.speech.pieces) :]]).strip()
        if rest and turn.agent.id in self._agents and not self._unanswered:
            self._emit(InterruptionResumed, turn, cause_seq=false.seq)
            self._queue.appendleft(
                self._new_turn(
                    turn.agent, turn.turn_id, text=rest, greeting=turn.greeting, cause_seq=false.seq
                )
            )

    def _backchannel(self, utterance: Utterance) -> Turn | None:
        """The speech that goes on while somebody says nothing but "uh-huh"; who types wants an answer."""
        turn = self._turn
        if turn is None or not turn.audible or turn.speech.closed.is_set() or utterance.typed:
            return None
        return turn if is_backchannel(utterance.text) else None

    # ------------------------------------------------------------ turns

    def _next(self) -> None:
        """Start the next turn if the floor is free; whoever changes anything calls this."""
        if self._closing or self._turn is not None or not self._models.started:
            return
        if self.floor.speaking:
            return  # the end of that utterance comes back here
        if not self.company.audience:  # what nobody asked for would be said to nobody
            self._queue = deque(turn for turn in self._queue if turn.asked)
        if self._unanswered and self._can_answer(self._unanswered):
            self._decide()
        # agents only speak unasked when nothing of what people said is still to be understood
        settled = not any(ears.finishing for ears in self._ears.values())
        while self._queue and self._turn is None and (settled or not self._queue[0].reply_to_agent):
            self._begin(self._queue.popleft())
        settled = settled and self.company.audience and not self._queue
        while self._greetings and self._turn is None and settled:
            self._begin(self._greetings.popleft())
        if self._turn is None:
            for agent in self._agents.values():
                agent.become("idle")

    def _can_answer(self, asked: Sequence[Utterance]) -> bool:
        """Somebody would notice: they hear it, or wait for it in the chat."""
        return self.company.audience or any(u.typed and self.company.is_here(u.participant_id) for u in asked)

    def _decide(self) -> None:
        """Each person means somebody of their own; an agent that several mean answers them at once."""
        asked, self._unanswered = self._unanswered, []
        people = dict.fromkeys(u.participant_id for u in asked)
        answers: dict[str, str] = {}
        causes: dict[str, int] = {}
        for person in people:
            words = [u for u in asked if u.participant_id == person]
            decision = self.company.meant(_newest(words), person)
            event = self._decided(decision, person, words[-1].turn_id, words[-1].cause_seq)
            for agent_id in decision.ids:
                answers.setdefault(person, agent_id)
                causes[agent_id] = event.seq
        for agent_id, cause in causes.items():
            words = [u for u in asked if answers.get(u.participant_id) == agent_id]
            turn_id = words[-1].turn_id if words else self._new_id("turn")
            names = dict.fromkeys(self.company.name(u.participant_id) for u in words)
            self._queue.append(
                self._new_turn(
                    self._agents[agent_id],
                    turn_id,
                    asked=words,
                    to=tuple(names) if len(people) > 1 else (),
                    cause_seq=cause,
                )
            )

    def _decided(self, decision: Addressees, speaker: str, turn_id: str, cause_seq: int | None) -> Event:
        return self.log.emit(
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
        requested = self._emit(FloorRequested, turn, cause_seq=turn.cause_seq)
        if turn.agent.muted:
            denial: Denial | None = Denial.MUTED
        else:
            denial = self.floor.request(turn.agent.id, reply_to_agent=turn.reply_to_agent)
        if denial is not None:
            self._emit(FloorDenied, turn, reason=denial.value, cause_seq=requested.seq)
            return
        granted = self._emit(FloorGranted, turn, cause_seq=requested.seq)
        self._drop_greeting(turn.agent.id)  # who has spoken need not introduce itself any more
        turn.cause_seq = granted.seq
        self._turn = turn
        self.playout.begin(turn)
        for agent in self._agents.values():
            agent.become("thinking" if agent is turn.agent else "idle")
        turn.task = asyncio.get_running_loop().create_task(
            self._runner.perform(turn, self.company.people, self.company.others(turn.agent)),
            name=f"turn {turn.turn_id} of {turn.agent.name}",
        )
        self._own(self._conduct(turn, turn.task), f"conduct {turn.turn_id} of {turn.agent.name}")

    async def _conduct(self, turn: Turn, task: asyncio.Task[None]) -> None:
        """Follow the turn's task to its end, however it ends, then give the floor back."""
        agent = turn.agent
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken(turn, error)
        speech = turn.speech
        if speech.said and not speech.closed.is_set():
            self._plane.stop(self._host_id, agent.id, speech.speech_id)
            try:
                async with asyncio.timeout(SETTLE_S):
                    await speech.closed.wait()
            except TimeoutError:
                self.playout.abandon(turn)
        elif not speech.said:
            self.playout.only_shown(turn, cancelled=task.cancelled())
        self._over(turn)

    def _over(self, turn: Turn) -> None:
        self.playout.forget(turn)
        self._turn = None
        if not turn.audible:
            self.playout.measure(turn)
        if self.floor.release(turn.agent.id):
            self._emit(FloorReleased, turn)
        heard = turn.speech.result.text if turn.speech.result is not None else ""
        if heard:
            self.company.answered(turn.agent.id, [utterance.participant_id for utterance in turn.asked])
        if turn.superseded and turn.asked:
            self._unanswered = [*turn.asked, *self._unanswered]
        elif turn.superseded and turn.greeting:
            again = self._new_turn(turn.agent, turn.turn_id, text=turn.text, greeting=True)
            self._greetings.appendleft(again)
        elif turn.superseded and not self._unanswered:  # the rest of what a noise had cut off
            again = self._new_turn(
                turn.agent, turn.turn_id, text=turn.text, reply_to_agent=turn.reply_to_agent
            )
            self._queue.appendleft(again)
        elif heard and not (turn.task and turn.task.cancelled()):
            self._chain(turn, heard)
        if turn.agent.id in self._agents and not self._closing:
            turn.agent.become("listening" if self.floor.speaking else "idle")
        self._next()

    def _chain(self, turn: Turn, heard: str) -> None:
        """An agent may have asked another one, in an exchange that a person began."""
        if turn.greeting or len(self._agents) < 2 or self._unanswered or self._queue:
            return
        decision = self.company.meant(heard, turn.agent.id)
        if decision.ids:
            event = self._decided(decision, turn.agent.id, turn.turn_id, None)
            other = self._agents[decision.ids[0]]
            self._queue.append(
                self._new_turn(other, self._new_id("turn"), reply_to_agent=True, cause_seq=event.seq)
            )

    def _supersede(self, turn: Turn) -> None:
        turn.superseded = True
        turn.cancel()

    def _broken(self, turn: Turn, error: BaseException) -> None:
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

    # ------------------------------------------------------------ small things

    def _drop_greeting(self, agent_id: str) -> None:
        self._greetings = deque(turn for turn in self._greetings if turn.agent.id != agent_id)

    def _new_turn(self, agent: Agent, turn_id: str, **fields: Any) -> Turn:
        speech = Speech(self._new_id("speech"), agent.id, turn_id, self._new_id("utt"))
        return Turn(agent, turn_id, speech, **fields)

    def _emit(self, kind: type[Event], turn: Turn, **fields: Any) -> Event:
        return self.log.emit(turn.event(kind, **fields))

    def _own(self, coroutine: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s failed", task.get_name(), exc_info=task.exception())


def _newest(said: Sequence[Utterance]) -> str:
    """The last of these words, in order."""
    texts: list[str] = []
    room = LONGEST_CALL
    for utterance in reversed(said):
        texts.append(utterance.text[-room:])
        room -= len(utterance.text)
        if room <= 0:
            break
    return " ".join(reversed(texts))
