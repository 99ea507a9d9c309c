"""Messages from the browser to the server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from voicebot.signaling.messages.base import Data, Empty, Id, LobbySettings, Message, Name, Seq, Slug


class CreateLobbyData(Data):
    name: Name
    slug: Slug | None = None
    """The id to have; without it one that cannot be guessed."""
    settings: LobbySettings = LobbySettings(private=True)


class CreateLobby(Message):
    """Make a lobby; answered by lobby_created."""

    type: Literal["create_lobby"] = "create_lobby"
    data: CreateLobbyData


class JoinLobbyData(Data):
    name: Name
    muted: bool = False
    camera: bool = False


class JoinLobby(Message):
    """Enter a lobby under a name; answered by lobby_joined, then lobby_state. With one camera too
    many one is in with the camera off, and the error `camera_limit` follows."""

    type: Literal["join_lobby"] = "join_lobby"
    lobby: Id
    data: JoinLobbyData


class LobbyUpdateData(Data):
    """What is left out stays as it is."""

    name: Name | None = None
    private: bool | None = None
    agents_by: Literal["everyone", "host"] | None = None
    people: Annotated[int, Field(ge=1, le=10)] | None = None


class LobbyUpdate(Message):
    """A host changes the lobby; everyone gets lobby_state. `moderation` locks it."""

    type: Literal["lobby_update"] = "lobby_update"
    lobby: Id
    data: LobbyUpdateData


class LeaveLobby(Message):
    """Free the seat, or stop waiting at the door."""

    type: Literal["leave_lobby"] = "leave_lobby"
    lobby: Id
    data: Empty = Empty()


class ResumeData(Data):
    last_seq: Seq


class Resume(Message):
    """After a reconnect: replay what came after `last_seq`, or send lobby_state anew."""

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


class ParticipantUpdate(Message):
    """Change oneself. One camera too many is answered by the error `camera_limit`, and stays off."""

    type: Literal["participant_update"] = "participant_update"
    lobby: Id
    data: ParticipantUpdateData


class AgentCreateData(Data):
    description: Annotated[str, Field(min_length=1, max_length=2000)]
    name: Name | None = None
    voice: Annotated[str, Field(max_length=200)] | None = None


class AgentCreate(Message):
    """Add an agent made from a description; answered by agent_created."""

    type: Literal["agent_create"] = "agent_create"
    lobby: Id
    data: AgentCreateData


class AgentUpdateData(Data):
    participant_id: Id
    muted: bool
    """A muted agent goes on listening and says nothing."""


class AgentUpdate(Message):
    """Mute one agent for everyone; told by participant_updated."""

    type: Literal["agent_update"] = "agent_update"
    lobby: Id
    data: AgentUpdateData


class AgentRemoveData(Data):
    participant_id: Id


class AgentRemove(Message):
    type: Literal["agent_remove"] = "agent_remove"
    lobby: Id
    data: AgentRemoveData
