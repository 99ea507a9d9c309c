"""The lobby that a server makes for itself. It belongs to nobody, and renews itself once it is empty."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from voicebot.agent.session import AgentSession
from voicebot.lobby.lobby import LobbyEvent
from voicebot.persona.create import create_persona
from voicebot.store.base import AgentRecord

DEMO_LOBBY = "demo"
"""Its id, which nobody else may take."""
DEMO_NAME = "Demo"
DEMO_PERSONA = "Ada, a friendly and curious guide who answers briefly and likes to ask back"


class DemoLobby:
    """Keeps the demo lobby's one agent as it was made, whatever guests do to the agents.

    `open` says whether this server still has the lobby, and `spawn(work, name)` runs a coroutine as a task.
    """

    def __init__(
        self,
        agent_session: AgentSession,
        open: Callable[[], bool],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._agent_session, self._lobby = agent_session, agent_session.lobby
        self._open, self._spawn = open, spawn
        self._in_use = False
        self._renewing = asyncio.Lock()
        self._lobby.subscribe(self._on_lobby)

    async def renew(self) -> None:
        """Bring back the agents of the beginning. Does nothing while somebody is here."""
        async with self._renewing:
            if not self._open() or self._lobby.humans or self._as_made():
                return
            for agent in self._lobby.agents:
                await self._agent_session.remove(agent.id)
            await self._agent_session.spawn(DEMO_PERSONA)

    def _as_made(self) -> bool:
        made = AgentRecord("", create_persona(DEMO_PERSONA).as_dict())
        return [replace(agent, id="") for agent in self._agent_session.agent_records()] == [made]

    def _on_lobby(self, event: LobbyEvent) -> None:
        was_in_use, self._in_use = self._in_use, bool(self._lobby.humans)
        if was_in_use and not self._in_use and self._open():
            self._spawn(self.renew(), "renew the demo lobby")
