"""The one object a notebook needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self
from weakref import WeakKeyDictionary

from voicebot.agent.tools.function_tools import ToolFunction, make_tool
from voicebot.conversation.reading.reader import Conversations
from voicebot.errors import VoicebotError
from voicebot.registry import Progress, no_progress
from voicebot.workbench.frames import events_frame, models_frame, options_frame
from voicebot.workbench.guests import Exchange
from voicebot.workbench.home import notebook_settings
from voicebot.workbench.panes.lobby_link import LobbyLink
from voicebot.workbench.session import WorkbenchSession

if TYPE_CHECKING:
    import pandas as pd

    from voicebot.agent.agent import Agent
    from voicebot.agent.models.models import SwapRole
    from voicebot.agent.session import AgentSession
    from voicebot.experiment.guest import Guest
    from voicebot.persona import Persona
    from voicebot.server.lobby.moderator import Moderator
    from voicebot.workbench.panel import Panel


@dataclass
class _Running:
    """What this process has running: at most one workbench."""

    session: WorkbenchSession | None = None
    locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = field(
        default_factory=WeakKeyDictionary
    )

    def lock(self) -> asyncio.Lock:
        return self.locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())


class Workbench:
    """A voice server with one lobby, run in the notebook kernel's event loop.

        wb = Workbench()
        await wb.start()
        agent = await wb.spawn("a grumpy lighthouse keeper")
        wb.panel()

    Every cell can be run again. There is at most one running workbench per kernel:
    `start()` on a second one with the same settings joins what runs already (lobby, agents
    and open browser tabs stay), with other settings it stops that and starts anew.

    Args:
        settings: Anything of `voicebot.settings.Settings`, e.g. `port=9000` or
            `stt_model="faster-whisper:small"`; what is not given comes from the
            environment and `.env`. `.env` and the data folder are those of the project
            that the notebook is in (see `voicebot.workbench.home`).

    Raises:
        SettingsError: a setting is wrong; it says which, and what would be right.
    """

    _running: ClassVar[_Running] = _Running()

    def __init__(self, **settings: object) -> None:
        self.settings = notebook_settings(**settings)  # type: ignore[arg-type]
        self._session: WorkbenchSession | None = None

    def __repr__(self) -> str:
        return f"<Workbench {self.link}>" if self.running else "<Workbench, not started>"

    @property
    def running(self) -> bool:
        """Started, and neither stopped nor replaced by another workbench."""
        return self._session is not None and self._session.open

    async def start(self) -> Self:
        """Start the server, the media worker and the models; done already: does nothing.

        Raises:
            VoicebotError: what could not be started, and what to do about it.
        """
        async with self._running.lock():
            if self.running:
                return self
            session = self._running.session
            if session is not None and session.loop is not asyncio.get_running_loop():
                session.abandon()  # its loop is gone or not ours
                session = None
            if session is not None and (not session.open or session.settings != self.settings):
                await session.stop()  # or finish what was interrupted
            if session is None or not session.open:
                session = WorkbenchSession(self.settings)
                await session.start()
                self._running.session = session
            self._session = session
        return self

    async def stop(self) -> None:
        """End the conversation, stop the server and the media worker.

        Safe to call twice; one that was interrupted goes on where it was.
        """
        if self._session is not None:
            async with self._running.lock():
                await self._session.stop()
            self._session = None

    @property
    def link(self) -> str:
        """The lobby's address, to open in a browser."""
        return self._started().link

    @property
    def agent_session(self) -> AgentSession:
        """The lobby with its agents, models and current conversation."""
        return self._started().agent_session

    @property
    def moderator(self) -> Moderator:
        """What a host of the lobby may do: `wb.moderator.lock()`, `.change(private=True)`, `.kick(id)`."""
        session = self._started()
        return session.hosting.moderate(session.agent_session.lobby.id)

    @property
    def events(self) -> pd.DataFrame:
        """Everything that happened since the start, one row per event (see docs of events)."""
        return events_frame(self._started().events)

    @property
    def conversation(self) -> Conversations:
        """The conversation that goes on, or else the last one, as tidy frames.

        Raises:
            VoicebotError: nobody has been in the lobby yet.
        """
        log = self._started().agent_session.log
        if log is None:
            raise VoicebotError(
                "There was no conversation yet: one begins when a person joins.",
                hint="Open the lobby, or run `await wb.say(...)`.",
            )
        return Conversations.of(log)

    @property
    def models(self) -> pd.DataFrame:
        """The models in use: one row per role, with the reason for the choice."""
        return models_frame(self._started().hosting.models)

    def options(self, role: SwapRole) -> pd.DataFrame:
        """The models known for "stt", "tts" or "llm": whether each could be used now, and why."""
        return options_frame(self._started().hosting.models, role)

    async def spawn(
        self,
        who: Persona | str,
        *,
        name: str | None = None,
        voice: str | None = None,
        another: bool = False,
        tools: Iterable[ToolFunction] = (),
        mcp: Iterable[str] = (),
    ) -> Agent:
        """Bring an agent into the lobby.

        The same arguments again give the agent that is there already, so that a cell can be
        run twice; `another=True` makes a second one of the same description.

        Args:
            who: A description ("a grumpy lighthouse keeper") or a Persona.
            name: Its name; None lets the persona choose.
            voice: A voice of the text-to-speech model by name.
            tools: Functions that it may call, as with `agent.tool`. Nothing that is said gives it others.
            mcp: Servers of MCP_CONFIG whose tools it may call, as with `agent.use_mcp`.

        Raises:
            VoicebotError: the lobby is full, the description is empty, or a tool or server cannot be used.
        """
        session = self._started()
        made = [make_tool(function) for function in tools]
        for server in mcp:
            made += await session.hosting.models.mcp.tools(server)
        agent = await session.spawn(who, name=name, voice=voice, another=another)
        for tool in made:
            agent.tool(tool)
        return agent

    async def remove(self, agent: Agent | str) -> None:
        """Take an agent (or its id) out of the lobby."""
        await self._started().agent_session.remove(agent if isinstance(agent, str) else agent.id)

    async def swap(self, role: SwapRole, spec: str, progress: Progress = no_progress) -> None:
        """Load another model and use it from the next turn on: `swap("tts", "flite:slt")`.

        Raises:
            ModelError: it could not be loaded; the old model stays in use.
        """
        await self._started().swap(role, spec, progress)

    async def say(self, text: str, *, name: str = "Guest", within: float = 30.0) -> Exchange:
        """Let a simulated person say something in the lobby, and wait for the answer.

        It joins at its first sentence like a browser does (WebSocket, WebRTC) and stays
        until `leave()`. Returns what was recognised and what the agents answered `within` seconds.

        Raises:
            VoicebotError: it could not join or speak.
        """
        return await self._started().guests.say(text, name=name, within=within)

    async def quiet(self, within: float = 30.0) -> None:
        """Wait until no agent thinks or speaks, `within` seconds at the longest."""
        await self._started().guests.quiet(within)

    async def guest(self, name: str = "Guest") -> Guest:
        """The simulated person of that name, joined. See `voicebot.experiment.guest.Guest`."""
        return await self._started().guests.guest(name)

    async def leave(self, name: str | None = None) -> None:
        """The simulated person of that name (None: all of them) leaves the lobby."""
        await self._started().guests.leave(name)

    def panel(self) -> Panel:
        """The live panel. Each display is a view of the same one, with the backlog."""
        return self._started().panel

    def client(self, height: int = 640) -> LobbyLink:
        """The lobby's page inside the notebook, with the link that opens it in a tab."""
        return self._started().client(height)

    def _started(self) -> WorkbenchSession:
        if self._session is None or not self._session.open:
            raise VoicebotError("The workbench is not running.", hint="Run `await wb.start()` first.")
        return self._session
