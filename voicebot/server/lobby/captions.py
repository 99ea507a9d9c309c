"""What a lobby's people read of the conversation: captions, from its events."""

from __future__ import annotations

from collections import OrderedDict, deque

from voicebot.agent.thinking.surrogates import repair_surrogates
from voicebot.events import Event, TranscriptFinal, TranscriptInterim
from voicebot.lobby.lobby import Lobby
from voicebot.signaling.messages import Message, Transcript, TranscriptData

REMEMBERED = 256
HISTORY = 50
"""Final captions that who comes later gets to read."""


class Captions:
    """Turns the events of one lobby into captions for its browsers."""

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self._names: OrderedDict[str, str] = OrderedDict()
        self._finals: deque[tuple[str, Transcript]] = deque(maxlen=HISTORY)

    def message(self, event: Event) -> Message | None:
        """The caption this event becomes, or None when it is none."""
        who = event.participant_id
        if who is None:
            return None
        if not isinstance(event, TranscriptInterim | TranscriptFinal):
            return None
        caption = Transcript(
            lobby=self._lobby.id,
            data=TranscriptData(
                # A later conversation of the lobby counts anew, also after a restart.
                utterance_id=f"{event.conversation_id}:{event.utterance_id}",
                participant_id=who,
                name=self._name(who),
                text=repair_surrogates(event.text),
                final=isinstance(event, TranscriptFinal),
                t=event.start_t,
                interrupted=isinstance(event, TranscriptFinal) and event.interrupted,
            ),
        )
        if caption.data.final and caption.data.text.strip():
            self._finals.append((event.conversation_id, caption))
        return caption

    def so_far(self, conversation_id: str) -> list[Transcript]:
        """The newest final captions of one conversation, in order of when they were begun."""
        latest = {c.data.utterance_id: c for id, c in self._finals if id == conversation_id}
        return sorted(latest.values(), key=lambda caption: caption.data.t)

    def _name(self, participant_id: str) -> str:
        """Also of someone who left while their last words were being transcribed."""
        info = self._lobby.participants.get(participant_id)
        name = info.name if info else self._names.get(participant_id, participant_id)
        self._names[participant_id] = name
        self._names.move_to_end(participant_id)
        if len(self._names) > REMEMBERED:
            self._names.popitem(last=False)
        return name
