"""The workbench, the one object that a notebook needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self
from weakref import WeakKeyDictionary

from voicebot.agent.tools.function_tools import ToolFunction, make_tool
from voicebot.conversation.reading.reader import Conversations
from voicebot.errors import VoicebotError
from voicebot.registry import Progress, no_progress
from voicebot.settings import Settings, find_home, load_settings
from voicebot.workbench.frames import events_frame, models_frame, options_frame
from voicebot.workbench.guests import Exchange
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


def notebook_settings(home: Path | None = None, **settings: object) -> Settings:
    """Load the settings with `.env`, a relative DATA_DIR and a relative MCP_CONFIG in the project's folder.

    `home` is that folder; by default it is found from the working folder upwards.

    Raises:
        SettingsError: a setting is wrong; the error names every one.
    """
    home = home or find_home()
    loaded = load_settings(home / ".env", **settings)
    mcp = str(home / Path(loaded.mcp_config).expanduser()) if loaded.mcp_config else ""
    return loaded.model_copy(update={"data_dir": home / loaded.data_dir, "mcp_config": mcp})


class Workbench:
    """A voice server with one lobby that runs in the event loop of the notebook's kernel.

        wb = Workbench()
        await wb.start()
        agent = await wb.spawn("a grumpy lighthouse keeper")
        wb.panel()

    You can run every cell again. A kernel runs at most one workbench. If you start a second one with the
    same settings, it uses the server of the first, and the lobby, agents and open browser tabs stay. If you
    start one with other settings, it replaces the first.

    Args:
        settings: Fields of `voicebot.settings.Settings`, such as `port=9000` or
            `stt_model="faster-whisper:small"`. All others come from the environment and `.env`. The
            workbench uses `.env` and the data folder of the notebook's project (see `notebook_settings`).

    Raises:
        SettingsError: a setting is wrong. The error names all wrong settings and what they accept.
    """

    _current: ClassVar[WorkbenchSession | None] = None
    """The session that runs in this process, if any."""
    _locks: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()

    def __init__(self, **settings: object) -> None:
        self.settings = notebook_settings(**settings)  # type: ignore[arg-type]
        self._session: WorkbenchSession | None = None

    def __repr__(self) -> str:
        return f"<Workbench {self.link}>" if self.running else "<Workbench, not started>"

    @property
    def running(self) -> bool:
        """Whether the workbench has been started, and not been stopped or replaced by another one."""
        return self._session is not None and self._session.open

    async def start(self) -> Self:
        """Start the server, the media process and the models. Does nothing if they are running.

        Raises:
            VoicebotError: something could not be started; the hint says what to do.
        """
        async with self._lock():
            if self.running:
                return self
            session = Workbench._current
            if session is not None and session.loop is not asyncio.get_running_loop():
                session.abandon()  # its event loop has ended, or is another one
                session = None
            if session is not None and (not session.open or session.settings != self.settings):
                await session.stop()  # or finish an interrupted stop
            if session is None or not session.open:
                session = WorkbenchSession(self.settings)
                await session.start()
                Workbench._current = session
            self._session = session
        return self

    async def stop(self) -> None:
        """End the conversation, and stop the server and the media process.

        Safe to call twice. If it is interrupted, call it again to continue.
        """
        if self._session is not None:
            async with self._lock():
                await self._session.stop()
            self._session = None

    @property
    def link(self) -> str:
        """The address of the lobby. Open it in a browser to join."""
        return self._started().link

    @property
    def agent_session(self) -> AgentSession:
        """The lobby with its agents, models and current conversation."""
        return self._started().agent_session

    @property
    def moderator(self) -> Moderator:
        """What a host can do: `wb.moderator.lock()`, `.change(private=True)`, `.kick(id)` and so on."""
        session = self._started()
        return session.hosting.moderate(session.agent_session.lobby.id)

    @property
    def events(self) -> pd.DataFrame:
        """Everything that happened since the start, with one row per event (see `voicebot.events`)."""
        return events_frame(self._started().events)

    @property
    def conversation(self) -> Conversations:
        """The running conversation, or else the last one, as tidy pandas tables.

        Raises:
            VoicebotError: there has been no conversation yet.
        """
        log = self._started().agent_session.log
        if log is None:
            raise VoicebotError(
                "There has been no conversation yet. One begins when a person joins.",
                hint="Join the lobby in a browser, or run `await wb.say(...)`.",
            )
        return Conversations.of(log)

    @property
    def models(self) -> pd.DataFrame:
        """The models in use, with one row per role and the reason for each choice."""
        return models_frame(self._started().hosting.models)

    def options(self, role: SwapRole) -> pd.DataFrame:
        """Return the known models for "stt", "tts" or "llm", with whether each can be used now, and why."""
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
        """Bring an agent into the lobby, and return it.

        If you call it again with the same arguments, it returns the same agent, so you can run a cell twice.

        Args:
            who: A description ("a grumpy lighthouse keeper") or a Persona.
            name: The agent's name; None means the persona's.
            voice: The name of a voice of the text-to-speech model; None means the persona's.
            another: Add a new agent even if there is one with the same arguments.
            tools: Functions that the agent may call, as with `agent.tool`. Nothing that is said adds others.
            mcp: Servers in MCP_CONFIG whose tools the agent may call, as with `agent.use_mcp`.

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
        """Remove an agent from the lobby. Pass the agent or its id."""
        await self._started().agent_session.remove(agent if isinstance(agent, str) else agent.id)

    async def swap(self, role: SwapRole, spec: str, progress: Progress = no_progress) -> None:
        """Load another model, and use it from the next turn on: `swap("tts", "flite:slt")`.

        Raises:
            ModelError: the model could not be loaded; the old one stays in use.
        """
        await self._started().swap(role, spec, progress)

    async def say(self, text: str, *, name: str = "Guest", within: float = 30.0) -> Exchange:
        """Let a simulated person say something in the lobby, and return the answers.

        The person joins when you first call this, like a browser (WebSocket, WebRTC), and stays until you
        call `leave()`. The method waits for answers for at most `within` seconds.

        Raises:
            VoicebotError: the person could not join or speak.
        """
        return await self._started().guests.say(text, name=name, within=within)

    async def quiet(self, within: float = 30.0) -> None:
        """Wait until no agent is thinking or speaking, for at most `within` seconds."""
        await self._started().guests.quiet(within)

    async def guest(self, name: str = "Guest") -> Guest:
        """Let a simulated person join, and return a `voicebot.experiment.guest.Guest`."""
        return await self._started().guests.guest(name)

    async def leave(self, name: str | None = None) -> None:
        """Let the simulated person with that name leave the lobby, or all of them if `name` is None."""
        await self._started().guests.leave(name)

    def panel(self) -> Panel:
        """Return the live panel. You can display it several times; each display shows the same rows."""
        return self._started().panel

    def client(self, height: int = 640) -> LobbyLink:
        """Return the lobby's page, `height` CSS pixels high, with a link that opens it in a tab."""
        return self._started().client(height)

    def _lock(self) -> asyncio.Lock:
        """Return the lock of the running event loop: an `asyncio.Lock` belongs to one loop."""
        return self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())

    def _started(self) -> WorkbenchSession:
        if self._session is None or not self._session.open:
            raise VoicebotError("The workbench is not running.", hint="Run `await wb.start()` first.")
        return self._session
