"""What people do with the agents of their lobby."""

from __future__ import annotations

from voicebot.agent.session import AgentSession
from voicebot.errors import SignalingError
from voicebot.server.lobby.negotiations import Spawn
from voicebot.server.lobby.presence import Presence
from voicebot.signaling.messages import (
    AgentCreate,
    AgentCreated,
    AgentRemove,
    AgentUpdate,
    ParticipantData,
    ParticipantInfo,
)


class AgentCommands:
    """Adds, mutes and removes agents. The caller must have checked the right to do so.

    `spawn` runs what takes a while, and tells errors to the person who asked.
    """

    def __init__(self, agent_session: AgentSession, presence: Presence, spawn: Spawn) -> None:
        self._agent_session, self._lobby = agent_session, agent_session.lobby
        self._presence, self._spawn = presence, spawn

    def find(self, agent_id: str) -> ParticipantInfo:
        """Return an agent. Raises SignalingError (`unknown_agent`)."""
        info = self._lobby.participants.get(agent_id)
        if info is None or info.kind != "agent":
            raise SignalingError(
                f"There is no agent {agent_id} in this lobby.",
                hint="lobby_state lists the agents.",
                code="unknown_agent",
            )
        return info

    def create(self, me: str, message: AgentCreate) -> None:
        """Create an agent for the person `me`, in the background."""
        self._spawn(self._create(me, message), f"create agent in {self._lobby.id}", me, message.id)

    def update(self, me: str, message: AgentUpdate) -> None:
        """Mute an agent for everyone, or let it speak again."""
        agent_id = message.data.participant_id
        self.find(agent_id)
        self._agent_session.mute(agent_id, message.data.muted)

    def remove(self, me: str, message: AgentRemove) -> None:
        """Remove an agent in the background."""
        agent_id = message.data.participant_id
        self.find(agent_id)
        self._spawn(self._agent_session.remove(agent_id), f"remove {agent_id}", me, message.id)

    async def _create(self, me: str, message: AgentCreate) -> None:
        wish = message.data
        agent = await self._agent_session.spawn(wish.description, name=wish.name, voice=wish.voice)
        data = ParticipantData(participant=self._lobby.participants[agent.id])
        self._presence.tell(me, AgentCreated(id=message.id, lobby=self._lobby.id, data=data))
