"""One conversation of a lobby: connects recognition, interruption, playout and scheduling."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from voicebot.agent.agent import Agent
from voicebot.agent.hearing.recognition import RecognitionSettings, SpeechRecognition
from voicebot.agent.hearing.utterance import Utterance
from voicebot.agent.models.endpointing import EndOfTurn, constants_of, endpointing_of
from voicebot.agent.recordings import Recordings
from voicebot.agent.turns.addressing import AddressingContext
from voicebot.agent.turns.context import ConversationContext
from voicebot.agent.turns.interruption import InterruptionHandler
from voicebot.agent.turns.scheduler import SETTLE_S, TurnScheduler
from voicebot.events import Word
from voicebot.media import base as media
from voicebot.turn.echo import Echo
from voicebot.turn.floor import Denial


class Conversation:
    """One conversation, from the arrival of the first person to the departure of the last.

    Args:
        greeted: Nobody needs a greeting; the people here were greeted in an earlier conversation.
    """

    def __init__(self, context: ConversationContext, *, greeted: bool) -> None:
        self._context, self._agents = context, context.agents
        self.log, self.new_id = context.log, context.new_id
        models, settings = context.models, context.settings
        self._recognition = RecognitionSettings(
            endpointing_of(settings),
            constants_of(settings),
            EndOfTurn(lambda: models.end_of_turn, self.log.emit),
            settings.stt_language,
            settings.max_utterance,
        )
        self._addressing = AddressingContext(context.lobby, context.agents, context.clock)
        self.recordings = Recordings(self.log, context.plane, context.host_id, name=self._addressing.name)
        self._scheduler = TurnScheduler(context, self._addressing, self._settled)
        self._floor, self._playout = self._scheduler.floor, self._scheduler.playout
        self._replies = self._scheduler.replies
        self._interruptions = InterruptionHandler(context, lambda: self._floor.speaking)
        self._recognitions: dict[str, SpeechRecognition] = {}
        self._closing = False
        self._greeted = greeted

    def connected(self, participant_id: str) -> None:
        """Handle a new connection: greet the first person, and say what was waiting for a listener."""
        self._addressing.connected(participant_id)
        agent = next((agent for agent in self._agents.values() if not agent.muted), None)
        if not self._greeted and agent is not None:
            self.greet(agent)
        self._scheduler.next()

    def ready(self) -> None:
        """Answer what was said before the models were loaded."""
        self._scheduler.next()

    def greet(self, agent: Agent) -> None:
        """See `TurnScheduler.greet`."""
        self._greeted = True
        self._scheduler.greet(agent)

    def chat(self, participant_id: str, text: str, cause_seq: int | None) -> None:
        """Answer a typed line like a spoken one."""
        now, text = self._context.clock(), text.strip()
        utterance_id, turn_id = self.new_id("utt"), self.new_id("turn")
        self.on_utterance(
            Utterance(participant_id, utterance_id, turn_id, text, now, now, cause_seq, typed=True)
        )

    def muted(self, agent: Agent) -> None:
        """Silence an agent that was muted; see `TurnScheduler.drop`."""
        self._scheduler.drop(agent.id, Denial.MUTED.value)

    def left(self, participant_id: str) -> None:
        """End the utterances and answers of a participant who has left the lobby."""
        self.connection_lost(participant_id)
        self._addressing.left(participant_id)
        self._replies.drop_person(participant_id)
        self._scheduler.drop(participant_id, "the agent has left")

    def connection_lost(self, participant_id: str) -> None:
        """End the person's utterance. Nobody speaks to them until they are connected again."""
        if participant_id not in self._agents:
            self._addressing.connection_lost(participant_id)
        if (recognition := self._recognitions.get(participant_id)) is not None:
            recognition.lost()

    @property
    def quiet(self) -> bool:
        """Whether nobody speaks, nothing is being transcribed, and nobody is waiting for an answer."""
        return (
            not self._floor.speaking
            and self._scheduler.turn is None
            and not (self._replies.unanswered or self._replies.answers)
            and self._settled()
        )

    def _settled(self) -> bool:
        """Whether all that people said has been transcribed."""
        return not any(recognition.finishing for recognition in self._recognitions.values())

    def media_gone(self) -> None:
        """End every utterance and every playout, because the media process died."""
        for participant_id in self._addressing.people_ids:
            self.connection_lost(participant_id)
        self._scheduler.media_gone()

    async def close(self) -> None:
        """Stop all speech, wait until the last words are logged, and end every task."""
        self._closing = True
        await self._scheduler.close()
        for recognition in self._recognitions.values():
            recognition.lost()
        await asyncio.gather(*(recognition.settle(SETTLE_S) for recognition in self._recognitions.values()))
        await asyncio.gather(*(recognition.aclose() for recognition in self._recognitions.values()))

    def on_notice(self, notice: media.Notice) -> bool:
        """Handle a notice of the media plane. Returns False if it does not concern this conversation."""
        match notice:
            case media.VoiceActivityStarted():
                self._addressing.connected(notice.participant_id)
                self._recognition_of(notice.participant_id).started(notice)
            case media.SpeechAudio():
                self._recognition_of(notice.participant_id).audio(notice)
            case media.VoiceActivityStopped():
                self._recognition_of(notice.participant_id).stopped(notice)
            case media.SilenceReached():
                self._recognition_of(notice.participant_id).silence(notice)
            case media.PlayoutHeld() | media.PlayoutResumed():
                if (turn := self._playout.turn_of(notice)) is not None:
                    self._interruptions.on_notice(turn, notice)
                return self._playout.on_notice(notice)
            case media.PlayoutAudible() | media.PlayoutMark() | media.PlayoutEnded():
                return self._playout.on_notice(notice)
            case media.RecordingFailed():
                return self.recordings.on_failed(notice)
            case _:
                return False
        return True

    def await_silence(self, participant_id: str, until: float) -> None:
        self._context.plane.send(media.AwaitSilence(self._context.host_id, participant_id, until))

    def detect_echo(self, text: str, start: float, end: float, words: Sequence[Word]) -> Echo:
        return self._playout.echoes.own_voice(text, start, end, words)

    def names(self) -> list[str]:
        return [agent.name for agent in self._agents.values()]

    def _recognition_of(self, participant_id: str) -> SpeechRecognition:
        if participant_id not in self._recognitions:
            self._recognitions[participant_id] = SpeechRecognition(
                participant_id,
                self,
                self._recognition,
                models=self._context.models,
                log=self.log,
                clock=self._context.clock,
            )
        return self._recognitions[participant_id]

    def on_speech_began(self, participant_id: str) -> str:
        """Withdraw an answer that nobody has heard yet, because a person has started to speak."""
        self._floor.human_started(participant_id)
        self._interruptions.on_speech_went_on(participant_id)
        self._addressing.name(participant_id)
        turn_id = self._scheduler.withdraw_unheard(participant_id) or self.new_id("turn")
        for agent in self._agents.values():
            if agent.state in ("idle", "thinking"):
                agent.set_state("listening")
        return turn_id

    def on_turn_ended(self, participant_id: str) -> None:
        self._floor.human_stopped(participant_id)

    def on_partial(self, participant_id: str, text: str) -> None:
        """Judge an interim transcript, which may be enough to hold an agent."""
        self._interruptions.judge(self._scheduler.turn, participant_id, text, over=False)

    def on_speech_went_on(self, participant_id: str) -> None:
        """Discard the prepared answer, because the person continues after a pause."""
        self._interruptions.on_speech_went_on(participant_id)
        self._scheduler.speculation.cancel("speech went on", participant_id=participant_id)

    def on_draft(self, draft: Utterance, expects_more: bool) -> None:
        """Prepare an answer to `draft`, in case the person who pauses has finished."""
        listening = self._interruptions.judge(
            self._scheduler.turn, draft.participant_id, draft.text, over=True
        )
        if not (listening or expects_more):
            self._scheduler.prepare(draft)

    def on_utterance(self, utterance: Utterance) -> None:
        if self._closing:
            return  # the words are logged, but nobody is left to answer them
        before = self._replies.take_earlier(utterance)
        listening = not utterance.typed and self._interruptions.judge(
            self._scheduler.turn, utterance.participant_id, utterance.text, over=True
        )
        if not utterance.text:
            if utterance.going_on or before:
                self._replies.keep(before, utterance)
        else:
            name = self._addressing.name(utterance.participant_id)
            for agent in self._agents.values():
                agent.memory.heard(name, utterance.text, utterance.start)
            if utterance.going_on and not self._addressing.called(utterance.text, utterance.participant_id):
                self._replies.keep([*before, utterance], utterance)
            elif not listening:
                self._replies.ask([*before, utterance])
        self._scheduler.next()
        self._scheduler.speculation.cancel(
            "the turn is somebody else's", participant_id=utterance.participant_id
        )
