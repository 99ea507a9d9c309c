"""Hand-offs: an agent passes its turn to another, which learns why and answers the same people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicebot.agent.thinking.data import as_data, label
from voicebot.agent.tools.function_tools import HAND_OVER
from voicebot.llm.lines import HANDED_OVER
from voicebot.lobby.lookalikes import skeleton

if TYPE_CHECKING:
    from agents import FunctionTool

MAX_HANDOFFS = 2
"""The most hand-offs in one turn, so that two agents cannot pass it back and forth forever."""
LONGEST_REASON = 300
"""Characters of a reason; the rest is cut off."""


@dataclass(frozen=True)
class HandoffRequest:
    """A hand-off that an agent has decided on."""

    to: str
    """The id of the agent that takes the turn."""
    why: str
    by: str
    """The name of the agent that passes it on."""

    def row(self) -> str:
        """The row that tells the other agent's model about the hand-off."""
        content = {"by": label(self.by), "why": as_data(self.why)}
        return f"{HANDED_OVER} {json.dumps(content, ensure_ascii=False)}"


class HandOver:
    """The tool `hand_over` of one turn; `handed` is set when the model uses it.

    The tool's definition contains no names, because names are data. The [room] row lists them.

    Args:
        by: The name of the agent that has the turn.
        others: The ids of the agents that can take it, by name.
    """

    def __init__(self, by: str, others: Mapping[str, str]) -> None:
        self._by = by
        self._others = {_plain(name): agent_id for name, agent_id in others.items()}
        self.handed: HandoffRequest | None = None

    def tool(self) -> FunctionTool:
        """The tool for openai-agents."""
        from agents import function_tool

        async def hand_over(to: str, why: str) -> str:
            """Let another agent of the room answer this instead of you, when it is the better one for it.

            Args:
                to: That agent's name, as [room] lists it.
                why: What the person wants and what has been settled, in one sentence.
            """
            agent_id = self._others.get(_plain(to))
            if agent_id is None:
                return "There is no such agent: [room] lists those there are. Answer yourself."
            self.handed = HandoffRequest(agent_id, as_data(why)[:LONGEST_REASON], self._by)
            return "Done."

        return function_tool(hand_over, name_override=HAND_OVER)


def _plain(name: str) -> str:
    return skeleton(label(name))
