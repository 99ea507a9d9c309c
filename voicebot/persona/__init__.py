"""Who an agent is: name, character, voice and portrait."""

from voicebot.persona.create import adapted, create_persona
from voicebot.persona.persona import Persona

DEMO_DESCRIPTION = "Ada, a friendly and curious host who loves a good conversation and keeps it short"
"""The agent of the demo lobby."""

__all__ = ["DEMO_DESCRIPTION", "Persona", "adapted", "create_persona"]
