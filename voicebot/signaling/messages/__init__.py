"""All messages between a browser and the server, one union per direction.

Frames are JSON objects `{v, type, id, seq, ack, lobby, peer, epoch, data}`. The client sets `id`, which
answers and errors repeat; the server sets `seq`. `peer` names the other end of a WebRTC connection: a
person's participant id, or the lobby's `host_peer`. The JSON Schema and the client's TypeScript are
generated from these models.
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from voicebot.signaling.messages.base import *
from voicebot.signaling.messages.both import *
from voicebot.signaling.messages.client import *
from voicebot.signaling.messages.server import *

ClientMessage = Annotated[
    CreateLobby
    | JoinLobby
    | LobbyUpdate
    | LeaveLobby
    | Resume
    | Ping
    | WebrtcOffer
    | WebrtcAnswer
    | IceCandidate
    | NegotiationNeeded
    | WebrtcStateChange
    | ConnectionReady
    | IceServersRequest
    | ParticipantUpdate
    | AgentCreate
    | AgentUpdate
    | AgentRemove
    | ChatMessage
    | RaiseHand
    | Moderation,
    Field(discriminator="type"),
]

ServerMessage = Annotated[
    SessionEstablished
    | SessionExpired
    | SessionInvalid
    | LobbyCreated
    | LobbyJoined
    | LobbyState
    | LobbyDestroyed
    | LobbyWaiting
    | Knocking
    | LobbyFull
    | UserJoined
    | ParticipantUpdated
    | UserLeft
    | StartWebrtcNegotiation
    | NegotiationNeeded
    | RenegotiateRequest
    | WebrtcOffer
    | WebrtcAnswer
    | IceCandidate
    | WebrtcStateChange
    | ConnectionReady
    | WebrtcFailed
    | IceServers
    | AgentCreated
    | AgentRemoved
    | AgentStateChanged
    | Transcript
    | ChatMessage
    | RaiseHand
    | Moderation
    | GoingAway
    | Pong
    | Error,
    Field(discriminator="type"),
]

client_message: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
server_message: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)
