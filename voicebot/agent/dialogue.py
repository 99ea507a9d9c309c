"""One conversation of a lobby: who is heard, who is meant, who speaks, and what was heard of it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from voicebot.agent.agent import Agent
from voicebot.agent.ears import Ears, Utterance
from voicebot.agent.models import Models
from voicebot.agent.speech import Speech
from voicebot.agent.turns import Turn, TurnRunner
from voicebot.clock import Clock
from voicebot.conversation.latency import measure
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
    InterruptionDetected,
    InterruptionFalse,
    InterruptionResumed,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutSentence,
    PlayoutStarted,
    TranscriptFinal,
    TranscriptInterim,
)
from voicebot.lobby.lobby import Lobby
from voicebot.media import base as media
from voicebot.settings import Settings
from voicebot.turn import Addressees, FixedEndpointing, Floor, Present, Scene, addressees

logger = logging.getLogger(__name__)

SETTLE_S = 2.0
"""Seconds to wait for the media plane's last word about a stopped speech."""
BACKCHANNELS = {
    "uh", "huh", "uh-huh", "mhm", "mm", "hmm", "yeah", "yes", "yep", "right", "ok", "okay", "sure", "aha",
    "ah", "oh", "wow", "nice", "cool", "great", "i", "see",
}  # fmt: skip


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
    ) -> None:
        self.log = log
        self._lobby, self._agents, self._plane, self._host_id = lobby, agents, plane, host_id
        self._models, self._clock, self._new_id = models, clock, new_id
        self.endpointing = FixedEndpointing(settings.endpoint_delay)
        self.floor = Floor()
        self._runner = TurnRunner(plane, host_id, models, log.emit, llm_timeout=settings.llm_timeout)
        self._ears: dict[str, Ears] = {}
        self._speeches: dict[str, Turn] = {}
        self._turn: Turn | None = None
        self._queue: deque[Turn] = deque()
        self._greetings: deque[Turn] = deque()
        """Said when nobody speaks and nobody waits for anything."""
        self._unanswered: list[Utterance] = []
        self._partner: dict[str, tuple[str, float]] = {}
        self._last_spoke: list[str] = []
        self._interrupted: dict[str, Turn] = {}
        """By the person who interrupted: what turns out to be a cough later was a false one."""
        self._names: dict[str, str] = {}
        self._unrecorded: set[Path] = set()
        """Recordings whose failure has been told."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._greeted = False

    @property
    def busy(self) -> bool:
        """An agent has the floor or people wait for one."""
        return self._turn is not None or bool(self._queue or self._unanswered or self._greetings)

    # ------------------------------------------------------------ what happens in the lobby

    def connected(self, participant_id: str) -> None:
        """A person can hear now; the first one is greeted."""
        if not self._greeted and self._agents:
            agent = next(iter(self._agents.values()))
            self.greet(agent)

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
                participant_id, self._new_id("utt"), self._new_id("turn"), text.strip(), now, now, cause_seq
            )
        )

    def left(self, participant_id: str) -> None:
        """A person or an agent is gone."""
        self.connection_lost(participant_id)
        self._partner.pop(participant_id, None)
        self._queue = deque(turn for turn in self._queue if turn.agent.id != participant_id)
        self._drop_greeting(participant_id)
        if self._turn is not None and self._turn.agent.id == participant_id:
            self._cancel(self._turn)

    def connection_lost(self, participant_id: str) -> None:
        """What the person was saying ends here."""
        if (ears := self._ears.get(participant_id)) is not None:
            ears.lost()

    def media_gone(self) -> None:
        """Every playout is over without a notice."""
        for participant_id in list(self._ears):
            self.connection_lost(participant_id)
        for turn in list(self._speeches.values()):
            if turn.speech.said:  # one that still thinks can go on
                self._abandon(turn)
                self._cancel(turn)
                # a sentence made in the meantime may have reached the new worker
                self._plane.stop(self._host_id, turn.agent.id, turn.speech.speech_id)

    async def close(self) -> None:
        """Stop what is spoken, let its last words be logged, end every task."""
        self._closing = True
        self._queue.clear()
        self._greetings.clear()
        self._unanswered.clear()
        if self._turn is not None:
            self._cancel(self._turn)
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
                self._ears_of(notice.participant_id).started(notice)
            case media.SpeechAudio():
                self._ears_of(notice.participant_id).audio(notice)
            case media.SpeechStopped():
                self._ears_of(notice.participant_id).stopped(notice)
            case media.PlayoutStarted() | media.PlayoutMark() | media.PlayoutEnded():
                turn = self._speeches.get(notice.speech_id)
                if turn is None:
                    return False
                self._on_playout(turn, notice)
            case media.RecordingFailed():
                return self._on_recording_failed(notice)
            case _:
                return False
        return True

    def _on_recording_failed(self, notice: media.RecordingFailed) -> bool:
        if self.log.folder is None or self.log.folder not in notice.path.parents:
            return False
        if notice.path not in self._unrecorded:
            self._unrecorded.add(notice.path)
            who = self._name(notice.participant_id)
            self.log.emit(
                ErrorEvent(
                    participant_id=notice.participant_id,
                    code="recording",
                    message=f"{who} is not recorded any more: {notice.path}: {notice.reason}. The rest "
                    "goes on. Is the disk full or the folder gone? DATA_DIR sets where recordings are kept.",
                )
            )
        return True

    def _on_playout(
        self, turn: Turn, notice: media.PlayoutStarted | media.PlayoutMark | media.PlayoutEnded
    ) -> None:
        speech = turn.speech
        if speech.closed.is_set():
            return
        match notice:
            case media.PlayoutStarted():
                speech.started = notice.time
                turn.agent.become("speaking")
                self._emit(PlayoutStarted, turn, t=self.log.at(notice.time))
                self._measure(turn)
            case media.PlayoutMark() if notice.index < len(speech.pieces):
                speech.pieces[notice.index].marked = True
                self._emit(
                    PlayoutSentence,
                    turn,
                    t=self.log.at(notice.time),
                    index=notice.index,
                    text=speech.pieces[notice.index].text,
                )
                self._emit(
                    TranscriptInterim,
                    turn,
                    utterance_id=speech.utterance_id,
                    text=speech.shown(),
                    start_t=self._start_t(speech),
                )
            case media.PlayoutEnded():
                self._on_ended(turn, notice)

    def _on_ended(self, turn: Turn, notice: media.PlayoutEnded) -> None:
        speech = turn.speech
        if notice.interrupted_by:
            self._interrupted[notice.interrupted_by] = turn
            detected = self._emit(
                InterruptionDetected, turn, t=self.log.at(notice.time), participant_id=notice.interrupted_by
            )
            cause: int | None = detected.seq
        else:
            cause = None
        # a media worker that died cannot say what it played; the sentences it announced are known
        result = speech.close(notice.pieces or speech.passed(), notice.complete)
        kind = PlayoutFinished if notice.complete else PlayoutInterrupted
        self._emit(
            kind,
            turn,
            t=self.log.at(notice.time),
            planned_text=speech.planned,
            heard_text=result.text,
            heard_until_s=notice.played,
            cause_seq=cause,
        )
        self._remember(turn, result.text, interrupted=not notice.complete, end=notice.time)
        if not notice.complete:
            self._cancel(turn)

    def _abandon(self, turn: Turn) -> None:
        """No word from the media plane within the time it has."""
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

    def _remember(self, turn: Turn, text: str, *, interrupted: bool, end: float) -> None:
        """Heard words go into the caption and into every agent's memory, and nowhere else."""
        if not text and not turn.audible:
            return
        speech = turn.speech
        self._emit(
            TranscriptFinal,
            turn,
            utterance_id=speech.utterance_id,
            text=text,
            start_t=self._start_t(speech),
            end_t=round(self.log.at(end), 3),
            language=turn.agent.persona.language,
            interrupted=interrupted,
        )
        if self._closing:
            return  # the memories belong to the next conversation by now
        began = speech.started if speech.started is not None else end
        for agent in self._agents.values():
            if agent is turn.agent:
                agent.memory.said(text, began)
            else:
                agent.memory.heard_agent(turn.agent.name, text, began)

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
            )
        return self._ears[participant_id]

    def _on_begin(self, participant_id: str) -> str:
        """A person begins to speak. An answer nobody has heard yet waits for what is said now."""
        self.floor.human_started(participant_id)
        self._name(participant_id)
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
        interrupted = self._interrupted.pop(utterance.participant_id, None)
        if not utterance.text:
            if interrupted is not None:
                self._resume(interrupted, utterance)
        else:
            name = self._name(utterance.participant_id)
            for agent in self._agents.values():
                agent.memory.heard(name, utterance.text, utterance.start)
            if self._is_backchannel(utterance):
                self.log.emit(
                    InterruptionBackchannel(
                        participant_id=utterance.participant_id,
                        turn_id=utterance.turn_id,
                        speech_id=self._turn.speech.speech_id if self._turn else None,
                        text=utterance.text,
                    )
                )
            else:
                self._queue.clear()  # a person's words come before what agents still wanted to say
                self._unanswered.append(utterance)
        self._next()

    def _resume(self, turn: Turn, utterance: Utterance) -> None:
        """It was only a noise: the agent says what it had not been able to say."""
        false = self._emit(InterruptionFalse, turn, participant_id=utterance.participant_id)
        rest = turn.speech.result.unheard if turn.speech.result is not None else ""
        if rest and turn.agent.id in self._agents and not self._unanswered and not self._queue:
            self._emit(InterruptionResumed, turn, cause_seq=false.seq)
            self._queue.append(
                self._new_turn(
                    turn.agent, turn.turn_id, text=rest, greeting=turn.greeting, cause_seq=false.seq
                )
            )

    def _is_backchannel(self, utterance: Utterance) -> bool:
        """Said while an agent speaks on, and nothing but "uh-huh"."""
        if self._turn is None or not self._turn.audible or self._turn.speech.closed.is_set():
            return False
        words = utterance.text.casefold().replace(",", " ").replace(".", " ").split()
        return len(words) <= 3 and all(word in BACKCHANNELS for word in words)

    # ------------------------------------------------------------ turns

    def _next(self) -> None:
        """Start the next turn if the floor is free; whoever changes anything calls this."""
        if self._closing or self._turn is not None:
            return
        if self.floor.speaking:
            return  # the end of that utterance comes back here
        if self._unanswered:
            self._decide()
        # agents only speak unasked when nothing of what people said is still to be understood
        settled = not any(ears.finishing for ears in self._ears.values())
        while self._queue and self._turn is None and (settled or not self._queue[0].reply_to_agent):
            self._begin(self._queue.popleft())
        while self._greetings and self._turn is None and not self._queue and settled:
            self._begin(self._greetings.popleft())
        if self._turn is None:
            for agent in self._agents.values():
                agent.become("idle")

    def _decide(self) -> None:
        asked, self._unanswered = self._unanswered, []
        last = asked[-1]
        text = " ".join(u.text for u in asked if u.participant_id == last.participant_id)
        decision = addressees(text, self._scene(last.participant_id))
        event = self._decided(decision, last.participant_id, last.turn_id, last.cause_seq)
        for number, agent_id in enumerate(decision.ids):
            turn_id = last.turn_id if number == 0 else self._new_id("turn")
            self._queue.append(
                self._new_turn(
                    self._agents[agent_id],
                    turn_id,
                    asked=asked if number == 0 else (),
                    cause_seq=event.seq,
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
        grant = self.floor.request(turn.agent.id, reply_to_agent=turn.reply_to_agent)
        if grant.denial is not None:
            self._emit(FloorDenied, turn, reason=grant.denial.value, cause_seq=requested.seq)
            return
        granted = self._emit(FloorGranted, turn, cause_seq=requested.seq)
        self._drop_greeting(turn.agent.id)  # who has spoken need not introduce itself any more
        turn.cause_seq = granted.seq
        self._turn = turn
        self._speeches[turn.speech.speech_id] = turn
        for agent in self._agents.values():
            agent.become("thinking" if agent is turn.agent else "idle")
        people = [p.name for p in self._lobby.humans]
        others = [a.name for a in self._agents.values() if a is not turn.agent]
        turn.task = asyncio.get_running_loop().create_task(
            self._runner.perform(turn, people, others), name=f"turn {turn.turn_id} of {turn.agent.name}"
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
                self._abandon(turn)
        elif not speech.said:
            self._only_shown(turn, cancelled=task.cancelled())
        self._over(turn)

    def _only_shown(self, turn: Turn, *, cancelled: bool) -> None:
        """Nothing was audible: a caption if the voice failed, nothing at all if it was cancelled."""
        if turn.speech.pieces and not cancelled:
            turn.speech.close({}, complete=True)
            self._remember(turn, turn.speech.planned, interrupted=False, end=self._clock())
        turn.speech.closed.set()

    def _over(self, turn: Turn) -> None:
        self._speeches.pop(turn.speech.speech_id, None)
        self._turn = None
        if not turn.audible:
            self._measure(turn)
        if self.floor.release(turn.agent.id):
            self._emit(FloorReleased, turn)
        heard = turn.speech.result.text if turn.speech.result is not None else ""
        if heard:
            now = self._clock()
            self._last_spoke = [a for a in self._last_spoke if a != turn.agent.id] + [turn.agent.id]
            for utterance in turn.asked:
                self._partner[utterance.participant_id] = (turn.agent.id, now)
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
        decision = addressees(heard, self._scene(turn.agent.id))
        if decision.ids:
            event = self._decided(decision, turn.agent.id, turn.turn_id, None)
            other = self._agents[decision.ids[0]]
            self._queue.append(
                self._new_turn(other, self._new_id("turn"), reply_to_agent=True, cause_seq=event.seq)
            )

    def _supersede(self, turn: Turn) -> None:
        turn.superseded = True
        self._cancel(turn)

    def _cancel(self, turn: Turn) -> None:
        if turn.task is not None and not turn.task.done():
            turn.task.cancel()

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

    def _measure(self, turn: Turn) -> None:
        if not turn.asked:  # a greeting, or the rest of what a noise had cut off: nobody waited for it
            return
        latency = measure(self.log.events, turn.turn_id, turn.speech.speech_id if turn.audible else None)
        if latency is not None:
            self.log.emit(latency)

    def _scene(self, speaker_id: str) -> Scene:
        partner, since = self._partner.get(speaker_id, (None, float("-inf")))
        return Scene(
            speaker_id=speaker_id,
            present=[
                Present(p.id, p.name, p.kind == "agent", p.character)
                for p in self._lobby.participants.values()
            ],
            partner_id=partner if partner in self._agents else None,
            partner_s=self._clock() - since,
            last_spoke=tuple(self._last_spoke),
        )

    def _name(self, participant_id: str) -> str:
        """Kept, so that the last words of somebody who has just left still have a speaker."""
        info = self._lobby.participants.get(participant_id)
        if info is not None:
            self._names[participant_id] = info.name
        return self._names.get(participant_id, "someone")

    def _start_t(self, speech: Speech) -> float:
        return round(self.log.at(speech.started if speech.started is not None else self._clock()), 3)

    def _emit(self, kind: type[Event], turn: Turn, **fields: Any) -> Event:
        ids = {
            "participant_id": turn.agent.id,
            "turn_id": turn.turn_id,
            "speech_id": turn.speech.speech_id,
        }
        return self.log.emit(kind(**{**ids, **fields}))

    def _own(self, coroutine: Any, name: str) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s failed", task.get_name(), exc_info=task.exception())
