"""AI agents: how they hear, think and speak, and the session that runs those of one lobby."""

from voicebot.agent.agent import Agent
from voicebot.agent.models.choose import Choice
from voicebot.agent.models.models import Models, Option, Swapped
from voicebot.agent.session import AgentSession

__all__ = ["Agent", "AgentSession", "Choice", "Models", "Option", "Swapped"]
