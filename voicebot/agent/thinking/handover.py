"""Hand-off between agents: one gives its turn to another, who knows why and goes on for the same person."""

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

MOST = 2
"""Hand-offs in one person's turn, there and back: two agents that want to be rid of it would never end."""
LONGEST_REASON = 300
"""Characters."""


@dataclass(frozen=True)
class Handed:
    """The turn goes to the agent of id `to`; `why` is what the first one says about it."""

    to: str
    why: str
    by: str
    """The name of who gave it away."""

    def row(self) -> str:
        """As the other agent's model gets it."""
        told = {"by": label(self.by), "why": as_data(self.why)}
        return f"{HANDED_OVER} {json.dumps(told, ensure_ascii=False)}"


class HandOver:
    """The tool `hand_over` of one turn, and whether it was used.

    Its definition names nobody: names are data, and [room] lists them.

    Args:
        by: The name of the agent whose turn it is.
        others: The ids of those who can take it, by name.
    """

    def __init__(self, by: str, others: Mapping[str, str]) -> None:
        self._by = by
        self._others = {_plain(name): agent_id for name, agent_id in others.items()}
        self.handed: Handed | None = None

    def tool(self) -> FunctionTool:
        """For openai-agents."""
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
            self.handed = Handed(agent_id, as_data(why)[:LONGEST_REASON], self._by)
            return "Done."

        return function_tool(hand_over, name_override=HAND_OVER)


def _plain(name: str) -> str:
    return skeleton(label(name))
