"""The wire: every message between a browser and the server, one union per direction.

Frames are JSON objects `{v, type, id, seq, ack, lobby, peer, epoch, data}`. A browser
sets `id` (echoed in answers and errors), the server sets `seq`. `peer` names the other
end of a WebRTC connection: a person's participant id, or the lobby's `host_peer`.
The JSON Schema and the client's TypeScript are generated from these models.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

PROTOCOL_VERSION = 1
MAX_FRAME = 64 * 1024
MAX_SDP = 48 * 1024
MAX_CANDIDATE = 1024

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
Name = Annotated[str, Field(min_length=1, max_length=160)]
Sdp = Annotated[str, Field(min_length=1, max_length=MAX_SDP)]
MAX_INT = 2**53 - 1  # what JavaScript can count to
Epoch = Annotated[int, Field(ge=1, le=MAX_INT)]
Seq = Annotated[int, Field(ge=0, le=MAX_INT)]
AgentState = Literal["initializing", "idle", "listening", "thinking", "speaking"]


class Data(BaseModel):
    """Base of everything inside `data`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)
    # strict: "1" is no number and 1 no string, so that a JSON Schema validator judges the same


class Message(Data):
    """The envelope; the type decides which of the fields are required."""

    v: Literal[1] = 1
    id: Id | None = None
    seq: Seq | None = None
    ack: Seq | None = None
    lobby: Id | None = None
    peer: Id | None = None
    epoch: Epoch | None = None


class Empty(Data):
    """No content."""


# ---------------------------------------------------------------- things messages speak of


class ParticipantInfo(Data):
    """A person or an agent, as everyone in the lobby sees it."""

    id: Id
    name: Name
    kind: Literal["human", "agent"]
    presence: Literal["present", "reconnecting"] = "present"
    muted: bool = False
    camera: bool = False
    hand_raised: bool = False
    state: AgentState | None = None
    """Agents only."""
    character: str = ""
    """Agents only: the description the agent was made from."""
    portrait: str = ""
    """Agents only: a `data:image/svg+xml` URL."""
    notice: str = ""
    """Agents only: something people must know, such as "offline brain, not a language model"."""


class IceServer(Data):
    """One entry of RTCConfiguration.iceServers."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class LobbyInfo(Data):
    """A lobby without its participants."""

    id: Id
    name: Name
    host_peer: Id | None = None
    """The peer that carries all agents; null while the lobby has none."""


class Candidate(Data):
    """RTCIceCandidateInit; an empty `candidate` means end-of-candidates."""

    candidate: Annotated[str, Field(max_length=MAX_CANDIDATE)]
    sdp_mid: Annotated[str, Field(max_length=64)] | None = None
    sdp_m_line_index: Annotated[int, Field(ge=0, le=255)] | None = None
    username_fragment: Annotated[str, Field(max_length=256)] | None = None


# ---------------------------------------------------------------- browser -> server


class CreateLobbyData(Data):
    name: Name


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


class LeaveLobby(Message):
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


class DescriptionData(Data):
    """A session description. `tracks` maps each mid to the participant who sends on it."""

    sdp: Sdp
    tracks: dict[str, Id] = Field(default_factory=dict, max_length=32)


class WebrtcOffer(Message):
    """To another person it is relayed; to the host peer it is answered by webrtc_answer."""

    type: Literal["webrtc_offer"] = "webrtc_offer"
    peer: Id
    epoch: Epoch
    data: DescriptionData


class WebrtcAnswer(Message):
    type: Literal["webrtc_answer"] = "webrtc_answer"
    peer: Id
    epoch: Epoch
    data: DescriptionData


class IceCandidate(Message):
    type: Literal["ice_candidate"] = "ice_candidate"
    peer: Id
    epoch: Epoch
    data: Candidate


class NegotiationNeeded(Message):
    """A person's side wants to renegotiate with `peer`; relayed to it. After webrtc_failed it
    asks for another attempt."""

    type: Literal["negotiation_needed"] = "negotiation_needed"
    peer: Id
    epoch: Epoch
    data: Empty = Empty()


class WebrtcStateChangeData(Data):
    state: Literal["new", "connecting", "connected", "disconnected", "failed", "closed"]
    relay: bool | None = None
    local: Annotated[str, Field(max_length=32)] | None = None
    remote: Annotated[str, Field(max_length=32)] | None = None
    """Candidate types of the selected pair: host, srflx, prflx, relay."""
    reason: Annotated[str, Field(max_length=200)] = ""


class WebrtcStateChange(Message):
    """A browser reports the state of its connection to `peer`."""

    type: Literal["webrtc_state_change"] = "webrtc_state_change"
    peer: Id
    epoch: Epoch
    data: WebrtcStateChangeData


class ConnectionReady(Message):
    """Media flows between the two ends of this epoch."""

    type: Literal["connection_ready"] = "connection_ready"
    peer: Id
    epoch: Epoch
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


class AgentRemoveData(Data):
    participant_id: Id


class AgentRemove(Message):
    type: Literal["agent_remove"] = "agent_remove"
    lobby: Id
    data: AgentRemoveData


class ChatData(Data):
    text: Annotated[str, Field(min_length=1, max_length=4000)]
    participant_id: Id | None = None
    """Set by the server."""


class ChatMessage(Message):
    type: Literal["chat_message"] = "chat_message"
    lobby: Id
    data: ChatData


class RaiseHandData(Data):
    raised: bool
    participant_id: Id | None = None
    """Set by the server."""


class RaiseHand(Message):
    type: Literal["raise_hand"] = "raise_hand"
    lobby: Id
    data: RaiseHandData


class ModerationData(Data):
    action: Literal["mute_request", "kick", "ban", "lock", "unlock", "admit", "report"]
    participant_id: Id | None = None
    reason: Annotated[str, Field(max_length=500)] = ""


class Moderation(Message):
    type: Literal["moderation"] = "moderation"
    lobby: Id
    data: ModerationData


# ---------------------------------------------------------------- server -> browser


class SessionEstablishedData(Data):
    session: Id
    """A public handle for support and logs; not the cookie's secret."""
    resumed: bool = False
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
    reason: Literal["left", "lost", "kicked", "removed"] = "left"


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
    receive: list[Id]


class RenegotiateRequest(Message):
    """The host's agents changed: offer again on the same connection with these transceivers."""

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


ClientMessage = Annotated[
    CreateLobby
    | JoinLobby
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
    | Pong
    | Error,
    Field(discriminator="type"),
]

client_message: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
server_message: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)
