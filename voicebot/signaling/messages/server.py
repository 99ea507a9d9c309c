"""Messages from the server to the browser."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from voicebot.signaling.messages.base import (
    AgentState,
    Data,
    Empty,
    IceServer,
    Id,
    LobbyInfo,
    LobbyMessage,
    Message,
    Name,
    ParticipantInfo,
    PeerMessage,
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


class LobbyJoined(LobbyMessage):
    type: Literal["lobby_joined"] = "lobby_joined"
    data: LobbyJoinedData


class LobbyStateData(Data):
    lobby: LobbyInfo
    participants: list[ParticipantInfo]
    version: Seq
    """Grows with every change. Ignore a state with a smaller version than the last one."""


class LobbyState(LobbyMessage):
    type: Literal["lobby_state"] = "lobby_state"
    data: LobbyStateData


class LobbyDestroyedData(Data):
    reason: str = ""


class LobbyDestroyed(LobbyMessage):
    type: Literal["lobby_destroyed"] = "lobby_destroyed"
    data: LobbyDestroyedData


class LobbyWaitingData(Data):
    name: Name
    """The name of the lobby."""


class LobbyWaiting(LobbyMessage):
    """Answers join_lobby for a private lobby, while its hosts are asked. lobby_joined follows with the same
    `id`, or the error `unknown_lobby`."""

    type: Literal["lobby_waiting"] = "lobby_waiting"
    data: LobbyWaitingData


class Visitor(Data):
    """Somebody who waits at the door."""

    id: Id
    name: Name


class KnockingData(Data):
    waiting: list[Visitor]


class Knocking(LobbyMessage):
    """Tells hosts everyone who waits at the door, whenever that changes."""

    type: Literal["knocking"] = "knocking"
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


class LobbyFull(LobbyMessage):
    type: Literal["lobby_full"] = "lobby_full"
    data: LobbyFullData


class ParticipantData(Data):
    participant: ParticipantInfo


class UserJoined(LobbyMessage):
    type: Literal["user_joined"] = "user_joined"
    data: ParticipantData


class ParticipantUpdated(LobbyMessage):
    type: Literal["participant_updated"] = "participant_updated"
    data: ParticipantData


class UserLeftData(Data):
    participant_id: Id
    reason: Literal["left", "lost", "kicked", "banned", "removed"] = "left"


class UserLeft(LobbyMessage):
    type: Literal["user_left"] = "user_left"
    data: UserLeftData


class StartWebrtcNegotiationData(Data):
    role: Literal["offerer", "polite", "impolite"]
    """offerer: only this end makes offers, to the agent host. polite, impolite: perfect negotiation between
    two people."""
    ice_servers: list[IceServer]
    receive: list[Id] = Field(default_factory=list)
    """offerer only: the agents to receive, one recvonly audio transceiver each."""
    relay_only: bool = False


class StartWebrtcNegotiation(PeerMessage):
    """Begin a connection to `peer`, or a new one with a larger epoch."""

    type: Literal["start_webrtc_negotiation"] = "start_webrtc_negotiation"
    lobby: Id
    data: StartWebrtcNegotiationData


class RenegotiateRequestData(Data):
    receive: list[Id] = Field(default_factory=list)
    """The agents to receive; empty between people."""
    ice_restart: bool = False
    """Between people: restart ICE."""


class RenegotiateRequest(PeerMessage):
    """Offer again on the same connection, because the agents changed or two people lost their path."""

    type: Literal["renegotiate_request"] = "renegotiate_request"
    lobby: Id
    data: RenegotiateRequestData


class WebrtcFailedData(Data):
    code: str
    """no_candidates, timeout, ice_failed, or the code of the error that answered an offer."""
    message: str
    retryable: bool


class WebrtcFailed(PeerMessage):
    """No connection to `peer` could be made. Chat and captions continue."""

    type: Literal["webrtc_failed"] = "webrtc_failed"
    lobby: Id
    data: WebrtcFailedData


class IceServersData(Data):
    ice_servers: list[IceServer]
    expires_s: float | None = None


class IceServers(Message):
    type: Literal["ice_servers"] = "ice_servers"
    data: IceServersData


class AgentCreated(LobbyMessage):
    type: Literal["agent_created"] = "agent_created"
    data: ParticipantData


class AgentRemoved(LobbyMessage):
    type: Literal["agent_removed"] = "agent_removed"
    data: UserLeftData


class AgentStateData(Data):
    participant_id: Id
    state: AgentState


class AgentStateChanged(LobbyMessage):
    type: Literal["agent_state"] = "agent_state"
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


class Transcript(LobbyMessage):
    type: Literal["transcript"] = "transcript"
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
