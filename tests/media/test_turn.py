"""Media through a real TURN server (coturn), with the time-limited credentials of the product."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from tests.support.coturn import coturn, own_address
from voicebot.errors import MediaError
from voicebot.media.base import (
    AddAgentTrack,
    ClosePeer,
    EndSpeech,
    PeerOffer,
    PeerState,
    QueueAudio,
)
from voicebot.media.inline import InlineMediaPlane
from voicebot.rtc.ice_servers import allocation
from voicebot.signaling.messages import IceServer

if TYPE_CHECKING:
    from conftest import Stage

SECRET = "test-secret"
TONE = (9000 * np.sin(2 * np.pi * 440 * np.arange(4_800) / 24_000)).astype(np.int16)


def credentials(secret: str) -> tuple[str, str]:
    username = f"{int(time.time()) + 600}:somebody"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


@pytest.fixture
async def turn(tmp_path: Path) -> AsyncIterator[str]:
    address = own_address()
    with coturn(tmp_path, SECRET, address=address) as port:
        yield f"turn:{address}:{port}"
        # closed connections still delete their allocations
        if ending := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(ending, timeout=10)


async def test_media_goes_through_a_relay(turn: str, stage: Stage) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    username, password = credentials(SECRET)
    browser = stage.browser()
    await browser.pc.close()
    browser.pc = RTCPeerConnection(
        RTCConfiguration(
            iceServers=[RTCIceServer(turn, username, password)],
            iceTransportPolicy=RTCIceTransportPolicy.RELAY,
        )
    )
    browser.pc.on("connectionstatechange", browser._changed)
    browser.mic_transceiver = browser.pc.addTransceiver(browser.mic, direction="sendonly")
    sdp, tracks = await browser.offer(["marlin"])
    assert "typ host" not in sdp
    servers = [IceServer(urls=[turn], username=username, credential=password)]
    answer = await plane.answer(PeerOffer("host", browser.peer_id, 1, sdp, tracks, servers))
    assert "typ relay" in answer.sdp
    await browser.accept(answer)
    state = await notices.wait(PeerState, lambda n: n.state == "connected")
    assert state.remote == "relay"
    plane.send(QueueAudio("host", "marlin", "s", 0, TONE, 24_000))
    plane.send(EndSpeech("host", "marlin", "s"))
    await browser.hear("marlin", 10)


async def test_leaving_during_an_answer_deletes_the_relay_allocation(
    turn: str, inline_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane, browser = inline_stage.plane, inline_stage.browser()
    username, password = credentials(SECRET)
    asked, answered, made = asyncio.Event(), asyncio.Event(), []
    create = allocation.turn.create_turn_endpoint

    async def slowly(protocol: Any, *arguments: Any, **named: Any) -> Any:
        asked.set()
        await answered.wait()
        made.append(await create(protocol, *arguments, **named))
        return made[-1]

    sdp, tracks = await browser.offer([])
    monkeypatch.setattr(allocation.turn, "create_turn_endpoint", slowly)
    servers = [IceServer(urls=[turn], username=username, credential=password)]
    answering = asyncio.create_task(plane.answer(PeerOffer("host", browser.peer_id, 1, sdp, tracks, servers)))
    await asked.wait()
    plane.send(ClosePeer("host", browser.peer_id))
    await inline_stage.notices.wait(PeerState, lambda n: n.state == "closed")
    answered.set()
    with pytest.raises(MediaError, match="left in the meantime"):
        await answering
    assert isinstance(plane, InlineMediaPlane)
    assert not plane.engine.stats().peers
    await plane.close()
    ((relay, _),) = made
    assert relay._TurnTransport__inner_protocol.transport.is_closing()


async def test_wrong_turn_credentials_leave_the_other_candidates(turn: str, stage: Stage) -> None:
    username, password = credentials("another secret")
    browser = stage.browser()
    sdp, tracks = await browser.offer([])
    servers = [IceServer(urls=[turn], username=username, credential=password)]
    answer = await stage.plane.answer(PeerOffer("host", browser.peer_id, 1, sdp, tracks, servers))
    assert "typ relay" not in answer.sdp
    await browser.accept(answer)
    await stage.notices.wait(PeerState, lambda n: n.state == "connected")


async def test_a_dead_first_server_is_skipped(turn: str, inline_stage: Stage) -> None:
    """The agent host's relay is from the second server."""
    username, password = credentials(SECRET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        dead = f"turn:127.0.0.1:{silent.getsockname()[1]}?transport=udp"
        browser = inline_stage.browser()
        sdp, tracks = await browser.offer([])
        servers = [IceServer(urls=[dead, f"{turn}?transport=tcp"], username=username, credential=password)]
        answer = await inline_stage.plane.answer(PeerOffer("host", browser.peer_id, 1, sdp, tracks, servers))
    assert "typ relay" in answer.sdp
    await browser.accept(answer)
    await inline_stage.notices.wait(PeerState, lambda n: n.state == "connected")


async def test_the_failure_reason_explains_why_there_is_no_relay(turn: str, inline_stage: Stage) -> None:
    username, password = credentials("another secret")
    browser = inline_stage.browser()
    await browser.pc.close()
    browser.pc = RTCPeerConnection(
        RTCConfiguration(iceServers=[], iceTransportPolicy=RTCIceTransportPolicy.RELAY)
    )
    browser.mic_transceiver = browser.pc.addTransceiver(browser.mic, direction="sendonly")
    await browser.pc.setLocalDescription(await browser.pc.createOffer())
    servers = [IceServer(urls=[turn], username=username, credential=password)]
    sdp = browser.pc.localDescription.sdp
    await inline_stage.plane.answer(PeerOffer("host", browser.peer_id, 1, sdp, {}, servers))
    failed = await inline_stage.notices.wait(PeerState, lambda n: n.state == "failed")
    assert "the browser offers no candidates" in failed.reason
    assert f"{turn} refuses the credentials (401" in failed.reason
