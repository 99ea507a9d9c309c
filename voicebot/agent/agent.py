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
"""A function or an openai-agents tool."""


class Agent:
    """A persona with a state and a memory of the current conversation.

    `llm` and `tts` are the agent's own models; None means those of the lobby.
    """

    def __init__(self, id: str, persona: Persona, *, on_state: Callable[[Agent], None]) -> None:
        self.id = id
        self.persona = persona
        self.tools: list[Any] = []
        """The openai-agents tools it may use. Only `tool` and `use_mcp` add to them, never a conversation."""
        self.lost_tools: list[str] = []
        """Names of tools it had before a restart of the server and has not been given since."""
        self.mcp: McpServers | None = None
        """The servers in MCP_CONFIG; set by `AgentSession`."""
        self.memory = Memory()
        self.fillers = Fillers(id)
        """What it says while a slow tool runs."""
        self.ready = False
        """Whether the models are loaded; until then the agent is `initializing`. Set by `AgentSession`."""
        self.muted = False
        """A muted agent hears and remembers but never speaks. Set by `AgentSession.mute`."""
        self.llm: LLM | None = None
        self.tts: TTS | None = None
        self._state: AgentState = "initializing"
        self._on_state = on_state

    @property
    def name(self) -> str:
        """The name that everyone in the lobby sees."""
        return self.persona.name

    @property
    def state(self) -> AgentState:
        """What the agent is doing: initializing, idle, listening, thinking or speaking."""
        return self._state

    def set_state(self, state: AgentState) -> None:
        """Change the state and notify the observer. Does nothing until the agent is ready."""
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
        """Let this agent call a Python function from its next turn on.

            @agent.tool
            def tide(harbour: str) -> str:
                \"""The current tide in a harbour.\"""
                return tides[harbour]

        Running the cell again replaces the tool of that name. `agent.tool(function)` does the same and
        also takes openai-agents tools. See `make_tool` for what a function needs.

        Args:
            name: The name by which the model calls the tool; by default that of the function.
            timeout: Seconds until the model is told that the tool took too long; None means TOOL_TIMEOUT.

        Raises:
            VoicebotError: The function cannot be a tool. The message says what is missing.
        """

        def add(function: F) -> F:
            self._add(make_tool(function, name=name, timeout=timeout))
            return function

        return add if function is None else add(function)

    async def use_mcp(self, server: str, only: Collection[str] = ()) -> list[str]:
        """Let this agent use the tools of an MCP server, or only those in `only`, and return their names.

        Connects the server if necessary.

        Raises:
            VoicebotError: MCP_CONFIG has no such server, the server does not work, or it has no such tool.
        """
        if self.mcp is None:
            raise VoicebotError("This agent is not in a lobby.", hint="Add it with spawn first.", code="mcp")
        tools = await self.mcp.tools(server, only)
        for tool in tools:
            self._add(tool)
        return [tool.name for tool in tools]

    def forget_tool(self, name: str) -> None:
        """Take a tool away from this agent. Does nothing if the agent does not have it."""
        self.tools = [tool for tool in self.tools if tool.name != name]
        self._not_lost(name)

    def _add(self, tool: Any) -> None:
        if tool.name == HAND_OVER:
            raise VoicebotError(
                f"{HAND_OVER} is a built-in tool.", hint="Give this one another name.", code="tool"
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
        """The agent as everyone in the lobby sees it."""
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
