"""An AI participant of a lobby."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicebot.agent.memory import Memory
from voicebot.events import AgentState
from voicebot.persona import Persona
from voicebot.signaling.messages import ParticipantInfo

if TYPE_CHECKING:
    from voicebot.llm.base import LLM
    from voicebot.tts.base import TTS


class Agent:
    """A persona with a memory of the present conversation and a state.

    `llm` and `tts` are its own models; None uses those of the lobby.
    """

    def __init__(self, id: str, persona: Persona, *, on_state: Callable[[Agent], None]) -> None:
        self.id = id
        self.persona = persona
        self.tools: list[Any] = []
        """openai-agents tools it may use."""
        self.memory = Memory()
        self.ready = False
        """The models are loaded; until then it stays `initializing`. `Room` sets it."""
        self.muted = False
        """It hears and remembers, and says nothing; `Room.mute` sets it."""
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
