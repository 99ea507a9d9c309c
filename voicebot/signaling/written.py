"""Messages as they are written: made once for everyone who is told them, and small to keep."""

from __future__ import annotations

from typing import NamedTuple

from voicebot.signaling.messages import (
    AgentStateChanged,
    Error,
    Knocking,
    LobbyState,
    Message,
    ParticipantUpdated,
    Transcript,
)


class Written(NamedTuple):
    """A message as text."""

    type: str
    text: str
    """JSON, without a seq."""
    about: tuple[str, ...] | None
    """Of those about the same thing only the newest matters; None: each one does."""
    code: str | None
    """Of an error."""

    def numbered(self, seq: int | None) -> str:
        """What goes over the wire."""
        return self.text if seq is None else f'{{"seq":{seq},{self.text[1:]}'


def write(message: Message) -> Written:
    code = message.data.code if isinstance(message, Error) else None
    text = message.model_dump_json(exclude_none=True)
    return Written(str(getattr(message, "type", "")), text, _about(message), code)


def _about(message: Message) -> tuple[str, ...] | None:
    match message:
        case LobbyState(lobby=lobby):
            return ("lobby_state", lobby)
        case Knocking(lobby=lobby):
            return ("knocking", lobby)
        case ParticipantUpdated(lobby=lobby, data=data):
            return ("participant_updated", lobby, data.participant.id)
        case AgentStateChanged(lobby=lobby, data=data):
            return ("agent_state", lobby, data.participant_id)
        case Transcript(lobby=lobby, data=data) if not data.final:
            return ("transcript", lobby, data.utterance_id)
        case _:
            return None
