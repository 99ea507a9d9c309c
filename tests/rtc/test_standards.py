"""The statements of `voicebot/rtc/standards.md` about ICE; and the tests that it names exist."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path

import aioice.ice
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.support.waiting import GUARD
from voicebot.rtc import ice, offer
from voicebot.signaling import messages as m

ROOT = Path(__file__).parents[2]
STANDARDS = (ROOT / "voicebot/rtc/standards.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", STANDARDS)


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_named_test_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in found


def test_every_standard_that_is_used_names_its_test() -> None:
    rows = [row for row in STANDARDS.splitlines() if row.startswith(("| RFC", "| draft"))]
    assert len(rows) >= 20
    for row in rows:
        _, _, used, said, _ = row.split("|")
        assert used.strip() == "no" or "::test_" in said, row


async def an_offer(pc: RTCPeerConnection) -> str:
    pc.addTransceiver("audio")
    await pc.setLocalDescription(await pc.createOffer())
    return str(pc.localDescription.sdp)


async def test_unknown_ice_options_are_kept_on_the_wire(pc: RTCPeerConnection) -> None:
    sdp = (await an_offer(pc)).replace("a=ice-ufrag", "a=ice-options:trickle x-new ice2\r\na=ice-ufrag")
    message = m.WebrtcOffer(lobby="l", peer="p", epoch=1, data=m.DescriptionData(sdp=sdp, tracks={}))
    assert m.client_message.validate_json(message.model_dump_json()).data.sdp == sdp  # type: ignore[union-attr]
    assert "x-new" in sdp


async def test_unknown_ice_options_do_not_prevent_an_answer(pc: RTCPeerConnection) -> None:
    sdp = (await an_offer(pc)).replace("a=ice-ufrag", "a=ice-options:trickle x-new ice2\r\na=ice-ufrag")
    other = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    await other.setRemoteDescription(RTCSessionDescription(str(offer.read_offer(sdp)), "offer"))
    assert "a=ice-ufrag" in (await other.createAnswer()).sdp
    await other.close()


async def test_tcp_candidates_are_accepted_without_harm(pc: RTCPeerConnection) -> None:
    other = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    await other.setRemoteDescription(RTCSessionDescription(await an_offer(pc), "offer"))
    for kind, port in (("active", 9), ("passive", 40_000), ("so", 40_001)):
        text = f"candidate:1 1 tcp 1518280447 192.0.2.7 {port} typ host tcptype {kind}"
        candidate = ice.parse_candidate(text, "0", 0)
        assert candidate is not None
        assert (candidate.protocol, candidate.tcpType) == ("tcp", kind)
        await other.addIceCandidate(candidate)
    await other.setLocalDescription(await other.createAnswer())
    done = asyncio.Event()
    pc.on("connectionstatechange", lambda: pc.connectionState == "connected" and done.set())
    await pc.setRemoteDescription(other.localDescription)
    async with asyncio.timeout(GUARD):
        await done.wait()
    await other.close()


def test_hidden_addresses_of_browsers_are_candidates() -> None:
    name = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"
    candidate = ice.parse_candidate(f"candidate:1 1 udp 2113937151 {name} 54596 typ host", "0", 0)
    assert candidate is not None
    assert (candidate.ip, candidate.type) == (name, "host")


def test_consent_checks_are_as_frequent_as_repair_needs() -> None:
    """These are constants of aioice, which decide how soon a repair begins."""
    longest = aioice.ice.CONSENT_FAILURES * aioice.ice.CONSENT_INTERVAL * 1.2  # aioice adds up to a fifth
    assert 20 < longest <= 40
