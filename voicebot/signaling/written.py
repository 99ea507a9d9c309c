"""Serialized messages: one text for all recipients, and cheap to keep for a replay."""

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
    """A serialized message."""

    type: str
    text: str
    """JSON, without a seq."""
    state_key: tuple[str, ...] | None
    """A newer message with the same key replaces this one; None if every message matters."""
    code: str | None
    """The code of an `error` message."""

    def numbered(self, seq: int | None) -> str:
        """The frame to send, with `seq` inserted."""
        return self.text if seq is None else f'{{"seq":{seq},{self.text[1:]}'


def write(message: Message) -> Written:
    """Serialize a message."""
    code = message.data.code if isinstance(message, Error) else None
    text = message.model_dump_json(exclude_none=True)
    return Written(str(getattr(message, "type", "")), text, _state_key(message), code)


def _state_key(message: Message) -> tuple[str, ...] | None:
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
