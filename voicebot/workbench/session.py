"""Everything that runs for one workbench: the server, a lobby, the panel, the simulated people."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
from collections import deque
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakSet

from voicebot.agent.models.models import SwapRole
from voicebot.agent.session import AgentSession
from voicebot.conversation.stall import Stall
from voicebot.errors import VoicebotError
from voicebot.events import Event
from voicebot.lobby.lobby import Joined
from voicebot.registry import Progress, no_progress
from voicebot.server.hosting import Hosting
from voicebot.settings import EVERYWHERE, Settings
from voicebot.tasks import cancel
from voicebot.workbench.guests import Guests
from voicebot.workbench.panel import Panel
from voicebot.workbench.panes.lobby_link import LobbyLink

if TYPE_CHECKING:
    from voicebot.agent.agent import Agent
    from voicebot.persona import Persona

EVENTS_KEPT = 200_000
"""Number of events of all conversations that are kept in memory for `Workbench.events`."""

LOBBY_NAME = "Notebook"


class WorkbenchSession:
    """A started workbench. It belongs to the event loop that started it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.hosting = Hosting(settings, demo=False)
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self.agent_session: AgentSession
        self.panel: Panel
        self.guests: Guests
        self.hosting.on_stall = self._stalled
        self._undo = contextlib.ExitStack()
        self._agents: dict[object, str] = {}
        self._spawning = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: WeakSet[LobbyLink] = WeakSet()
        self._stopped = False
        self.open = False
        """Whether it is started and not stopping."""

    async def start(self) -> None:
        """Start everything, or nothing.

        Raises:
            VoicebotError: something could not be started; the hint says what to do.
        """
        try:
            await self.hosting.start()
            self.agent_session = self._earlier_lobby() or await self.hosting.create_lobby(LOBBY_NAME)
        except BaseException:
            await self.hosting.stop()
            raise
        self.panel = Panel(
            url=self.link,
            public=bool(self.settings.public_url),
            models=self.hosting.models,
            swap=self.swap,
            spawn=partial(self.spawn, another=True),
            remove=self._remove_soon,
        )
        self.guests = Guests(self.local_url, self.agent_session, self.hosting.models, self.panel.participants)
        for info in self.agent_session.lobby.participants.values():
            self.panel.on_lobby(Joined(info))
        self._undo.callback(self.agent_session.lobby.subscribe(self.panel.on_lobby))
        self._undo.callback(self.agent_session.subscribe(self._on_event))
        self._undo.callback(
            self.hosting.models.subscribe(lambda swap: self.panel.models[swap.role].refresh())
        )
        atexit.register(self.abandon)
        self.open = True

    def _earlier_lobby(self) -> AgentSession | None:
        """Return the notebook's lobby from before a restart, so that its link stays valid, or None."""
        for lobby_id, found in self.hosting.agent_sessions.items():
            if found.lobby.name == LOBBY_NAME and not self.hosting.controller(lobby_id).closes_when_empty:
                return found
        return None

    @property
    def link(self) -> str:
        """The lobby's address."""
        return self.hosting.lobby_url(self.agent_session.lobby.id)

    @property
    def local_url(self) -> str:
        """The server's address on this machine."""
        host = "127.0.0.1" if self.settings.host in {*EVERYWHERE, "localhost"} else self.settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.hosting.port}"

    async def stop(self) -> None:
        """Stop everything. Safe to call twice, and again after an interruption."""
        if self._stopped:
            return
        self.open = False
        await self.guests.leave()
        await cancel(self._tasks)
        await self.panel.stop()
        await self.hosting.stop()
        self._undo.close()
        self.panel.close_feeds()
        for client in self._clients:
            client.running = False
        atexit.unregister(self.abandon)
        self._stopped = True

    def abandon(self) -> None:
        """Free what can be freed after the event loop has ended (kernel exit), and complete the log."""
        self.open = False
        self._stopped = True
        self.hosting.abandon()
        if self.agent_session.log is not None:
            self.agent_session.log.close()

    def client(self, height: int) -> LobbyLink:
        """See `Workbench.client`."""
        client = LobbyLink(url=self.link, public=bool(self.settings.public_url), shown=True, height=height)
        self._clients.add(client)
        return client

    async def spawn(
        self,
        who: Persona | str,
        *,
        name: str | None = None,
        voice: str | None = None,
        another: bool = False,
    ) -> Agent:
        """See `Workbench.spawn`."""
        key = (repr(who), name, voice)
        async with self._spawning:
            known = self.agent_session.agents.get(self._agents.get(key, "")) or self._earlier_agent(
                who, name, voice
            )
            if known is not None and not another:
                self._agents[key] = known.id
                return known
            try:
                agent = await self.agent_session.spawn(who, name=name, voice=voice)
            except Exception as error:
                self.panel.notices.failed("No agent was added", error)
                raise
            if known is None:
                self._agents[key] = agent.id
            return agent

    def _earlier_agent(self, who: Persona | str, name: str | None, voice: str | None) -> Agent | None:
        """Return an agent that came back with the lobby and that the same call had made, or None."""
        for agent in self.agent_session.agents.values():
            persona = agent.persona
            same = (
                persona.character == " ".join(who.split())
                if isinstance(who, str)
                else persona.hash == who.hash
            )
            unclaimed = agent.id not in self._agents.values()
            if same and unclaimed and name in (None, persona.name) and voice in (None, persona.voice.voice):
                return agent
        return None

    async def swap(self, role: SwapRole, spec: str, progress: Progress = no_progress) -> None:
        """See `Workbench.swap`."""
        try:
            await self.hosting.models.swap(role, spec, progress)
        except Exception as error:
            self.panel.notices.failed(f"{spec} is not in use", error)
            raise

    def _remove_soon(self, agent_id: str) -> None:
        async def remove() -> None:
            try:
                await self.agent_session.remove(agent_id)
            except VoicebotError as error:
                self.panel.notices.failed("That did not work", error)

        task = self.loop.create_task(remove(), name=f"remove-{agent_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        self.panel.on_event(event)

    def _stalled(self, stall: Stall) -> None:
        if not self.agent_session.active:  # otherwise it is an event of the conversation
            self.panel.notices.stalled(stall.seconds, stall.where)
