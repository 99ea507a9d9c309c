from __future__ import annotations

import pytest
from aiortc import RTCPeerConnection

from tests.support.waiting import GUARD
from voicebot.errors import MediaError
from voicebot.rtc import ice
from voicebot.signaling.messages import IceServer


def test_without_servers_no_public_server_is_used() -> None:
    assert ice.configuration([]).iceServers == []


def test_servers_keep_their_credentials() -> None:
    (server,) = ice.configuration(
        [IceServer(urls=["turn:host:3478"], username="me", credential="secret")]
    ).iceServers
    assert (server.urls, server.username, server.credential) == (["turn:host:3478"], "me", "secret")


def test_an_error_names_the_invalid_address() -> None:
    with pytest.raises(MediaError, match="'https://host'") as caught:
        ice.configuration([IceServer(urls=["https://host"])])
    assert "COTURN_SERVER" in caught.value.hint


@pytest.mark.parametrize("prefix", ["", "candidate:", "a=candidate:"])
def test_candidates_are_read(prefix: str) -> None:
    text = prefix + "1 1 udp 2130706431 192.0.2.7 50000 typ srflx raddr 10.0.0.1 rport 5000"
    candidate = ice.parse_candidate(text, "0", 0)
    assert candidate is not None
    assert (candidate.ip, candidate.port, candidate.type) == ("192.0.2.7", 50000, "srflx")
    assert (candidate.sdpMid, candidate.sdpMLineIndex) == ("0", 0)


def test_end_of_candidates_and_invalid_candidates() -> None:
    assert ice.parse_candidate("", None, None) is None
    with pytest.raises(ValueError, match="not an ICE candidate") as caught:
        ice.parse_candidate("candidate:what is this", None, None)
    assert "what is this" not in str(caught.value)  # the error is logged, and addresses must not be


async def test_the_selected_pair_is_read_from_a_real_connection(pc: RTCPeerConnection) -> None:
    other = RTCPeerConnection(pc._RTCPeerConnection__configuration)
    pc.createDataChannel("x")
    pc.addTransceiver("audio")
    assert ice.selected_pair(pc) == (None, None)
    await pc.setLocalDescription(await pc.createOffer())
    assert ice.has_local_candidates(pc)
    await other.setRemoteDescription(pc.localDescription)
    await other.setLocalDescription(await other.createAnswer())
    import asyncio

    done = asyncio.Event()
    pc.on("connectionstatechange", lambda: pc.connectionState == "connected" and done.set())
    await pc.setRemoteDescription(other.localDescription)
    async with asyncio.timeout(GUARD):
        await done.wait()
    local, remote = ice.selected_pair(pc)
    assert local in {"host", "prflx"}
    assert remote in {"host", "prflx"}
    await other.close()
