"""ICE: server configuration, candidates, and the selected pair.

aiortc uses a public STUN server if it gets no configuration, so we always pass one; without servers
there are host candidates only. aiortc uses the first STUN and the first TURN address, drops `stuns:`
and cannot read an IPv6 address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from aiortc import RTCConfiguration, RTCIceCandidate, RTCIceServer, RTCPeerConnection
from aiortc.rtcicetransport import RTCIceTransport, parse_stun_turn_uri
from aiortc.sdp import candidate_from_sdp

from voicebot.errors import MediaError
from voicebot.signaling.messages import IceServer

_IPV6 = re.compile(r"(?P<scheme>stuns?|turns?):\[(?P<host>[^\]]*)\](?P<rest>.*)")


def parse_url(url: str) -> dict[str, Any]:
    """Parse a STUN or TURN URL: scheme, host (IPv6 without brackets), port and, for TURN, transport.

    Raises:
        ValueError: it is not the URL of a STUN or TURN server.
    """
    match = _IPV6.fullmatch(url)
    if match is None:
        return parse_stun_turn_uri(url)
    return parse_stun_turn_uri(f"{match['scheme']}:ipv6{match['rest']}") | {"host": match["host"]}


def for_agents(servers: Iterable[IceServer]) -> tuple[list[IceServer], list[str]]:
    """Return the servers that aiortc can use, one URL each, and why it cannot use each of the other URLs.

    Raises:
        MediaError: an address is not a STUN or TURN address.
    """
    usable, left_out = [], []
    for server in servers:
        for url in server.urls:
            try:
                parsed = parse_url(url)
            except ValueError as error:
                raise MediaError(
                    f"{url!r} is not a STUN or TURN address: {error}.",
                    hint="Correct COTURN_SERVER. Use turn:host:3478, turns:host or a bare host name.",
                    code="ice_server",
                ) from None
            if ":" in parsed["host"]:
                left_out.append(f"{url} is an IPv6 address, which agents cannot use: give it a host name")
            elif parsed["scheme"] == "stuns" or (url.startswith("turns:") and parsed["transport"] == "udp"):
                left_out.append(f"{url} is STUN or TURN over (D)TLS, which agents do not support")
            else:
                usable.append(IceServer(urls=[url], username=server.username, credential=server.credential))
    return usable, left_out


def configuration(servers: Iterable[IceServer]) -> RTCConfiguration:
    """aiortc's configuration with the servers that it can use.

    Raises:
        MediaError: an address is not a STUN or TURN address.
    """
    usable, _ = for_agents(servers)
    return RTCConfiguration(iceServers=[RTCIceServer(s.urls, s.username, s.credential) for s in usable])


def parse_candidate(text: str, sdp_mid: str | None, index: int | None) -> RTCIceCandidate | None:
    """Parse a trickled candidate; None for end-of-candidates.

    Raises:
        ValueError: it is not a candidate.
    """
    body = text.strip().removeprefix("a=").removeprefix("candidate:")
    if not body:
        return None
    try:
        candidate = candidate_from_sdp(body)
    except (AssertionError, IndexError, ValueError) as error:
        raise ValueError("not an ICE candidate") from error  # its text must not reach a log
    candidate.sdpMid = sdp_mid
    candidate.sdpMLineIndex = index if index is not None or sdp_mid is not None else 0
    return candidate


def ice_transports(pc: RTCPeerConnection) -> Sequence[RTCIceTransport]:
    """The ICE transports of a connection (one if bundled)."""
    found = {id(t): t for r in pc.getReceivers() if (t := r.transport.transport)}
    return list(found.values())


def has_local_candidates(pc: RTCPeerConnection) -> bool:
    """Whether gathering found any candidate."""
    return any(t.iceGatherer.getLocalCandidates() for t in ice_transports(pc))


def selected_pair(pc: RTCPeerConnection) -> tuple[str | None, str | None]:
    """Types (host, srflx, prflx or relay) of the local and the remote candidate in use, or None."""
    for transport in ice_transports(pc):
        # aiortc has no public getter for the nominated pair; test_ice.py notices a change
        pair = getattr(transport._connection, "_nominated", {}).get(1)
        if pair is not None:
            return pair.local_candidate.type, pair.remote_candidate.type
    return None, None
