"""Messages from the server to the browser."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from voicebot.signaling.messages.base import (
    AgentState,
    Data,
    Empty,
    Epoch,
    IceServer,
    Id,
    LobbyInfo,
    Message,
    Name,
    ParticipantInfo,
    Seq,
)


class SessionEstablishedData(Data):
    session: Id
    """A public handle for support and logs; not the cookie's secret."""
    resumed: bool = False
    """The session still has its seat: that of the two ids below."""
    lobby: Id | None = None
    participant_id: Id | None = None
    heartbeat_s: float = 10.0
    version: str


class SessionEstablished(Message):
    type: Literal["session_established"] = "session_established"
    data: SessionEstablishedData


class SessionExpired(Message):
    """The session is over; load the page again. The socket closes with 4401."""

    type: Literal["session_expired"] = "session_expired"
    data: Empty = Empty()


class SessionInvalid(Message):
    """No session came with the socket, or not one of ours. The socket closes with 4401."""

    type: Literal["session_invalid"] = "session_invalid"
    data: Empty = Empty()


class LobbyCreated(Message):
    type: Literal["lobby_created"] = "lobby_created"
    data: LobbyInfo


class LobbyJoinedData(Data):
    participant_id: Id
    """Who you are in this lobby; also your peer id."""
    ice_servers: list[IceServer]
    ice_expires_s: float | None = None


class LobbyJoined(Message):
    type: Literal["lobby_joined"] = "lobby_joined"
    lobby: Id
    data: LobbyJoinedData


class LobbyStateData(Data):
    lobby: LobbyInfo
    participants: list[ParticipantInfo]
    version: Seq
    """Grows with every change; a smaller one than seen before is stale."""


class LobbyState(Message):
    type: Literal["lobby_state"] = "lobby_state"
    lobby: Id
    data: LobbyStateData


class LobbyDestroyedData(Data):
    reason: str = ""


class LobbyDestroyed(Message):
    type: Literal["lobby_destroyed"] = "lobby_destroyed"
    lobby: Id
    data: LobbyDestroyedData


class LobbyWaitingData(Data):
    name: Name
    """The lobby's."""


class LobbyWaiting(Message):
    """The answer to join_lobby at a private lobby: a host is asked. lobby_joined follows with the same
    `id`, or an error `unknown_lobby`."""

    type: Literal["lobby_waiting"] = "lobby_waiting"
    lobby: Id
    data: LobbyWaitingData


class Visitor(Data):
    """Somebody at the door."""

    id: Id
    name: Name


class KnockingData(Data):
    waiting: list[Visitor]


class Knocking(Message):
    """To hosts: everyone who waits to be admitted, each time that changes."""

    type: Literal["knocking"] = "knocking"
    lobby: Id
    data: KnockingData


class GoingAwayData(Data):
    seconds: Annotated[float, Field(ge=0)]
    """Until the sockets close."""
    returning: bool
    """Seats are kept: connect again and resume. Connections between people go on meanwhile."""


class GoingAway(Message):
    """The server stops soon: it takes nobody new, and calls go on until then."""

    type: Literal["going_away"] = "going_away"
    data: GoingAwayData


class LobbyFullData(Data):
    limit: int


class LobbyFull(Message):
    type: Literal["lobby_full"] = "lobby_full"
    lobby: Id
    data: LobbyFullData


class ParticipantData(Data):
    participant: ParticipantInfo


class UserJoined(Message):
    type: Literal["user_joined"] = "user_joined"
    lobby: Id
    data: ParticipantData


class ParticipantUpdated(Message):
    type: Literal["participant_updated"] = "participant_updated"
    lobby: Id
    data: ParticipantData


class UserLeftData(Data):
    participant_id: Id
    reason: Literal["left", "lost", "kicked", "banned", "removed"] = "left"


class UserLeft(Message):
    type: Literal["user_left"] = "user_left"
    lobby: Id
    data: UserLeftData


class StartWebrtcNegotiationData(Data):
    role: Literal["offerer", "polite", "impolite"]
    """offerer: towards the agent host, only this side ever offers. polite/impolite: perfect
    negotiation between two people."""
    ice_servers: list[IceServer]
    receive: list[Id] = Field(default_factory=list)
    """offerer only: the agents whose voice to receive, one recvonly audio transceiver each."""
    relay_only: bool = False


class StartWebrtcNegotiation(Message):
    """Begin (or begin anew, with a larger epoch) the connection to `peer`."""

    type: Literal["start_webrtc_negotiation"] = "start_webrtc_negotiation"
    lobby: Id
    peer: Id
    epoch: Epoch
    data: StartWebrtcNegotiationData


class RenegotiateRequestData(Data):
    receive: list[Id] = Field(default_factory=list)
    """The agents whose voice to receive; empty between people."""
    ice_restart: bool = False
    """Between people: look for a new path on the same connection."""


class RenegotiateRequest(Message):
    """Offer again on the same connection: the host's agents changed, or the path between two people
    was lost."""

    type: Literal["renegotiate_request"] = "renegotiate_request"
    lobby: Id
    peer: Id
    epoch: Epoch
    data: RenegotiateRequestData


class WebrtcFailedData(Data):
    code: str
    """no_candidates, timeout, ice_failed, or that of the error with which an offer was answered."""
    message: str
    retryable: bool


class WebrtcFailed(Message):
    """No connection to `peer` could be made; chat and captions go on."""

    type: Literal["webrtc_failed"] = "webrtc_failed"
    lobby: Id
    peer: Id
    epoch: Epoch
    data: WebrtcFailedData


class IceServersData(Data):
    ice_servers: list[IceServer]
    expires_s: float | None = None


class IceServers(Message):
    type: Literal["ice_servers"] = "ice_servers"
    data: IceServersData


class AgentCreated(Message):
    type: Literal["agent_created"] = "agent_created"
    lobby: Id
    data: ParticipantData


class AgentRemoved(Message):
    type: Literal["agent_removed"] = "agent_removed"
    lobby: Id
    data: UserLeftData


class AgentStateData(Data):
    participant_id: Id
    state: AgentState


class AgentStateChanged(Message):
    type: Literal["agent_state"] = "agent_state"
    lobby: Id
    data: AgentStateData


class TranscriptData(Data):
    """A caption. The same `utterance_id` is sent again with more text until `final`."""

    utterance_id: Id
    participant_id: Id
    name: Name
    text: str
    final: bool
    t: float
    """Seconds since the conversation began, at the utterance's start."""
    interrupted: bool = False


class Transcript(Message):
    type: Literal["transcript"] = "transcript"
    lobby: Id
    data: TranscriptData


class Pong(Message):
    type: Literal["pong"] = "pong"
    data: Empty = Empty()


class ErrorData(Data):
    code: str
    message: str
    hint: str = ""
    retryable: bool = False


class Error(Message):
    """`id` is that of the message it answers, if there is one."""

    type: Literal["error"] = "error"
    data: ErrorData
