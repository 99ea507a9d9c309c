"""The lobby that a server creates for itself. It belongs to nobody, and is renewed whenever it is empty."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from voicebot.agent.session import AgentSession
from voicebot.errors import SignalingError
from voicebot.lobby.lobby import Left, LobbyEvent
from voicebot.persona.create import create_persona
from voicebot.signaling.messages import LobbySettings
from voicebot.store.base import AgentRecord

logger = logging.getLogger(__name__)

DEMO_LOBBY = "demo"
"""The id of the demo lobby, which no client can use for another lobby."""
DEMO_NAME = "Demo"
DEMO_PERSONA = "Ada, a friendly and curious guide who answers briefly and likes to ask back"


class DemoLobby:
    """Opens the demo lobby, and keeps its one agent as it was made, whatever guests do to the agents.

    `create(name, id, settings)` creates a lobby here, and `agent_session()` returns that of the demo lobby if
    this server has it. `spawn(work, name)` runs a coroutine as a task.
    """

    def __init__(
        self,
        create: Callable[[str, str, LobbySettings], Coroutine[Any, Any, object]],
        agent_session: Callable[[], AgentSession | None],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._create, self._agent_session, self._spawn = create, agent_session, spawn
        self._renewing = asyncio.Lock()

    async def open(self) -> None:
        """Create the lobby unless this server or another one has it, and renew it."""
        if self._agent_session() is None:
            try:
                await self._create(DEMO_NAME, DEMO_LOBBY, LobbySettings())
            except SignalingError as error:  # another server has it
                logger.info("The demo lobby was not created: %s", error)
        await self.renew()

    def watch(self, agent_session: AgentSession) -> None:
        """Renew the lobby whenever the last person leaves it. Call it each time the lobby opens here."""

        def on_lobby(event: LobbyEvent) -> None:
            person_left = isinstance(event, Left) and event.info.kind == "human"
            if person_left and not agent_session.lobby.humans and self._agent_session() is agent_session:
                self._spawn(self.renew(), "renew the demo lobby")

        agent_session.lobby.subscribe(on_lobby)

    async def renew(self) -> None:
        """Bring back the first agent, if this server has the lobby and nobody is in it."""
        async with self._renewing:
            agent_session = self._agent_session()
            if agent_session is None or agent_session.lobby.humans or _as_made(agent_session):
                return
            for agent in agent_session.lobby.agents:
                await agent_session.remove(agent.id)
            await agent_session.spawn(DEMO_PERSONA)


def _as_made(agent_session: AgentSession) -> bool:
    made = AgentRecord("", create_persona(DEMO_PERSONA).as_dict())
    return [replace(agent, id="") for agent in agent_session.agent_records()] == [made]
