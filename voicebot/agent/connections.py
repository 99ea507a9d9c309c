"""The connections between people and the agent host of one lobby."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from voicebot.events import ConnectionState
from voicebot.media.base import AddIceCandidate, Answer, ClosePeer, MediaPlane, PeerOffer, PeerState
from voicebot.signaling.messages import Candidate, IceServer


class Connections:
    """Knows each person's newest connection, so that notices about older ones can be ignored."""

    def __init__(self, plane: MediaPlane, host_peer: str) -> None:
        self._plane, self._host_peer = plane, host_peer
        self._connected: set[str] = set()
        self._epochs: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether anybody is connected."""
        return bool(self._connected)

    @property
    def connected(self) -> frozenset[str]:
        """The ids of the people who are connected to the agents."""
        return frozenset(self._connected)

    async def answer(
        self,
        participant_id: str,
        epoch: int,
        sdp: str,
        tracks: Mapping[str, str],
        ice_servers: Sequence[IceServer] = (),
    ) -> Answer:
        """Answer a browser's offer to the agent host; `tracks` maps mids to participants.

        Raises:
            MediaError: The offer is unusable, or the media plane is gone.
        """
        before = self._epochs.get(participant_id, 0)
        self._epochs[participant_id] = max(epoch, before)
        try:
            offer = PeerOffer(self._host_peer, participant_id, epoch, sdp, tracks, ice_servers)
            return await self._plane.answer(offer)
        except BaseException:
            if self._epochs.get(participant_id) == epoch:
                self._epochs[participant_id] = before  # the earlier connection is the newest again
            raise

    def add_candidate(self, participant_id: str, epoch: int, candidate: Candidate) -> None:
        """Add a browser's trickled candidate; an empty one is end-of-candidates."""
        mid, index = candidate.sdp_mid, candidate.sdp_m_line_index
        self._plane.send(
            AddIceCandidate(self._host_peer, participant_id, epoch, candidate.candidate, mid, index)
        )

    def close(self, participant_id: str) -> None:
        """Close a person's connection to the agents; they stay in the lobby."""
        self._plane.send(ClosePeer(self._host_peer, participant_id))

    def left(self, participant_id: str) -> None:
        """Close the connection of a person who has left the lobby, and forget them."""
        self.close(participant_id)
        self._connected.discard(participant_id)
        self._epochs.pop(participant_id, None)

    def media_gone(self) -> None:
        """Forget all connections, because the media process died."""
        self._connected.clear()

    def event(self, notice: PeerState) -> ConnectionState:
        """Turn a notice into an event for the log."""
        relay = "relay" in (notice.local, notice.remote)
        return ConnectionState(
            participant_id=notice.peer_id,
            peer=self._host_peer,
            epoch=notice.epoch,
            state=notice.state,
            ice={"local": notice.local, "remote": notice.remote, "relay": relay} if notice.local else {},
            reason=notice.reason,
        )

    def follow(self, notice: PeerState) -> bool | None:
        """Update the state of a connection from a notice.

        Returns True if the person is connected now, False if they are not any more, and None if nothing has
        changed or a newer connection has replaced this one.
        """
        if notice.epoch < self._epochs.get(notice.peer_id, 0):
            return None
        if notice.state == "connected":
            self._connected.add(notice.peer_id)
            return True
        if notice.state in ("failed", "closed"):
            self._connected.discard(notice.peer_id)
            return False
        return None
