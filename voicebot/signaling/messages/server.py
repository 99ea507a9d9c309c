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
    """The public handle for support and logs, not the cookie's secret."""
    resumed: bool = False
    """The session still has its seat, which the two ids below name."""
    lobby: Id | None = None
    participant_id: Id | None = None
    heartbeat_s: float = 10.0
    version: str


class SessionEstablished(Message):
    type: Literal["session_established"] = "session_established"
    data: SessionEstablishedData


class SessionExpired(Message):
    """The session has expired; reload the page. The socket closes with 4401."""

    type: Literal["session_expired"] = "session_expired"
    data: Empty = Empty()


class SessionInvalid(Message):
    """The cookie is missing or unknown. The socket closes with 4401."""

    type: Literal["session_invalid"] = "session_invalid"
    data: Empty = Empty()


class LobbyCreated(Message):
    type: Literal["lobby_created"] = "lobby_created"
    data: LobbyInfo


class LobbyJoinedData(Data):
    participant_id: Id
    """Your participant id in this lobby, which is also your peer id."""
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
    """Grows with every change. Ignore a state with a smaller version than the last one."""


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
    """The name of the lobby."""


class LobbyWaiting(Message):
    """Answers join_lobby for a private lobby, while its hosts are asked. lobby_joined follows with the same
    `id`, or the error `unknown_lobby`."""

    type: Literal["lobby_waiting"] = "lobby_waiting"
    lobby: Id
    data: LobbyWaitingData


class Visitor(Data):
    """Somebody who waits at the door."""

    id: Id
    name: Name


class KnockingData(Data):
    waiting: list[Visitor]


class Knocking(Message):
    """Tells hosts everyone who waits at the door, whenever that changes."""

    type: Literal["knocking"] = "knocking"
    lobby: Id
    data: KnockingData


class GoingAwayData(Data):
    seconds: Annotated[float, Field(ge=0)]
    """Time until the sockets close."""
    returning: bool
    """Whether seats are kept: reconnect and resume. Connections between people continue meanwhile."""


class GoingAway(Message):
    """The server stops soon and admits nobody new. Calls continue until then."""

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
    """offerer: only this end makes offers, to the agent host. polite, impolite: perfect negotiation between
    two people."""
    ice_servers: list[IceServer]
    receive: list[Id] = Field(default_factory=list)
    """offerer only: the agents to receive, one recvonly audio transceiver each."""
    relay_only: bool = False


class StartWebrtcNegotiation(Message):
    """Begin a connection to `peer`, or a new one with a larger epoch."""

    type: Literal["start_webrtc_negotiation"] = "start_webrtc_negotiation"
    lobby: Id
    peer: Id
    epoch: Epoch
    data: StartWebrtcNegotiationData


class RenegotiateRequestData(Data):
    receive: list[Id] = Field(default_factory=list)
    """The agents to receive; empty between people."""
    ice_restart: bool = False
    """Between people: restart ICE."""


class RenegotiateRequest(Message):
    """Offer again on the same connection, because the agents changed or two people lost their path."""

    type: Literal["renegotiate_request"] = "renegotiate_request"
    lobby: Id
    peer: Id
    epoch: Epoch
    data: RenegotiateRequestData


class WebrtcFailedData(Data):
    code: str
    """no_candidates, timeout, ice_failed, or the code of the error that answered an offer."""
    message: str
    retryable: bool


class WebrtcFailed(Message):
    """No connection to `peer` could be made. Chat and captions continue."""

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
    """Start of the utterance, in seconds since the conversation began."""
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
    """`id` is that of the message that caused it, if there is one."""

    type: Literal["error"] = "error"
    data: ErrorData
