"""An AI participant of a lobby."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar, overload

from voicebot.agent.speaking.filler import Fillers
from voicebot.agent.thinking.memory import Memory
from voicebot.agent.tools.function_tools import HAND_OVER, make_tool
from voicebot.errors import VoicebotError
from voicebot.events import AgentState
from voicebot.persona import Persona
from voicebot.signaling.messages import ParticipantInfo

if TYPE_CHECKING:
    from voicebot.agent.tools.mcp_servers import McpServers
    from voicebot.llm.base import LLM
    from voicebot.tts.base import TTS


F = TypeVar("F")
"""A function, or one of openai-agents' tools."""


class Agent:
    """A persona with a memory of the present conversation and a state.

    `llm` and `tts` are its own models; None uses those of the lobby.
    """

    def __init__(self, id: str, persona: Persona, *, on_state: Callable[[Agent], None]) -> None:
        self.id = id
        self.persona = persona
        self.tools: list[Any] = []
        """openai-agents tools it may use, and nothing that anybody says adds one; see `tool`, `use_mcp`."""
        self.lost_tools: list[str] = []
        """Names of those that it had before the server was started anew, and has not been given again."""
        self.mcp: McpServers | None = None
        """The servers that MCP_CONFIG names; `AgentSession` sets it."""
        self.memory = Memory()
        self.fillers = Fillers(id)
        """What it says while a slow tool runs."""
        self.ready = False
        """The models are loaded; until then it stays `initializing`. `AgentSession` sets it."""
        self.muted = False
        """It hears and remembers, and says nothing; `AgentSession.mute` sets it."""
        self.llm: LLM | None = None
        self.tts: TTS | None = None
        self._state: AgentState = "initializing"
        self._on_state = on_state

    @property
    def name(self) -> str:
        return self.persona.name

    @property
    def state(self) -> AgentState:
        return self._state

    def become(self, state: AgentState) -> None:
        """The one place where the state changes; observers hear of real changes only."""
        if self.ready and state != self._state:
            self._state = state
            self._on_state(self)

    @overload
    def tool(self, function: F, /, *, name: str = "", timeout: float | None = None) -> F: ...
    @overload
    def tool(self, /, *, name: str = "", timeout: float | None = None) -> Callable[[F], F]: ...
    def tool(
        self, function: F | None = None, /, *, name: str = "", timeout: float | None = None
    ) -> F | Callable[[F], F]:
        """Let this agent call a Python function, from its next turn on.

            @agent.tool
            def tide(harbour: str) -> str:
                \"""The tide in a harbour now.\"""
                return tides[harbour]

        Running the cell again replaces the tool of that name. `agent.tool(function)` does the same, and
        takes openai-agents' tools as well. `voicebot.agent.tools.function_tools.make_tool` says what a
        function needs.

        Args:
            name: What the model calls it; the function's own name when empty.
            timeout: Seconds until the model is told that it took too long; None: TOOL_TIMEOUT.

        Raises:
            VoicebotError: a model could not know how to call it.
        """

        def add(function: F) -> F:
            self._add(make_tool(function, name=name, timeout=timeout))
            return function

        return add if function is None else add(function)

    async def use_mcp(self, server: str, only: Collection[str] = ()) -> list[str]:
        """Let this agent use an MCP server's tools, or `only` those named; returns their names.

        The server is connected now, if it is not yet.

        Raises:
            VoicebotError: MCP_CONFIG has no such server, it does not work, or it has no such tool.
        """
        if self.mcp is None:
            raise VoicebotError("This agent is in no room.", hint="Bring it in with spawn first.", code="mcp")
        tools = await self.mcp.tools(server, only)
        for tool in tools:
            self._add(tool)
        return [tool.name for tool in tools]

    def forget_tool(self, name: str) -> None:
        """It may not use this one any more; one that it does not have is no error."""
        self.tools = [tool for tool in self.tools if tool.name != name]
        self._not_lost(name)

    def _add(self, tool: Any) -> None:
        if tool.name == HAND_OVER:
            raise VoicebotError(
                f"{HAND_OVER} is the room's own tool.", hint="Give this one another name.", code="tool"
            )
        names = [known.name for known in self.tools]
        if tool.name in names:
            self.tools[names.index(tool.name)] = tool
        else:
            self.tools.append(tool)
        self._not_lost(tool.name)

    def _not_lost(self, name: str) -> None:
        self.lost_tools = [lost for lost in self.lost_tools if lost != name]

    def info(self, notice: str = "") -> ParticipantInfo:
        """As everyone in the lobby sees it."""
        return ParticipantInfo(
            id=self.id,
            name=self.persona.name,
            kind="agent",
            state=self._state,
            muted=self.muted,
            character=self.persona.character,
            portrait=self.persona.portrait,
            notice=notice,
        )

    def __repr__(self) -> str:
        return f"<Agent {self.id} {self.name!r} {self._state}>"
