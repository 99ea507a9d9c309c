"""ICE: server configuration, candidates, and what the selected pair is.

aiortc falls back to a public STUN server when it is given none, so a configuration is
always passed; no servers means host candidates only. It uses the first STUN and the
first TURN address and cannot do `stuns:`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from aiortc import RTCConfiguration, RTCIceCandidate, RTCIceServer, RTCPeerConnection
from aiortc.rtcicetransport import RTCIceTransport, parse_stun_turn_uri
from aiortc.sdp import candidate_from_sdp

from voicebot.errors import MediaError


class IceServer(Protocol):
    """One STUN or TURN server with its credentials."""

    @property
    def urls(self) -> tuple[str, ...]: ...
    @property
    def username(self) -> str | None: ...
    @property
    def credential(self) -> str | None: ...


def configuration(servers: Iterable[IceServer]) -> RTCConfiguration:
    """aiortc's configuration for these servers.

    Raises:
        MediaError: an address is not a STUN or TURN address.
    """
    usable = []
    for server in servers:
        for url in server.urls:
            try:
                parse_stun_turn_uri(url)
            except ValueError as error:
                raise MediaError(
                    f"{url!r} is no STUN or TURN address: {error}.",
                    hint="Correct COTURN_SERVER: turn:host:3478, turns:host, or a bare host name.",
                    code="ice_server",
                ) from None
        usable.append(RTCIceServer(list(server.urls), server.username, server.credential))
    return RTCConfiguration(iceServers=usable)


def parse_candidate(text: str, sdp_mid: str | None, index: int | None) -> RTCIceCandidate | None:
    """A trickled candidate; None for end-of-candidates.

    Raises:
        ValueError: it is not a candidate.
    """
    body = text.strip().removeprefix("a=").removeprefix("candidate:")
    if not body:
        return None
    try:
        candidate = candidate_from_sdp(body)
    except (AssertionError, IndexError, ValueError) as error:
        raise ValueError("not an ICE candidate") from error  # which one is nobody's business in a log
    candidate.sdpMid = sdp_mid
    candidate.sdpMLineIndex = index if index is not None or sdp_mid is not None else 0
    return candidate


def ice_transports(pc: RTCPeerConnection) -> Sequence[RTCIceTransport]:
    """The connection's ICE transports, each once (one when bundled)."""
    found = {id(t): t for r in pc.getReceivers() if (t := r.transport.transport)}
    return list(found.values())


def has_local_candidates(pc: RTCPeerConnection) -> bool:
    """Whether gathering found anything at all."""
    return any(t.iceGatherer.getLocalCandidates() for t in ice_transports(pc))


def selected_pair(pc: RTCPeerConnection) -> tuple[str | None, str | None]:
    """Types (host, srflx, prflx, relay) of the local and remote candidate in use."""
    for transport in ice_transports(pc):
        # aiortc has no public getter for the nominated pair; test_ice.py notices a change
        pair = getattr(transport._connection, "_nominated", {}).get(1)
        if pair is not None:
            return pair.local_candidate.type, pair.remote_candidate.type
    return None, None
