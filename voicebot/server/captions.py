"""What a lobby's people see of the conversation: captions and agents' states, from its events."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from voicebot.events import AgentStateChanged as AgentStateEvent
from voicebot.events import Event, PlayoutInterrupted, TranscriptFinal, TranscriptInterim
from voicebot.lobby.lobby import Lobby
from voicebot.signaling.messages import AgentStateChanged, AgentStateData, Message, Transcript, TranscriptData

REMEMBERED = 256


class Captions:
    """Turns events of one lobby into messages for its browsers."""

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self._begun: OrderedDict[str, float] = OrderedDict()
        self._interrupted: OrderedDict[str, None] = OrderedDict()
        self._names: OrderedDict[str, str] = OrderedDict()

    def message(self, event: Event) -> Message | None:
        """The message this event becomes, or None when people are not told of it."""
        who = event.participant_id
        if who is None:
            return None
        if isinstance(event, AgentStateEvent):
            data = AgentStateData(participant_id=who, state=event.state)
            return AgentStateChanged(lobby=self._lobby.id, data=data)
        if isinstance(event, PlayoutInterrupted):
            _remember(self._interrupted, event.speech_id or who, None)
            return None
        if not isinstance(event, TranscriptInterim | TranscriptFinal):
            return None
        final = isinstance(event, TranscriptFinal)
        begun = event.start_t if isinstance(event, TranscriptFinal) and event.start_t else max(event.t, 0.0)
        _remember(self._begun, event.utterance_id, self._begun.get(event.utterance_id, begun))
        return Transcript(
            lobby=self._lobby.id,
            data=TranscriptData(
                utterance_id=event.utterance_id,
                participant_id=who,
                name=self._name(who),
                text=event.text,
                final=final,
                t=self._begun[event.utterance_id],
                interrupted=event.speech_id is not None and event.speech_id in self._interrupted,
            ),
        )

    def _name(self, participant_id: str) -> str:
        """Also of someone who left while their last words were being transcribed."""
        info = self._lobby.participants.get(participant_id)
        name = info.name if info else self._names.get(participant_id, participant_id)
        _remember(self._names, participant_id, name)
        return name


V = TypeVar("V")


def _remember(memory: OrderedDict[str, V], key: str, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
