"""Who an agent is: name, character, voice and portrait."""

from voicebot.persona.create import adapted, create_persona, renamed
from voicebot.persona.persona import Persona

__all__ = ["Persona", "adapted", "create_persona", "renamed"]
