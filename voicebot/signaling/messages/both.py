"""Messages in both directions, including those that are relayed between two browsers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from voicebot.signaling.messages.base import Candidate, Data, Empty, Id, LobbyMessage, PeerMessage, Sdp


class DescriptionData(Data):
    """A session description. `tracks` maps each mid to the participant whose media it carries."""

    sdp: Sdp
    tracks: dict[str, Id] = Field(default_factory=dict, max_length=32)


class WebrtcOffer(PeerMessage):
    """An offer. It is relayed to a person; the host peer answers it with webrtc_answer."""

    type: Literal["webrtc_offer"] = "webrtc_offer"
    data: DescriptionData


class WebrtcAnswer(PeerMessage):
    type: Literal["webrtc_answer"] = "webrtc_answer"
    data: DescriptionData


class IceCandidate(PeerMessage):
    type: Literal["ice_candidate"] = "ice_candidate"
    data: Candidate


class NegotiationNeeded(PeerMessage):
    """A browser wants to renegotiate with `peer`; relayed to it. After webrtc_failed it asks for another
    attempt."""

    type: Literal["negotiation_needed"] = "negotiation_needed"
    data: Empty = Empty()


class WebrtcStateChangeData(Data):
    state: Literal["new", "connecting", "connected", "disconnected", "failed", "closed"]
    relay: bool | None = None
    local: Annotated[str, Field(max_length=32)] | None = None
    remote: Annotated[str, Field(max_length=32)] | None = None
    """Candidate types of the selected pair: host, srflx, prflx, relay."""
    reason: Annotated[str, Field(max_length=200)] = ""


class WebrtcStateChange(PeerMessage):
    """A browser reports the state of its connection to `peer`."""

    type: Literal["webrtc_state_change"] = "webrtc_state_change"
    data: WebrtcStateChangeData


class ConnectionReady(PeerMessage):
    """Both ends of this epoch are connected."""

    type: Literal["connection_ready"] = "connection_ready"
    data: Empty = Empty()


class ChatData(Data):
    text: Annotated[str, Field(min_length=1, max_length=4000)]
    participant_id: Id | None = None
    """Set by the server."""


class ChatMessage(LobbyMessage):
    type: Literal["chat_message"] = "chat_message"
    data: ChatData


class RaiseHandData(Data):
    raised: bool
    participant_id: Id | None = None
    """Set by the server."""


class RaiseHand(LobbyMessage):
    type: Literal["raise_hand"] = "raise_hand"
    data: RaiseHandData


class ModerationData(Data):
    action: Literal["mute_request", "kick", "ban", "lock", "unlock", "admit", "deny", "make_host", "report"]
    participant_id: Id | None = None
    """The participant it is about; for admit and deny the id in `knocking`."""
    reason: Annotated[str, Field(max_length=500)] = ""
    by: Id | None = None
    """The participant who asked for it. Set by the server."""


class Moderation(LobbyMessage):
    """A host moderates; anyone may report. The server echoes it to its author with the `id` once it is done,
    and sends it to the participant it is about."""

    type: Literal["moderation"] = "moderation"
    data: ModerationData
