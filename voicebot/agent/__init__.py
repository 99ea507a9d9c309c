"""Agents: ears, brains and voices of a lobby, and the room that holds them together."""

from voicebot.agent.agent import Agent
from voicebot.agent.models.choose import Choice
from voicebot.agent.models.models import Models, Option, Swapped
from voicebot.agent.room import Room

__all__ = ["Agent", "Choice", "Models", "Option", "Room", "Swapped"]
