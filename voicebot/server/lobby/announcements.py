"""What everyone in a lobby is told of its changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from voicebot.lobby.lobby import Changed, Joined, Left, Lobby, LobbyEvent, Updated
from voicebot.signaling.messages import (
    AgentCreated,
    AgentRemoved,
    AgentStateChanged,
    AgentStateData,
    LobbyState,
    LobbyStateData,
    Message,
    ParticipantData,
    ParticipantInfo,
    ParticipantUpdated,
    UserJoined,
    UserLeft,
    UserLeftData,
)


class Broadcast(Protocol):
    def __call__(self, message: Message, but: str | None = None) -> None: ...


class Announcements:
    """Turns a lobby's events into messages. `agents_changed` is called when an agent came or went."""

    def __init__(self, lobby: Lobby, broadcast: Broadcast, agents_changed: Callable[[], None]) -> None:
        self._lobby, self._broadcast, self._agents_changed = lobby, broadcast, agents_changed
        self._known = dict(lobby.participants)
        self._state_due = False

    def state(self) -> LobbyState:
        """The whole lobby as of now."""
        lobby = self._lobby
        return LobbyState(
            lobby=lobby.id,
            data=LobbyStateData(
                lobby=lobby.info(), participants=list(lobby.participants.values()), version=lobby.version
            ),
        )

    def known(self, participant_id: str) -> ParticipantInfo | None:
        """As it was last announced."""
        return self._known.get(participant_id)

    def on_lobby(self, event: LobbyEvent) -> None:
        """To be subscribed to the lobby."""
        lobby = self._lobby.id
        match event:
            case Joined(info) if info.kind == "human":
                self._broadcast(UserJoined(lobby=lobby, data=ParticipantData(participant=info)), but=info.id)
            case Joined(info):
                self._broadcast(AgentCreated(lobby=lobby, data=ParticipantData(participant=info)))
                self._agents_changed()
            case Updated(info) if self._only_state_changed(info):
                assert info.state is not None
                state = AgentStateData(participant_id=info.id, state=info.state)
                self._broadcast(AgentStateChanged(lobby=lobby, data=state))
            case Updated(info):
                self._broadcast(ParticipantUpdated(lobby=lobby, data=ParticipantData(participant=info)))
            case Left(id, reason) if id in self._known and self._known[id].kind == "agent":
                self._broadcast(
                    AgentRemoved(lobby=lobby, data=UserLeftData(participant_id=id, reason=reason))
                )
                self._agents_changed()
            case Left(id, reason):
                self._broadcast(UserLeft(lobby=lobby, data=UserLeftData(participant_id=id, reason=reason)))
        self._known = dict(self._lobby.participants)
        if isinstance(event, Joined | Left | Changed):
            self._announce_state()

    def _only_state_changed(self, info: ParticipantInfo) -> bool:
        old = self._known.get(info.id)
        return (
            old is not None
            and info.state is not None
            and old.model_copy(update={"state": info.state}) == info
        )

    def _announce_state(self) -> None:
        """lobby_state to everyone, once for all changes of this moment."""
        if not self._state_due:
            self._state_due = True
            asyncio.get_running_loop().call_soon(self._send_state)

    def _send_state(self) -> None:
        self._state_due = False
        self._broadcast(self.state())
