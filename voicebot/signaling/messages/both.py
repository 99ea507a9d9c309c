"""Messages in both directions, including those that are relayed between two browsers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from voicebot.signaling.messages.base import Candidate, Data, Empty, Epoch, Id, Message, Sdp


class DescriptionData(Data):
    """A session description. `tracks` maps each mid to the participant whose media it carries."""

    sdp: Sdp
    tracks: dict[str, Id] = Field(default_factory=dict, max_length=32)


class WebrtcOffer(Message):
    """An offer. It is relayed to a person; the host peer answers it with webrtc_answer."""

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
    """A browser wants to renegotiate with `peer`; relayed to it. After webrtc_failed it asks for another
    attempt."""

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
    """Both ends of this epoch are connected."""

    type: Literal["connection_ready"] = "connection_ready"
    peer: Id
    epoch: Epoch
    data: Empty = Empty()


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
    action: Literal["mute_request", "kick", "ban", "lock", "unlock", "admit", "deny", "make_host", "report"]
    participant_id: Id | None = None
    """The participant it is about; for admit and deny the id in `knocking`."""
    reason: Annotated[str, Field(max_length=500)] = ""
    by: Id | None = None
    """The participant who asked for it. Set by the server."""


class Moderation(Message):
    """A host moderates; anyone may report. The server echoes it to its author with the `id` once it is done,
    and sends it to the participant it is about."""

    type: Literal["moderation"] = "moderation"
    lobby: Id
    data: ModerationData
