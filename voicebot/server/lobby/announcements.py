"""What everyone in a lobby is told: changes of the lobby, and captions of the conversation."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

from voicebot.agent.thinking.surrogates import repair_surrogates
from voicebot.events import Event, TranscriptFinal, TranscriptInterim
from voicebot.lobby.lobby import Joined, Left, Lobby, LobbyEvent, Updated
from voicebot.server.lobby.presence import Presence
from voicebot.signaling.messages import (
    AgentCreated,
    AgentRemoved,
    AgentStateChanged,
    AgentStateData,
    LobbyState,
    LobbyStateData,
    ParticipantData,
    ParticipantUpdated,
    Transcript,
    TranscriptData,
    UserJoined,
    UserLeft,
    UserLeftData,
)

NAMES = 256
"""Number of speakers whose names are remembered."""
HISTORY = 50
"""Number of final captions that somebody who joins later can read."""


class Announcements:
    """Tells everyone about the events of a lobby. `agents_changed` is called when an agent came or left."""

    def __init__(self, lobby: Lobby, presence: Presence, agents_changed: Callable[[], None]) -> None:
        self._lobby, self._presence, self._agents_changed = lobby, presence, agents_changed
        self._state_due = False

    def state(self) -> LobbyState:
        """The current state of the whole lobby."""
        lobby = self._lobby
        data = LobbyStateData(
            lobby=lobby.info(), participants=list(lobby.participants.values()), version=lobby.version
        )
        return LobbyState(lobby=lobby.id, data=data)

    def on_lobby(self, event: LobbyEvent) -> None:
        """Announce an event of the lobby."""
        lobby, broadcast = self._lobby.id, self._presence.broadcast
        match event:
            case Joined(info) if info.kind == "human":
                broadcast(UserJoined(lobby=lobby, data=ParticipantData(participant=info)), but=info.id)
            case Joined(info):
                broadcast(AgentCreated(lobby=lobby, data=ParticipantData(participant=info)))
                self._agents_changed()
            case Updated(info, before) if (
                info.state and before.model_copy(update={"state": info.state}) == info
            ):
                data = AgentStateData(participant_id=info.id, state=info.state)
                broadcast(AgentStateChanged(lobby=lobby, data=data))
            case Updated(info):
                broadcast(ParticipantUpdated(lobby=lobby, data=ParticipantData(participant=info)))
            case Left(info, reason) if info.kind == "human":
                broadcast(UserLeft(lobby=lobby, data=UserLeftData(participant_id=info.id, reason=reason)))
            case Left(info, reason):
                broadcast(AgentRemoved(lobby=lobby, data=UserLeftData(participant_id=info.id, reason=reason)))
                self._agents_changed()
        if not isinstance(event, Updated) and not self._state_due:
            self._state_due = True  # one lobby_state for all changes of this moment
            asyncio.get_running_loop().call_soon(self._send_state)

    def _send_state(self) -> None:
        self._state_due = False
        self._presence.broadcast(self.state())


class Captions:
    """Turns the events of one lobby into captions."""

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self._names: OrderedDict[str, str] = OrderedDict()
        self._finals: deque[tuple[str, Transcript]] = deque(maxlen=HISTORY)

    def caption(self, event: Event) -> Transcript | None:
        """Return the caption for a transcript; None for any other event."""
        who = event.participant_id
        if who is None or not isinstance(event, TranscriptInterim | TranscriptFinal):
            return None
        caption = Transcript(
            lobby=self._lobby.id,
            data=TranscriptData(
                # later conversations of the lobby number their utterances anew, also after a restart
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
        """Return the newest final captions of one conversation, in the order in which the speech began."""
        latest = {c.data.utterance_id: c for id, c in self._finals if id == conversation_id}
        return sorted(latest.values(), key=lambda caption: caption.data.t)

    def _name(self, participant_id: str) -> str:
        """Return the name, even if the speaker left before their last words were transcribed."""
        info = self._lobby.participants.get(participant_id)
        name = info.name if info else self._names.get(participant_id, participant_id)
        self._names[participant_id] = name
        self._names.move_to_end(participant_id)
        if len(self._names) > NAMES:
            self._names.popitem(last=False)
        return name
