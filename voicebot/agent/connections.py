"""The connections between people and the agent host of one lobby."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voicebot.events import ConnectionState
from voicebot.media.base import (
    AddIceCandidate,
    Answer,
    ClosePeer,
    MediaPlane,
    PeerOffer,
    PeerState,
)
from voicebot.signaling.messages import Candidate, IceServer


class Connections:
    """Knows each person's newest connection; what older ones do does not matter."""

    def __init__(self, plane: MediaPlane, host_peer: str) -> None:
        self._plane, self._host_peer = plane, host_peer
        self._connected: set[str] = set()
        self._epochs: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Somebody is connected."""
        return bool(self._connected)

    @property
    def connected(self) -> frozenset[str]:
        """Who is connected to the agents."""
        return frozenset(self._connected)

    async def answer(
        self,
        participant_id: str,
        epoch: int,
        sdp: str,
        tracks: Mapping[str, str],
        ice_servers: Sequence[IceServer],
    ) -> Answer:
        """Raises MediaError: the offer is unusable, or the media plane is gone."""
        before = self._epochs.get(participant_id, 0)
        self._epochs[participant_id] = max(epoch, before)
        try:
            offer = PeerOffer(self._host_peer, participant_id, epoch, sdp, tracks, ice_servers)
            return await self._plane.answer(offer)
        except BaseException:
            if self._epochs.get(participant_id) == epoch:
                self._epochs[participant_id] = before  # the connection before goes on
            raise

    def add_candidate(self, participant_id: str, epoch: int, candidate: Candidate) -> None:
        self._plane.send(
            AddIceCandidate(
                self._host_peer,
                participant_id,
                epoch,
                candidate.candidate,
                candidate.sdp_mid,
                candidate.sdp_m_line_index,
            )
        )

    def close(self, participant_id: str) -> None:
        """Close a person's connection to the agents; they stay in the lobby."""
        self._plane.send(ClosePeer(self._host_peer, participant_id))

    def left(self, participant_id: str) -> None:
        """A person is gone for good."""
        self.close(participant_id)
        self._connected.discard(participant_id)
        self._epochs.pop(participant_id, None)

    def media_gone(self) -> None:
        """The media process died, and every connection with it."""
        self._connected.clear()

    def event(self, notice: PeerState) -> ConnectionState:
        """As the conversation's log tells it."""
        relay = "relay" in (notice.local, notice.remote)
        return ConnectionState(
            participant_id=notice.peer_id,
            peer=self._host_peer,
            epoch=notice.epoch,
            state=notice.state,
            ice={"local": notice.local, "remote": notice.remote, "relay": relay} if notice.local else {},
            reason=notice.reason,
        )

    def outdated(self, notice: PeerState) -> bool:
        """It is about a connection that a newer one has replaced."""
        return notice.epoch < self._epochs.get(notice.peer_id, 0)

    def follow(self, notice: PeerState) -> bool | None:
        """True: connected now. False: the connection has ended. None: neither."""
        if notice.state == "connected":
            self._connected.add(notice.peer_id)
            return True
        if notice.state in ("failed", "closed"):
            self._connected.discard(notice.peer_id)
            return False
        return None
