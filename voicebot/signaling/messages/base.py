"""The envelope of every message, and the objects that messages contain."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PROTOCOL_VERSION = 1
MAX_FRAME = 64 * 1024
MAX_SDP = 48 * 1024
MAX_CANDIDATE = 1024

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9]){2,39}$")]
"""A lobby id that people can remember: 3 to 40 lowercase letters and digits, with single hyphens inside."""
Name = Annotated[str, Field(min_length=1, max_length=160)]
Sdp = Annotated[str, Field(min_length=1, max_length=MAX_SDP)]
MAX_INT = 2**53 - 1  # what JavaScript can count to
Epoch = Annotated[int, Field(ge=1, le=MAX_INT)]
Seq = Annotated[int, Field(ge=0, le=MAX_INT)]
Role = Literal["host", "guest"]
AgentState = Literal["initializing", "idle", "listening", "thinking", "speaking"]


class Data(BaseModel):
    """Base of everything inside `data`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)
    # strict: no conversion between "1" and 1, as in JSON Schema


class Message(Data):
    """The envelope. Which fields are required depends on the type."""

    v: Literal[1] = 1
    id: Id | None = None
    seq: Seq | None = None
    ack: Seq | None = None
    lobby: Id | None = None
    peer: Id | None = None
    epoch: Epoch | None = None


class LobbyMessage(Message):
    """Base of the messages about one lobby."""

    lobby: Id


class PeerMessage(Message):
    """Base of the messages about one WebRTC connection."""

    peer: Id
    epoch: Epoch


class Empty(Data):
    """No data."""


class ParticipantInfo(Data):
    """A person or an agent, as everyone in the lobby sees them."""

    id: Id
    name: Name
    kind: Literal["human", "agent"]
    role: Role = "guest"
    """A host may moderate and change the lobby's settings. Agents are guests."""
    owner: bool = False
    """A host who created the lobby, or was made its host. Other hosts are acting hosts: what they change
    lasts until everybody has left."""
    presence: Literal["present", "reconnecting"] = "present"
    muted: bool = False
    camera: bool = False
    hand_raised: bool = False
    state: AgentState | None = None
    """Agents only."""
    character: str = ""
    """Agents only: the description that the agent was made from."""
    portrait: str = ""
    """Agents only: a `data:image/svg+xml` URL."""
    notice: str = ""
    """Agents only: what people must know, such as that a small program answers, not an AI model."""


class IceServer(Data):
    """One entry of RTCConfiguration.iceServers."""

    urls: list[str]
    username: str | None = None
    credential: str | None = Field(default=None, repr=False)


class LobbySettings(Data):
    """What a host may set."""

    private: bool = False
    """People have to knock, and a host admits them."""
    locked: bool = False
    """Nobody new can come in, not even by knocking."""
    agents_by: Literal["everyone", "host"] = "everyone"
    """Who may add, mute and remove agents."""
    people: Annotated[int, Field(ge=1, le=10)] = 10
    """The largest number of people. Everyone sends to everyone else, so more do not work well."""


class LobbyInfo(Data):
    """A lobby without its participants."""

    id: Id
    name: Name
    settings: LobbySettings = LobbySettings()
    host_peer: Id | None = None
    """The peer that carries all agents; null while the lobby has none."""


class Candidate(Data):
    """An RTCIceCandidateInit. An empty `candidate` means end-of-candidates."""

    candidate: Annotated[str, Field(max_length=MAX_CANDIDATE)]
    sdp_mid: Annotated[str, Field(max_length=64)] | None = None
    sdp_m_line_index: Annotated[int, Field(ge=0, le=255)] | None = None
    username_fragment: Annotated[str, Field(max_length=256)] | None = None
