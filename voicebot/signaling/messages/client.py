"""Messages from the browser to the server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from voicebot.signaling.messages.base import (
    Data,
    Empty,
    Id,
    LobbyMessage,
    LobbySettings,
    Message,
    Name,
    Seq,
    Slug,
)


class CreateLobbyData(Data):
    name: Name
    slug: Slug | None = None
    """The id of the lobby; without it, the server chooses one that cannot be guessed."""
    settings: LobbySettings = LobbySettings(private=True)


class CreateLobby(Message):
    """Create a lobby; answered by lobby_created."""

    type: Literal["create_lobby"] = "create_lobby"
    data: CreateLobbyData


class JoinLobbyData(Data):
    name: Name
    muted: bool = False
    camera: bool = False


class JoinLobby(LobbyMessage):
    """Join a lobby under a name; answered by lobby_joined, then lobby_state. If too many cameras are on,
    yours stays off, and the error `camera_limit` follows."""

    type: Literal["join_lobby"] = "join_lobby"
    data: JoinLobbyData


class LobbyUpdateData(Data):
    """Omitted fields stay as they are."""

    name: Name | None = None
    private: bool | None = None
    agents_by: Literal["everyone", "host"] | None = None
    people: Annotated[int, Field(ge=1, le=10)] | None = None


class LobbyUpdate(LobbyMessage):
    """Change the lobby, as a host; everyone gets lobby_state. Use `moderation` to lock it."""

    type: Literal["lobby_update"] = "lobby_update"
    data: LobbyUpdateData


class LeaveLobby(LobbyMessage):
    """Free the seat, or stop waiting at the door."""

    type: Literal["leave_lobby"] = "leave_lobby"
    data: Empty = Empty()


class ResumeData(Data):
    last_seq: Seq


class Resume(Message):
    """After a reconnect: ask for what came after `last_seq`. If it is lost, the server sends lobby_state."""

    type: Literal["resume"] = "resume"
    data: ResumeData


class Ping(Message):
    type: Literal["ping"] = "ping"
    data: Empty = Empty()


class IceServersRequest(Message):
    """Ask for fresh TURN credentials; answered by ice_servers."""

    type: Literal["ice_servers_request"] = "ice_servers_request"
    data: Empty = Empty()


class ParticipantUpdateData(Data):
    muted: bool | None = None
    camera: bool | None = None
    name: Name | None = None


class ParticipantUpdate(LobbyMessage):
    """Change your own name or devices. If too many cameras are on, yours stays off, and the error
    `camera_limit` follows."""

    type: Literal["participant_update"] = "participant_update"
    data: ParticipantUpdateData


class AgentCreateData(Data):
    description: Annotated[str, Field(min_length=1, max_length=2000)]
    name: Name | None = None
    voice: Annotated[str, Field(max_length=200)] | None = None


class AgentCreate(LobbyMessage):
    """Add an agent made from a description; answered by agent_created."""

    type: Literal["agent_create"] = "agent_create"
    data: AgentCreateData


class AgentUpdateData(Data):
    participant_id: Id
    muted: bool
    """A muted agent listens but says nothing."""


class AgentUpdate(LobbyMessage):
    """Mute one agent for everyone; everyone gets participant_updated."""

    type: Literal["agent_update"] = "agent_update"
    data: AgentUpdateData


class AgentRemoveData(Data):
    participant_id: Id


class AgentRemove(LobbyMessage):
    type: Literal["agent_remove"] = "agent_remove"
    data: AgentRemoveData
