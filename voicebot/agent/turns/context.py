"""What the parts of one conversation share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from voicebot.agent.agent import Agent
from voicebot.agent.models.models import Models
from voicebot.agent.speaking.speech import Speech
from voicebot.clock import Clock
from voicebot.conversation.log import ConversationLog
from voicebot.lobby.lobby import Lobby
from voicebot.media.base import HoldSpeech, MediaPlane, ResumeSpeech, StopSpeech
from voicebot.settings import Settings


@dataclass(frozen=True)
class ConversationContext:
    """The lobby of a conversation, its log, and what its parts work with."""

    lobby: Lobby
    log: ConversationLog
    agents: Mapping[str, Agent]
    """The agents by participant id; a live view."""
    plane: MediaPlane
    models: Models
    settings: Settings
    clock: Clock
    new_id: Callable[[str], str]
    """Returns an id that is unique in the lobby; the argument says of what."""

    @property
    def host_id(self) -> str:
        """The id of the agent host on the media plane."""
        return self.lobby.host_peer

    def stop(self, speech: Speech) -> None:
        """Discard what has not been played of a speech."""
        self.plane.send(StopSpeech(self.host_id, speech.agent_id, speech.speech_id))

    def hold(self, speech: Speech, participant_id: str) -> None:
        """Pause a speech, because this person talks over it."""
        self.plane.send(HoldSpeech(self.host_id, speech.agent_id, speech.speech_id, participant_id))

    def resume(self, speech: Speech) -> None:
        """Let a held speech continue."""
        self.plane.send(ResumeSpeech(self.host_id, speech.agent_id, speech.speech_id))
